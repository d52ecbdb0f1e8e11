#include "adapters/memory/memory_log.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>

#include "proxy/core/await.h"
#include "proxy/core/json.h"

namespace twinstream {
namespace {

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

constexpr std::chrono::seconds idle_time{1};
constexpr std::size_t page_size = 500;

}  // namespace

/// The subscriptions that wait for a change. The log owns them, not the coroutines: dropping this list ends those.
class MemoryLog::Waiting {
 public:
  using Key = std::uint64_t;

  Key add(Completion<Done> wake) {
    std::scoped_lock lock(mutex_);
    waiting_.emplace(++last_, std::move(wake));
    return last_;
  }

  void wake(Key key) {
    std::unique_lock lock(mutex_);
    auto node = waiting_.extract(key);
    lock.unlock();
    if (node) node.mapped()(Done{});
  }

  void wake_all() {
    for (auto& [key, wake] : take_all()) wake(Done{});
  }

  std::map<Key, Completion<Done>> take_all() {
    std::scoped_lock lock(mutex_);
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  Key last_ = 0;
  std::map<Key, Completion<Done>> waiting_;
};

/// Polls its source, and between two polls without news waits for a change of the store, for `close` or for the idle
/// time.
class MemoryLog::MemorySubscription : public Subscription {
 public:
  explicit MemorySubscription(MemoryLog& log) : log_(log), store_(log.store_), waiting_(log.waiting_) {}

  Awaitable<Result<SubscriptionPage>> next() override {
    for (bool idle = false;;) {
      co_await log_.enter("subscription", name());
      if (closed()) co_return cancelled();
      const std::uint64_t seen = store_->changes();
      auto page = poll();
      co_await log_.leave("subscription", name());
      if (closed()) co_return cancelled();
      const bool news = !page.ok() || !page->events.empty() || page->caught_up != caught_up_;
      if (page.ok()) caught_up_ = page->caught_up;
      if (news || idle) co_return page;
      idle = co_await wait(seen);
    }
  }

  void close() override {
    std::unique_lock lock(mutex_);
    closed_ = true;
    const auto key = key_;
    lock.unlock();
    waiting_->wake(key);
  }

 protected:
  virtual std::string_view name() const = 0;
  virtual Result<SubscriptionPage> poll() = 0;

  MemoryStore& store() { return *store_; }

 private:
  static Failure cancelled() { return {FailureCode::cancelled, "the subscription was closed", {}}; }

  bool closed() {
    std::scoped_lock lock(mutex_);
    return closed_;
  }

  /// True when nothing happened for the idle time.
  Awaitable<bool> wait(std::uint64_t seen) {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto idle = std::make_shared<bool>(false);
    std::unique_ptr<Clock::Timer> timer;
    auto start = [&](Completion<Done> wake) {
      std::unique_lock lock(mutex_);
      const auto key = key_ = waiting_->add(std::move(wake));
      const bool already = closed_ || store_->changes() != seen;
      lock.unlock();
      if (already) return waiting_->wake(key);
      timer = log_.clock_.after(executor, idle_time, [waiting = waiting_, key, idle] {
        *idle = true;
        waiting->wake(key);
      });
    };
    co_await await_completion<Done>(start);
    co_return *idle;
  }

  MemoryLog& log_;
  std::shared_ptr<MemoryStore> store_;
  std::shared_ptr<Waiting> waiting_;
  bool caught_up_ = false;
  std::mutex mutex_;
  bool closed_ = false;
  Waiting::Key key_ = 0;
};

class MemoryLog::AllSubscription final : public MemorySubscription {
 public:
  AllSubscription(MemoryLog& log, Position after)
      : MemorySubscription(log), checkpoint_(after == Position::end() ? store().tip() : after) {}

 private:
  std::string_view name() const override { return "$all"; }

  Result<SubscriptionPage> poll() override {
    auto page = store().read_all({Direction::forwards, checkpoint_, page_size});
    if (!page.ok()) return page.failure();
    checkpoint_ = page->next;
    return SubscriptionPage{std::move(page->events), checkpoint_, page->end};
  }

  Position checkpoint_;
};

class MemoryLog::StreamSubscription final : public MemorySubscription {
 public:
  StreamSubscription(MemoryLog& log, std::string stream, std::optional<std::uint64_t> after)
      : MemorySubscription(log), stream_(std::move(stream)), next_(after ? *after + 1 : 0) {}

 private:
  std::string_view name() const override { return stream_; }

  Result<SubscriptionPage> poll() override {
    const Position tip = store().tip();
    auto page = store().read_stream({stream_, Direction::forwards, next_, page_size, false});
    if (page.failed_with(FailureCode::stream_not_found)) return SubscriptionPage{{}, checkpoint_ = tip, true};
    if (!page.ok()) return page.failure();
    if (!page->events.empty()) next_ = page->events.back().revision + 1;
    checkpoint_ = page->events.empty() ? tip : page->events.back().position;
    return SubscriptionPage{std::move(page->events), checkpoint_, page->end};
  }

  std::string stream_;
  std::uint64_t next_;
  Position checkpoint_;
};

MemoryLog::MemoryLog(MemoryLogOptions options)
    : MemoryLog(std::make_shared<MemoryStore>(
                    MemoryStore::Rules{options.traits, options.global_unique_ids, options.shows_hidden}),
                std::move(options)) {}

MemoryLog::MemoryLog(std::shared_ptr<MemoryStore> store, MemoryLogOptions options)
    : store_(std::move(store)),
      clock_(options.clock ? *options.clock : system_clock()),
      hook_(std::move(options.hook)),
      waiting_(std::make_shared<Waiting>()),
      watch_(store_->watch([waiting = waiting_] { waiting->wake_all(); })) {}

MemoryLog::~MemoryLog() {
  store_->unwatch(watch_);
  drop_waiting();
}

void MemoryLog::drop_waiting() { waiting_->take_all(); }

Awaitable<void> MemoryLog::enter(std::string_view operation, std::string_view stream) {
  co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
  if (hook_) co_await hook_(operation, stream);
}

Awaitable<void> MemoryLog::leave(std::string_view operation, std::string_view stream) {
  if (hook_) co_await hook_(operation, stream);
}

std::optional<Failure> MemoryLog::refuses(const AppendRequest& request) const {
  if (auto failure = EventLog::refuses(request)) return failure;
  if (traits().exact_bytes) return std::nullopt;
  for (const Event& event : request.events) {
    if (event.content_type != ContentType::json) continue;
    const bool valid = canonical_json(event.data) && (event.metadata.empty() || canonical_json(event.metadata));
    if (!valid) return Failure{FailureCode::rejected, "an event says it is JSON and is not: correct it", {}};
  }
  return std::nullopt;
}

Awaitable<Result<Appended>> MemoryLog::append(AppendRequest request) {
  co_await enter("append", request.stream);
  if (auto failure = refuses(request)) co_return *failure;
  auto answer = store_->append(request, clock_.now());
  co_await leave("append", request.stream);
  co_return answer;
}

Awaitable<Result<std::vector<Appended>>> MemoryLog::append_together(std::vector<AppendRequest> requests,
                                                                    std::vector<StreamCheck> checks) {
  if (auto failure = refuses_together(requests)) co_return *failure;
  const std::string stream = requests.front().stream;
  co_await enter("append", stream);
  auto answer = store_->append_together(std::move(requests), checks, clock_.now());
  co_await leave("append", stream);
  co_return answer;
}

Awaitable<Result<StreamPage>> MemoryLog::read_stream(ReadStream request) {
  co_await enter("read_stream", request.stream);
  auto answer = store_->read_stream(request);
  co_await leave("read_stream", request.stream);
  co_return answer;
}

Awaitable<Result<AllPage>> MemoryLog::read_all(ReadAll request) {
  co_await enter("read_all", "$all");
  auto answer = store_->read_all(request);
  co_await leave("read_all", "$all");
  co_return answer;
}

Awaitable<Result<Head>> MemoryLog::head(std::string stream) {
  co_await enter("head", stream);
  const Head answer = store_->head(stream);
  co_await leave("head", stream);
  co_return answer;
}

Awaitable<Result<Position>> MemoryLog::tip() {
  co_await enter("tip", "$all");
  const Position answer = store_->tip();
  co_await leave("tip", "$all");
  co_return answer;
}

Awaitable<Result<Deleted>> MemoryLog::soft_delete(std::string stream, ExpectedRevision expected) {
  co_await enter("soft_delete", stream);
  auto answer = store_->soft_delete(stream, expected);
  co_await leave("soft_delete", stream);
  co_return answer;
}

Awaitable<Result<Deleted>> MemoryLog::tombstone(std::string stream, ExpectedRevision expected) {
  co_await enter("tombstone", stream);
  auto answer = store_->tombstone(stream, expected);
  co_await leave("tombstone", stream);
  co_return answer;
}

Awaitable<Result<Done>> MemoryLog::restore(std::string stream) {
  co_await enter("restore", stream);
  auto answer = store_->restore(stream);
  co_await leave("restore", stream);
  co_return answer;
}

std::unique_ptr<Subscription> MemoryLog::subscribe_all(Position after) {
  return std::make_unique<AllSubscription>(*this, after);
}

std::unique_ptr<Subscription> MemoryLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  return std::make_unique<StreamSubscription>(*this, std::move(stream), after);
}

Awaitable<Result<std::string>> MemoryLog::ping() {
  co_await enter("ping", "");
  co_return "memory";
}

}  // namespace twinstream
