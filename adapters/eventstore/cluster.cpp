#include "adapters/eventstore/cluster.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "adapters/eventstore/spawn.h"
#include "proxy/core/log.h"

namespace twinstream::eventstore {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_search_backoff{50};
constexpr milliseconds longest_search_backoff{2'000};

Failure unavailable(std::string reason) { return {FailureCode::unavailable, std::move(reason), {}}; }

/// Order of choice, the best first; nothing for roles that do not serve clients.
std::optional<int> rank(Member::Role role, NodePreference preference) {
  using Role = Member::Role;
  if (role == Role::other) return std::nullopt;
  constexpr int others = 3;
  switch (preference) {
    case NodePreference::random: return 0;
    case NodePreference::leader: return role == Role::leader ? 0 : others;
    case NodePreference::follower: return role == Role::follower ? 0 : others;
    case NodePreference::read_only_replica:
      if (role == Role::read_only_replica) return 0;
      if (role == Role::pre_read_only_replica) return 1;
      return role == Role::read_only_leaderless ? 2 : others;
  }
  return std::nullopt;
}

void shuffle(std::vector<Endpoint>& endpoints, const Random& random) {
  for (std::size_t i = endpoints.size(); i > 1; --i) std::swap(endpoints[i - 1], endpoints[random() % i]);
}

bool same(const Endpoint& a, const Endpoint& b) { return a.host == b.host && a.port == b.port; }

}  // namespace

std::optional<Endpoint> choose_member(const std::vector<Member>& members, NodePreference preference, bool strict,
                                      const Random& random) {
  std::vector<Endpoint> best;
  int best_rank = strict ? 0 : std::numeric_limits<int>::max();
  for (const Member& member : members) {
    const auto own = rank(member.role, preference);
    if (!member.alive || member.endpoint.port == 0 || !own || *own > best_rank) continue;
    if (*own < best_rank) best.clear();
    best_rank = *own;
    best.push_back(member.endpoint);
  }
  if (best.empty()) return std::nullopt;
  return best[random() % best.size()];
}

Cluster::Cluster(boost::asio::io_context& io, std::shared_ptr<const ChannelFactory> factory,
                 std::shared_ptr<CallRegistry> calls)
    : io_(io), factory_(std::move(factory)), calls_(std::move(calls)) {}

ConnectionPtr Cluster::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Awaitable<Result<ConnectionPtr>> Cluster::connection(SteadyTime deadline) {
  if (auto ready = current()) co_return ready;
  auto start = [this, deadline](Waiting done) { add_waiter(std::move(done), deadline); };
  co_return co_await await_completion<Result<ConnectionPtr>>(start);
}

void Cluster::add_waiter(Waiting done, SteadyTime deadline) {
  const std::lock_guard lock(mutex_);
  if (closed_) return done(Failure{FailureCode::cancelled, "the log is closed", {}});
  if (current_) return done(current_);
  waiters_.push_back({std::move(done), deadline});
  if (connecting_) return;
  connecting_ = true;
  spawn(io_, connect_until_done());
}

void Cluster::answer(std::vector<Waiter> waiters, const Result<ConnectionPtr>& result) {
  for (Waiter& waiter : waiters) waiter.done(result);
}

void Cluster::report(const ConnectionPtr& connection, const CallFailure& failure) {
  if (!failure.reconnect) return;
  const std::lock_guard lock(mutex_);
  if (current_ != connection) return;
  current_.reset();
  redirect_ = failure.leader;
  if (!failure.leader) failed_ = connection->endpoint;
  log::warning("connection to EventStore lost",
               {{"node", to_string(connection->endpoint)}, {"reason", failure.failure.reason}});
}

void Cluster::sweep(SteadyTime now) {
  retired_->destroy();
  std::vector<Waiter> expired;
  std::string problem;
  {
    const std::lock_guard lock(mutex_);
    const auto late =
        std::partition(waiters_.begin(), waiters_.end(), [now](const Waiter& waiter) { return waiter.deadline > now; });
    std::move(late, waiters_.end(), std::back_inserter(expired));
    waiters_.erase(late, waiters_.end());
    problem = last_problem_.empty() ? "no connection to EventStore in time" : last_problem_;
  }
  answer(std::move(expired), unavailable(problem));
}

void Cluster::close() {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    current_.reset();
    waiters.swap(waiters_);
  }
  answer(std::move(waiters), Failure{FailureCode::cancelled, "the log is closed", {}});
}

Awaitable<void> Cluster::connect_until_done() {
  milliseconds backoff = first_search_backoff;
  while (!settle(co_await try_connect())) {
    co_await pause(backoff / 2 + milliseconds{random_() % static_cast<std::uint64_t>(backoff.count() / 2)});
    backoff = std::min(backoff * 2, longest_search_backoff);
  }
}

/// Whether connecting is over: it worked, it can never work, or nobody waits any more.
bool Cluster::settle(Result<ConnectionPtr> attempt) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    if (attempt) {
      current_ = *attempt;
      last_problem_.clear();
    } else {
      if (last_problem_ != attempt.failure().reason) {
        log::warning("cannot connect to EventStore", {{"reason", attempt.failure().reason}});
      }
      last_problem_ = attempt.failure().reason;
    }
    const bool final = attempt.ok() || attempt.failed_with(FailureCode::rejected);
    if (!final && !waiters_.empty()) return false;
    connecting_ = false;
    waiters.swap(waiters_);
  }
  answer(std::move(waiters), attempt);
  return true;
}

Awaitable<Result<ConnectionPtr>> Cluster::try_connect() {
  if (const auto leader = take_redirect()) {
    auto connected = co_await connect_to(*leader);
    if (connected) co_return connected;
  }
  const ConnectionSettings& settings = factory_->settings();
  if (!settings.uses_gossip()) co_return co_await connect_to(settings.hosts.front());
  const auto found = co_await discover();
  if (!found) co_return found.failure();
  co_return co_await connect_to(*found);
}

Awaitable<Result<ConnectionPtr>> Cluster::connect_to(Endpoint endpoint) {
  const ConnectionSettings& settings = factory_->settings();
  auto connection = factory_->connect(endpoint, calls_, retired_);
  auto reply = co_await fetch_features(connection, std::min(settings.gossip_timeout, settings.default_deadline));
  if (!reply.status.ok()) {
    Failure failure = explain(reply.status, Intent::read).failure;
    failure.reason = to_string(endpoint) + ": " + failure.reason;
    co_return failure;
  }
  connection->features = std::move(reply.value);
  takes_large_appends_.store(connection->features.takes_large_appends(), std::memory_order_relaxed);
  log::info("connected to EventStore", {{"node", to_string(endpoint)}, {"version", connection->features.version}});
  co_return ConnectionPtr(std::move(connection));
}

/// Rounds over all candidates. Only the last one settles for a node of another kind than the preferred.
Awaitable<Result<Endpoint>> Cluster::discover() {
  const ConnectionSettings& settings = factory_->settings();
  discovery_problem_ = "no node of the preferred kind";
  for (unsigned attempt = 1; attempt <= settings.max_discover_attempts; ++attempt) {
    if (attempt > 1) co_await pause(settings.discovery_interval);
    const bool strict = attempt < settings.max_discover_attempts;
    for (const Endpoint& candidate : candidates()) {
      if (auto found = co_await ask(candidate, strict)) co_return *found;
    }
  }
  co_return unavailable("discovery found no EventStore node: " + discovery_problem_);
}

Awaitable<std::optional<Endpoint>> Cluster::ask(Endpoint candidate, bool strict) {
  const ConnectionSettings& settings = factory_->settings();
  auto reply = co_await fetch_members(factory_->connect(candidate, calls_, retired_), settings.gossip_timeout);
  if (!reply.status.ok()) {
    discovery_problem_ = to_string(candidate) + ": " + explain(reply.status, Intent::read).failure.reason;
    co_return std::nullopt;
  }
  known_members_.clear();
  for (const Member& member : reply.value) {
    if (member.alive && member.endpoint.port != 0) known_members_.push_back(member.endpoint);
  }
  co_return choose_member(reply.value, settings.node_preference, strict, random_);
}

/// The configured hosts, then the members that gossip told of before (seeds may be gone for good), and at the very end
/// the node that failed last: if it hangs, asking it costs a timeout.
std::vector<Endpoint> Cluster::candidates() {
  std::vector<Endpoint> result = factory_->settings().hosts;
  shuffle(result, random_);
  for (const Endpoint& member : known_members_) {
    const bool listed = std::any_of(result.begin(), result.end(), [&](const auto& host) { return same(host, member); });
    if (!listed) result.push_back(member);
  }
  const std::lock_guard lock(mutex_);
  const auto failed = std::find_if(result.begin(), result.end(), [&](const auto& e) { return same(e, failed_); });
  if (failed != result.end()) std::rotate(failed, failed + 1, result.end());
  return result;
}

std::optional<Endpoint> Cluster::take_redirect() {
  const std::lock_guard lock(mutex_);
  return std::exchange(redirect_, std::nullopt);
}

Awaitable<void> Cluster::pause(milliseconds time) {
  boost::asio::steady_timer timer(io_, time);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace twinstream::eventstore
