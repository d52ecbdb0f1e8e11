#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "adapters/eventstore/connection.h"
#include "adapters/eventstore/unary_calls.h"
#include "proxy/core/await.h"
#include "proxy/core/event_log.h"
#include "proxy/core/random.h"

namespace twinstream::eventstore {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Chooses among gossiped members: by preference, else any that serves clients; never dead ones or such without an
/// endpoint. With `strict`, only the preferred kind. Equal ones are drawn by `random`.
std::optional<Endpoint> choose_member(const std::vector<Member>& members, NodePreference preference, bool strict,
                                      const Random& random);

/// Knows the one connection that calls should use, and makes a new one when it breaks: through gossip, the node that
/// said who the leader is, or the host of the connection string. Connects only when somebody waits. Thread safe.
class Cluster {
 public:
  /// Connects on `io`'s thread.
  Cluster(boost::asio::io_context& io, std::shared_ptr<const ChannelFactory> factory,
          std::shared_ptr<CallRegistry> calls);

  /// The ready connection, or nothing.
  ConnectionPtr current() const;
  /// Whether the server connected to last takes large appends.
  bool takes_large_appends() const { return takes_large_appends_.load(std::memory_order_relaxed); }
  /// Waits for one. Fails with `unavailable` at the deadline, and at once with `rejected` when the server will not have
  /// us. Deadlines are checked by `sweep`.
  Awaitable<Result<ConnectionPtr>> connection(SteadyTime deadline);
  /// A call over this connection failed. Ignored when it is not the current one any more.
  void report(const ConnectionPtr& connection, const CallFailure& failure);

  void sweep(SteadyTime now);
  /// Answers all that wait with `cancelled`; io must have stopped.
  void close();

 private:
  using Waiting = Completion<Result<ConnectionPtr>>;
  struct Waiter {
    Waiting done;
    SteadyTime deadline;
  };

  void add_waiter(Waiting done, SteadyTime deadline);
  void answer(std::vector<Waiter> waiters, const Result<ConnectionPtr>& result);
  Awaitable<void> connect_until_done();
  bool settle(Result<ConnectionPtr> attempt);
  Awaitable<Result<ConnectionPtr>> try_connect();
  Awaitable<Result<ConnectionPtr>> connect_to(Endpoint endpoint);
  Awaitable<Result<Endpoint>> discover();
  Awaitable<std::optional<Endpoint>> ask(Endpoint candidate, bool strict);
  std::vector<Endpoint> candidates();
  std::optional<Endpoint> take_redirect();
  Awaitable<void> pause(std::chrono::milliseconds time);

  boost::asio::io_context& io_;
  const std::shared_ptr<const ChannelFactory> factory_;
  const std::shared_ptr<CallRegistry> calls_;
  const std::shared_ptr<RetiredChannels> retired_ = std::make_shared<RetiredChannels>();

  // Used on io's thread only.
  Random random_ = system_random();
  std::vector<Endpoint> known_members_;
  std::string discovery_problem_;

  std::atomic<bool> takes_large_appends_{false};

  mutable std::mutex mutex_;
  ConnectionPtr current_;
  bool connecting_ = false;
  bool closed_ = false;
  std::optional<Endpoint> redirect_;
  Endpoint failed_;
  std::string last_problem_;
  std::vector<Waiter> waiters_;
};

}  // namespace twinstream::eventstore
