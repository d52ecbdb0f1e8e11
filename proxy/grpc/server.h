#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proxy/core/event_log.h"
#include "proxy/core/maintenance.h"
#include "proxy/core/result.h"
#include "proxy/grpc/cluster_view.h"
#include "proxy/grpc/tls_files.h"
#include "proxy/grpc/user_file.h"

namespace twinstream {

struct EventStoreServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one, see EventStoreServer::port
  /// What gossip tells clients to connect to; empty and 0: the address that is listened on.
  std::string advertise_host;
  std::uint16_t advertise_port = 0;
  /// Where persistent subscriptions keep their state, in streams whose names begin with `group_prefix`; null: in the
  /// log itself. It must outlive the server.
  EventLog* group_state = nullptr;
  std::string group_prefix{};
  std::optional<TlsFiles> tls{};       ///< absent: cleartext
  UserFile* users = nullptr;           ///< whose calls are taken, see access.h; null: everybody's. Needs `tls`
  Maintenance* maintenance = nullptr;  ///< of the log; null: the Operations service is not offered
  std::function<void()> stop{};        ///< called, from any thread, when an operator asks for a shutdown
  /// The cluster as this node sees it, in place of what it would advertise; asked at every call, from any thread. All
  /// members must stand over the same events. Empty: alone, and the leader.
  std::function<ClusterView()> cluster{};
};

/// The front door that speaks EventStore's gRPC protocol over any event log, as one node. What is
/// not backed (users, maintenance) answers UNIMPLEMENTED.
class EventStoreServer {
 public:
  /// Listens at once. `log` and what the options point to must outlive the server, and `executor`, on which the calls
  /// are worked off, must be running until the server is gone.
  static Result<std::unique_ptr<EventStoreServer>> start(EventLog& log, boost::asio::any_io_executor executor,
                                                         EventStoreServerOptions options);
  /// Shuts down without grace if that has not been done. Blocks until the last call has ended.
  virtual ~EventStoreServer() = default;

  virtual std::uint16_t port() const = 0;
  /// Takes no new calls, ends subscriptions and batch calls (what they have under way is answered), gives the others
  /// until `grace` has passed, then cancels. Blocks; not to be called on the executor.
  virtual void shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace twinstream
