#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "adapters/eventstore/calls.h"
#include "adapters/eventstore/connection_string.h"
#include "adapters/eventstore/credentials_file.h"
#include "adapters/eventstore/errors.h"

namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

namespace twinstream::eventstore {

/// What a server says about itself.
class Features {
 public:
  bool batch_append = false;
  bool batch_deadline_duration = false;  ///< understands a relative deadline in batches
  bool append_session = false;           ///< takes appends to several streams
  std::string version;                   ///< empty: the server does not say

  /// Since 23.10 a subscription is told when it is at the end.
  bool announces_caught_up() const { return at_least(23, 10); }
  /// Since 25.1 an append may have 256 MiB, before that 1 MiB, where the operator did not change it.
  bool takes_large_appends() const { return at_least(25, 1); }

 private:
  bool at_least(int major, int minor) const;
};

class ChannelFactory;

/// A channel to one node, ready for calls. Every call holds it, so that its end is the end of the channel's use.
struct Connection {
  Connection(Endpoint endpoint, std::shared_ptr<grpc::Channel> channel, std::shared_ptr<const ChannelFactory> factory,
             std::shared_ptr<CallRegistry> calls, std::shared_ptr<RetiredChannels> retired);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Endpoint endpoint;
  std::shared_ptr<grpc::Channel> channel;
  const std::shared_ptr<const ChannelFactory> factory;
  const std::shared_ptr<CallRegistry> calls;
  const std::shared_ptr<RetiredChannels> retired;
  Features features;
};
using ConnectionPtr = std::shared_ptr<const Connection>;

/// The first member of every call, before its context.
struct CallScope {
  explicit CallScope(ConnectionPtr over) : lifetime(over->calls), connection(std::move(over)) {}

  const CallRegistry::Lifetime lifetime;
  const ConnectionPtr connection;
};

/// Makes channels and the headers of calls from the settings, whose certificate files it reads once and whose
/// credentials file whenever it changes.
class ChannelFactory : public std::enable_shared_from_this<ChannelFactory> {
 public:
  /// `rejected` when a file cannot be read, or credentials are given twice.
  static Result<std::shared_ptr<const ChannelFactory>> load(ConnectionSettings settings);

  const ConnectionSettings& settings() const { return settings_; }
  /// Does not touch the network; the features are empty.
  std::shared_ptr<Connection> connect(Endpoint endpoint, std::shared_ptr<CallRegistry> calls,
                                      std::shared_ptr<RetiredChannels> retired) const;

  /// Whether the call must be answered by the leader, or by whichever node is asked.
  enum class Target { preferred, any };
  void add_headers(grpc::ClientContext& context, Target target) const;
  /// Whether credentials that a server does not know may be replaced at any time.
  bool credentials_may_change() const { return credentials_file_ != nullptr; }

 private:
  struct Certificates {
    std::string authorities;
    std::string own;
    std::string own_key;
  };

  ChannelFactory(ConnectionSettings settings, Certificates certificates,
                 std::shared_ptr<CredentialsFile> credentials_file);

  ConnectionSettings settings_;
  Certificates certificates_;
  std::shared_ptr<CredentialsFile> credentials_file_;  ///< may be null
  std::string authorization_;
};

void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds timeout);
CallStatus call_status(const grpc::Status& status, const grpc::ClientContext& context, const Connection& connection);

}  // namespace twinstream::eventstore
