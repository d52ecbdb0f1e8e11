#include "adapters/postgres/subscription.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <mutex>

namespace twinstream::postgres {
namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// A pause that another thread may end for good.
class Pause {
 public:
  /// False once closed.
  Awaitable<bool> wait(Milliseconds time) {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto timer = std::make_shared<boost::asio::steady_timer>(executor, time);
    auto start = [&](Completion<Done> completion) {
      auto done = std::make_shared<Completion<Done>>(std::move(completion));
      std::scoped_lock lock(mutex_);
      if (closed_) return (*done)(Done{});
      timer_ = timer;
      timer->async_wait([done](auto) { (*done)(Done{}); });
    };
    co_await await_completion<Done>(start);
    std::scoped_lock lock(mutex_);
    timer_.reset();
    co_return !closed_;
  }

  void close() {
    std::scoped_lock lock(mutex_);
    closed_ = true;
    if (const auto timer = timer_.lock()) timer->cancel();
  }

  bool is_closed() {
    std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<boost::asio::steady_timer> timer_;  ///< owned by the waiting coroutine; every use is under the lock
  bool closed_ = false;
};

Failure start_is_unknown() {
  return {FailureCode::unavailable,
          "a transaction that writes to the event table stays open, so the end of the log is not final yet",
          {}};
}

class PollingSubscription : public Subscription {
 public:
  explicit PollingSubscription(Milliseconds poll_interval) : interval_(poll_interval), delay_(poll_interval) {}

  Awaitable<Result<SubscriptionPage>> next() override {
    const auto deadline = SteadyClock::now() + 900ms;
    while (!pause_.is_closed()) {
      // At the end of the log polls keep their distance, also while events come: a page then serves many of them.
      const auto rest = std::chrono::ceil<Milliseconds>(polled_ + delay_ - SteadyClock::now());
      if (caught_up_ && rest > 0ms) co_await pause_.wait(rest);
      if (pause_.is_closed()) break;
      auto page = co_await poll();
      polled_ = SteadyClock::now();
      if (pause_.is_closed()) break;
      if (!page.ok()) {
        co_await pause_.wait(retry_delay_ = std::clamp(2 * retry_delay_, 50ms, 1000ms));
        if (pause_.is_closed()) break;
        co_return page;
      }
      retry_delay_ = 0ms;
      if (page->checkpoint == Position::end()) {  // the end at which to start is not known yet
        if (SteadyClock::now() >= deadline) co_return start_is_unknown();
        co_await pause_.wait(interval_);
        continue;
      }
      const bool news = !page->events.empty() || page->caught_up != caught_up_;
      delay_ = page->events.empty() ? std::min(delay_ + interval_, 10 * interval_) : interval_;
      caught_up_ = page->caught_up;
      if (news || polled_ >= deadline) co_return page;
    }
    co_return Failure{FailureCode::cancelled, "the subscription was closed", {}};
  }

  void close() override { pause_.close(); }

 protected:
  virtual Awaitable<Result<SubscriptionPage>> poll() = 0;

 private:
  const Milliseconds interval_;
  Milliseconds delay_;
  Milliseconds retry_delay_{0};
  SteadyClock::time_point polled_{};
  bool caught_up_ = false;
  Pause pause_;
};

class AllSubscription final : public PollingSubscription {
 public:
  AllSubscription(Workers& readers, std::unique_ptr<Tail> tail, Milliseconds poll_interval)
      : PollingSubscription(poll_interval), readers_(readers), tail_(std::move(tail)) {}

 private:
  Awaitable<Result<SubscriptionPage>> poll() override {
    std::function<Result<SubscriptionPage>(Connection&)> work = [tail = tail_](Connection& connection) {
      return Result<SubscriptionPage>(tail->poll(connection));
    };
    return readers_.repeatable<SubscriptionPage>(work);
  }

  Workers& readers_;
  const std::shared_ptr<Tail> tail_;
};

class StreamSubscription final : public PollingSubscription {
 public:
  StreamSubscription(Workers& readers, std::shared_ptr<const Table> table, std::string stream, std::uint64_t next,
                     Milliseconds poll_interval)
      : PollingSubscription(poll_interval),
        readers_(readers),
        table_(std::move(table)),
        stream_(std::move(stream)),
        next_(next) {}

 private:
  Awaitable<Result<SubscriptionPage>> poll() override {
    const ReadStream request{stream_, Direction::forwards, next_, 500, false};
    std::function<Result<StreamPage>(Connection&)> work = [table = table_, request](Connection& connection) {
      return read_stream_page(connection, *table, request);
    };
    auto page = co_await readers_.repeatable<StreamPage>(work);
    if (page.failed_with(FailureCode::stream_not_found)) co_return SubscriptionPage{{}, checkpoint_, true};
    if (!page.ok()) co_return page.failure();
    if (!page->events.empty()) {
      next_ = page->events.back().revision + 1;
      checkpoint_ = page->events.back().position;
    }
    co_return SubscriptionPage{std::move(page->events), checkpoint_, page->end};
  }

  Workers& readers_;
  const std::shared_ptr<const Table> table_;
  const std::string stream_;
  std::uint64_t next_;
  Position checkpoint_;
};

}  // namespace

std::unique_ptr<Subscription> subscribe_to_all(Workers& readers, std::unique_ptr<Tail> tail,
                                               Milliseconds poll_interval) {
  return std::make_unique<AllSubscription>(readers, std::move(tail), poll_interval);
}

std::unique_ptr<Subscription> subscribe_to_stream(Workers& readers, std::shared_ptr<const Table> table,
                                                  std::string stream, std::optional<std::uint64_t> after,
                                                  Milliseconds poll_interval) {
  const std::uint64_t next = after ? *after + 1 : 0;
  return std::make_unique<StreamSubscription>(readers, std::move(table), std::move(stream), next, poll_interval);
}

}  // namespace twinstream::postgres
