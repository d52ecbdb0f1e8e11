#include "proxy/http/pool.h"

#include <algorithm>
#include <boost/asio/ip/basic_resolver.hpp>

namespace twinstream::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t answer_input_limit = 64 * 1024;  // also the largest head of an answer
constexpr std::size_t max_waiting = 1024;

thread_local BackendPool* pool_of_this_thread = nullptr;

const char* label(GatewayError::Kind kind) {
  switch (kind) {
    case GatewayError::Kind::busy:
    case GatewayError::Kind::connect: return "connect";
    case GatewayError::Kind::timeout: return "timeout";
    case GatewayError::Kind::broken: break;
  }
  return "broken";
}

/// Only an answer that has not begun proves nothing; and then the request must be one that may be made twice, or one
/// that the backend cannot have understood yet because its body was missing.
bool may_repeat(const BackendPool::Outgoing& outgoing) {
  return outgoing.idempotent || (outgoing.has_body && !outgoing.body_begun);
}

}  // namespace

int GatewayError::status() const {
  switch (kind) {
    case Kind::busy: return 503;
    case Kind::timeout: return 504;
    case Kind::connect:
    case Kind::broken: break;
  }
  return 502;
}

BackendLine::BackendLine(std::shared_ptr<Connection> opened, std::unordered_set<Connection*>& all)
    : connection(std::move(opened)), parser(answer_input_limit - 1), all_open(all) {
  all_open.insert(connection.get());
}

BackendLine::~BackendLine() { all_open.erase(connection.get()); }

BackendPool::Lease::Lease(BackendPool& pool, std::unique_ptr<BackendLine> line, bool reused)
    : pool_(&pool), line_(std::move(line)), reused_(reused) {}

BackendPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      line_(std::move(other.line_)),
      reused_(other.reused_),
      keep_(other.keep_) {}

BackendPool::Lease& BackendPool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(line_, other.line_);
  std::swap(reused_, other.reused_);
  std::swap(keep_, other.keep_);
  return *this;
}

BackendPool::Lease::~Lease() {
  if (!pool_) return;
  if (!keep_ || !line_->connection->input().empty()) line_.reset();
  pool_->release(std::move(line_));
}

/// A request that waits because every connection is in use.
struct BackendPool::Turn {
  Turn(BackendPool& owner, Executor executor) : pool(owner), timer(executor) { pool.waiting_.push_back(this); }
  ~Turn() { std::erase(pool.waiting_, this); }

  void grant(std::unique_ptr<BackendLine> line) {
    granted.emplace(std::move(line));
    std::erase(pool.waiting_, this);
    timer.cancel();
  }

  BackendPool& pool;
  SteadyTimer timer;
  std::optional<std::unique_ptr<BackendLine>> granted;  ///< null inside: the right to make a new connection
};

BackendPool::BackendPool(Executor executor, const BackendConfig& config, std::size_t max_body_bytes, Metrics& metrics)
    : executor_(executor),
      config_(config),
      max_body_bytes_(max_body_bytes),
      metrics_(metrics),
      reaper_(std::make_unique<SteadyTimer>(executor)) {}

BackendPool::~BackendPool() = default;

BackendPool* BackendPool::of_this_thread() { return pool_of_this_thread; }

void BackendPool::serve_this_thread() { pool_of_this_thread = this; }

GatewayError BackendPool::failed(GatewayError::Kind kind, std::string text) {
  metrics_.count("twinstream_backend_failures_total", {{"reason", label(kind)}});
  return {kind, std::move(text)};
}

Awaitable<BackendPool::Opened> BackendPool::open(Outgoing outgoing) {
  const bool repeatable = may_repeat(outgoing);
  for (bool fresh = false;; fresh = true) {
    Acquired acquired;
    if (auto kept = fresh ? nullptr : take_idle()) {
      acquired.lease.emplace(*this, std::move(kept), true);
    } else {
      acquired = co_await make_or_wait(fresh);
    }
    if (!acquired.lease) co_return Opened{std::nullopt, std::move(acquired.error), false};
    const bool again = !fresh && acquired.lease->reused() && repeatable;
    Opened opened = co_await attempt(outgoing, std::move(*acquired.lease));
    const bool stale = !opened.lease && opened.error.kind == GatewayError::Kind::broken && opened.error.text.empty();
    if (!stale) co_return opened;
    if (again) continue;
    opened.error = failed(GatewayError::Kind::broken, "the backend closed the connection without an answer");
    co_return opened;
  }
}

/// One try. A broken connection before any byte of an answer is an error without text, not counted yet.
Awaitable<BackendPool::Opened> BackendPool::attempt(Outgoing outgoing, Lease lease) {
  lease->parser.restart(outgoing.head_request);
  Connection& connection = *lease->connection;
  const ErrorCode written = co_await connection.write(outgoing.bytes, config_.response_timeout);
  if (written == asio::error::timed_out) {
    co_return Opened{std::nullopt, failed(GatewayError::Kind::timeout, "the backend does not take the request"), false};
  }
  if (!written && !outgoing.complete) co_return Opened{std::move(lease), {}, false};
  // After a failed write too: the backend may have answered and closed without reading everything.
  const auto until = Steady::now() + config_.response_timeout;
  if (connection.input().empty()) {
    const ErrorCode error = co_await connection.fill(until);
    if (error && error != asio::error::timed_out) co_return Opened{std::nullopt, {}, false};
    if (error) {
      co_return Opened{std::nullopt, failed(GatewayError::Kind::timeout, "the backend did not answer in time"), false};
    }
  }
  if (auto error = co_await receive_head(*lease, until)) co_return Opened{std::nullopt, std::move(*error), false};
  co_return Opened{std::move(lease), {}, true};
}

Awaitable<std::optional<GatewayError>> BackendPool::receive_head(BackendLine& line, Steady::time_point until) {
  for (;;) {
    switch (line.parser.read_head(line.connection->input().data())) {
      case Progress::complete: co_return std::nullopt;
      case Progress::malformed:
        co_return failed(GatewayError::Kind::broken, "the backend's answer is refused: " + line.parser.refusal().text);
      case Progress::need_more: break;
    }
    const ErrorCode error = co_await line.connection->fill(until);
    if (!error) continue;
    if (error == asio::error::operation_aborted) co_return GatewayError{GatewayError::Kind::broken, "cancelled"};
    if (error == asio::error::timed_out) {
      co_return failed(GatewayError::Kind::timeout, "the backend did not answer in time");
    }
    co_return failed(GatewayError::Kind::broken, "the backend closed the connection before its answer was complete");
  }
}

void BackendPool::next_head(BackendLine& line, bool head_request) {
  line.connection->input().consume(line.parser.head_bytes());
  line.parser.restart(head_request);
}

Awaitable<BackendPool::Acquired> BackendPool::make_or_wait(bool fresh) {
  if (fresh && open_ >= config_.max_connections && !idle_.empty()) {
    idle_.pop_front();
    --open_;
  }
  if (open_ < config_.max_connections) {
    ++open_;
    co_return co_await connect();
  }
  auto turn = co_await wait_for_turn();
  if (!turn) {
    co_return Acquired{std::nullopt, failed(GatewayError::Kind::busy, "every connection to the backend is in use")};
  }
  if (*turn) co_return Acquired{Lease(*this, std::move(*turn), true), {}};
  co_return co_await connect();
}

/// What a backend says unasked, a 408 before it closes for example, must not become the answer to the next request.
std::unique_ptr<BackendLine> BackendPool::take_idle() {
  while (!idle_.empty()) {
    auto line = std::move(idle_.back());
    idle_.pop_back();
    const bool expired = line->idle_since + config_.idle_timeout <= Steady::now();
    if (!expired && line->connection->peer_is_silent()) return line;
    --open_;
  }
  return nullptr;
}

Awaitable<std::optional<std::unique_ptr<BackendLine>>> BackendPool::wait_for_turn() {
  if (closed_ || waiting_.size() >= max_waiting) co_return std::nullopt;
  Turn turn(*this, executor_);
  turn.timer.expires_after(config_.connect_timeout);
  co_await turn.timer.async_wait(use_tuple);
  co_return std::move(turn.granted);
}

/// The place in `open_` has been taken; a failure gives it back.
Awaitable<BackendPool::Acquired> BackendPool::connect() {
  const auto until = Steady::now() + config_.connect_timeout;
  auto [error, endpoints] = co_await resolve(until);
  auto connection = std::make_shared<Connection>(Socket(executor_), answer_input_limit);
  for (const tcp::endpoint& endpoint : endpoints) {
    error = co_await connection->connect(endpoint, until);
    if (!error) co_return Acquired{Lease(*this, std::make_unique<BackendLine>(connection, all_open_), false), {}};
  }
  release(nullptr);
  const std::string why = error == asio::error::timed_out ? "no answer in time" : error.message();
  co_return Acquired{std::nullopt, failed(GatewayError::Kind::connect, "cannot connect to the backend: " + why)};
}

/// getaddrinfo cannot be interrupted: a wait that takes too long is left behind with a state of its own.
Awaitable<std::pair<ErrorCode, std::vector<tcp::endpoint>>> BackendPool::resolve(Steady::time_point until) {
  ErrorCode error;
  const auto address = asio::ip::make_address(config_.address.host, error);
  if (!error) {
    std::vector<tcp::endpoint> literal{tcp::endpoint(address, config_.address.port)};
    co_return std::pair(error, std::move(literal));
  }
  struct State {
    explicit State(Executor executor) : resolver(executor), timer(executor) {}
    asio::ip::basic_resolver<tcp, Executor> resolver;
    SteadyTimer timer;
    ErrorCode error = asio::error::timed_out;
    std::vector<tcp::endpoint> endpoints;
  };
  auto state = std::make_shared<State>(executor_);
  state->timer.expires_at(until);
  state->resolver.async_resolve(config_.address.host, std::to_string(config_.address.port),
                                [state](ErrorCode failed, const auto& results) {
                                  state->error = failed;
                                  for (const auto& entry : results) state->endpoints.push_back(entry.endpoint());
                                  state->timer.cancel();
                                });
  co_await state->timer.async_wait(use_tuple);
  co_return std::pair(state->error, state->endpoints);
}

void BackendPool::release(std::unique_ptr<BackendLine> line) {
  if (closed_) line.reset();
  if (!waiting_.empty() && !closed_) {
    waiting_.front()->grant(std::move(line));
    return;
  }
  if (!line) {
    --open_;
    return;
  }
  line->idle_since = Steady::now();
  line->connection->input().shrink();
  idle_.push_back(std::move(line));
  arm_reaper();
}

void BackendPool::arm_reaper() {
  if (reaper_armed_ || idle_.empty()) return;
  reaper_armed_ = true;
  reaper_->expires_at(idle_.front()->idle_since + config_.idle_timeout);
  reaper_->async_wait([this](ErrorCode error) {
    if (!error) reap();
  });
}

void BackendPool::reap() {
  reaper_armed_ = false;
  const auto now = Steady::now();
  while (!idle_.empty() && idle_.front()->idle_since + config_.idle_timeout <= now) {
    idle_.pop_front();
    --open_;
  }
  arm_reaper();
}

void BackendPool::close() {
  closed_ = true;
  open_ -= idle_.size();
  idle_.clear();
  reaper_.reset();
  while (!waiting_.empty()) {
    Turn* turn = waiting_.front();
    waiting_.pop_front();
    turn->timer.cancel();
  }
}

void BackendPool::cut() {
  close();
  for (Connection* connection : all_open_) connection->abort();
}

}  // namespace twinstream::http
