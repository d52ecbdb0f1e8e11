#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "proxy/grpc/access.h"
#include "proxy/grpc/cluster_view.h"
#include "proxy/protocol/gossip.pb.h"
#include "proxy/protocol/server_features.pb.h"

namespace twinstream::door {

/// This server in its cluster. Thread safe.
class Node {
 public:
  /// An empty `watch`: alone, and the leader.
  explicit Node(std::function<ClusterView()> watch) : watch_(std::move(watch)) {}

  /// How clients reach it when it is alone. A free port is known only once it listens, and then the first call may
  /// already be there.
  void advertise(std::string host, std::uint16_t port);
  bool alone() const { return !watch_; }
  ClusterView view() const;

 private:
  const std::function<ClusterView()> watch_;
  const EventId instance_ = EventId::random();
  mutable std::mutex mutex_;
  std::string host_;
  std::uint16_t port_ = 0;
};

/// What a call is to its cluster (reference, section 12.5): followers read, and write for the leader, unless the caller
/// requires the leader; read-only replicas read.
enum class Intent { read, write };

/// Sends the caller to the leader where this node must not answer.
CallStatus check(const Node& node, const Caller& caller, Intent intent);
/// The same for what only a leader does.
CallStatus check_leads(const Node& node);
/// The same as protocol v2 says it.
CallStatus check_leads_v2(const Node& node);

void fill_cluster(event_store::client::gossip::ClusterInfo& cluster, const Node& node);

/// What this server can do, told like EventStore 23.10 tells it: names in lower case.
void fill_supported_methods(event_store::client::server_features::SupportedMethods& methods);

}  // namespace twinstream::door
