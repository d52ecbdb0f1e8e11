#include "tests/integration/eventstore_embedded_cluster.h"

#include <iostream>

#include "proxy/core/password.h"

namespace twinstream::testing {
namespace {

using Role = ClusterView::Role;

template <class T>
T or_abort(Result<T> result) {
  if (result.ok()) return std::move(*result);
  std::cerr << result.failure().reason << '\n';
  std::abort();
}

}  // namespace

// ---- one node's store

void NodeLog::note(const std::string& operation) {
  const std::lock_guard lock(mutex_);
  ++counts_[operation];
}

std::size_t NodeLog::count(const std::string& operation) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(operation);
  return found == counts_.end() ? 0 : found->second;
}

void NodeLog::hold_answers() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void NodeLog::wait_until_held() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !held_.empty(); });
}

void NodeLog::release() {
  std::vector<Completion<Done>> held;
  {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    held.swap(held_);
  }
  for (auto& done : held) done(Done{});
}

Awaitable<void> NodeLog::gate() {
  auto start = [this](Completion<Done> done) {
    std::unique_lock lock(mutex_);
    if (holding_) {
      held_.push_back(std::move(done));
      return changed_.notify_all();
    }
    lock.unlock();
    done(Done{});
  };
  co_await await_completion<Done>(start);
}

Awaitable<Result<Appended>> NodeLog::append(AppendRequest request) {
  note("append");
  auto answer = co_await log_.append(std::move(request));
  co_await gate();
  co_return answer;
}

Awaitable<std::vector<Result<Appended>>> NodeLog::append_many(std::vector<AppendRequest> requests) {
  for (std::size_t i = 0; i < requests.size(); ++i) note("append");
  auto answers = co_await log_.append_many(std::move(requests));
  co_await gate();
  co_return answers;
}

Awaitable<Result<std::vector<Appended>>> NodeLog::append_together(std::vector<AppendRequest> requests,
                                                                  std::vector<StreamCheck> checks) {
  note("append_together");
  auto answers = co_await log_.append_together(std::move(requests), std::move(checks));
  co_await gate();
  co_return answers;
}

Awaitable<Result<Deleted>> NodeLog::soft_delete(std::string stream, ExpectedRevision expected) {
  note("soft_delete");
  auto answer = co_await log_.soft_delete(std::move(stream), expected);
  co_await gate();
  co_return answer;
}

Awaitable<Result<Deleted>> NodeLog::tombstone(std::string stream, ExpectedRevision expected) {
  note("tombstone");
  auto answer = co_await log_.tombstone(std::move(stream), expected);
  co_await gate();
  co_return answer;
}

Awaitable<Result<StreamPage>> NodeLog::read_stream(ReadStream request) {
  note("read_stream");
  return log_.read_stream(std::move(request));
}

Awaitable<Result<AllPage>> NodeLog::read_all(ReadAll request) {
  note("read_all");
  return log_.read_all(request);
}

Awaitable<Result<Head>> NodeLog::head(std::string stream) { return log_.head(std::move(stream)); }

Awaitable<Result<Position>> NodeLog::tip() { return log_.tip(); }

Awaitable<Result<Done>> NodeLog::restore(std::string stream) { return log_.restore(std::move(stream)); }

std::unique_ptr<Subscription> NodeLog::subscribe_all(Position after) {
  note("subscribe_all");
  return log_.subscribe_all(after);
}

std::unique_ptr<Subscription> NodeLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  note("subscribe_stream");
  return log_.subscribe_stream(std::move(stream), after);
}

Awaitable<Result<std::string>> NodeLog::ping() { return log_.ping(); }

// ---- the cluster

EmbeddedCluster::EmbeddedCluster(EmbeddedClusterOptions options)
    : directory_(std::filesystem::temp_directory_path() / ("twinstream-" + EventId::random().to_string())),
      log_(or_abort(EmbeddedLog::open(directory_))),
      work_(boost::asio::make_work_guard(context_)),
      secured_(options.secured) {
  for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { context_.run(); });
  if (secured_) users_ = or_abort(UserFile::open(directory_ / "users.json"));
  for (const Role role : options.roles) {
    nodes_.push_back({std::make_unique<NodeLog>(*log_), nullptr, {"127.0.0.1", 0, role, false, EventId::random()}});
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) start(i);
}

EmbeddedCluster::~EmbeddedCluster() {
  for (Node& node : nodes_) {
    node.log->release();
    node.server.reset();
    node.place.reset();
  }
  work_.reset();
  for (auto& thread : threads_) thread.join();
  log_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void EmbeddedCluster::start(std::size_t node) {
  EventStoreServerOptions options;
  options.port = nodes_[node].member.port;
  if (secured_) options.tls = TlsFiles{certificate_file_.path(), key_file_.path(), {}};
  options.users = users_.get();
  options.cluster = [this, node] {
    const std::lock_guard lock(mutex_);
    ++times_asked_;
    asked_.notify_all();
    ClusterView view{{}, node};
    for (const Node& each : nodes_) view.members.push_back(each.member);
    return view;
  };
  auto server = or_abort(EventStoreServer::start(*nodes_[node].log, context_.get_executor(), options));
  const std::lock_guard lock(mutex_);
  nodes_[node].member.port = server->port();
  nodes_[node].member.alive = true;
  nodes_[node].server = std::move(server);
}

std::string EmbeddedCluster::url(const std::string& scheme, std::vector<std::size_t> seeds,
                                 const std::string& query) const {
  const std::lock_guard lock(mutex_);
  if (seeds.empty()) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) seeds.push_back(i);
  }
  std::string url = scheme + "://";
  for (const std::size_t seed : seeds) {
    url += (url.ends_with('/') ? "" : ",") + ("127.0.0.1:" + std::to_string(nodes_[seed].member.port));
  }
  url += secured_ ? "?tlsCAFile=" + authority_file_.path() : "?tls=false";
  return url + (query.empty() ? "" : "&" + query);
}

void EmbeddedCluster::lead(std::optional<std::size_t> node) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Role& role = nodes_[i].member.role;
    if (role == Role::leader) role = Role::follower;
    if (node == i) role = Role::leader;
  }
}

void EmbeddedCluster::wait_until_asked(std::size_t times) {
  std::unique_lock lock(mutex_);
  asked_.wait(lock, [this, wanted = times_asked_ + times] { return times_asked_ >= wanted; });
}

void EmbeddedCluster::kill(std::size_t node, Gossip gossip) {
  std::unique_ptr<EventStoreServer> server;
  {
    const std::lock_guard lock(mutex_);
    nodes_[node].member.alive = gossip == Gossip::unaware;
    server = std::move(nodes_[node].server);
  }
  server.reset();
  auto& place = nodes_[node].place.emplace(context_);
  place.open(boost::asio::ip::tcp::v4());
  place.set_option(boost::asio::socket_base::reuse_address(true));
  place.bind({boost::asio::ip::address_v4::loopback(), nodes_[node].member.port});
}

void EmbeddedCluster::revive(std::size_t node) {
  nodes_[node].place.reset();
  start(node);
}

void EmbeddedCluster::change_password(const std::string& login, const std::string& password) {
  const auto problem = users_->change([&](Users& users) {
    users.at(login).password = hash_password(password);
    return true;
  });
  if (!problem) return;
  std::cerr << problem->reason << '\n';
  std::abort();
}

}  // namespace twinstream::testing
