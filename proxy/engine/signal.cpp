#include "proxy/engine/signal.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <optional>

#include "proxy/core/await.h"

namespace twinstream {

struct Signal::Waiter {
  explicit Waiter(Completion<bool> completion) : done(std::move(completion)) {}

  void finish(bool notified) {
    if (!done) return;
    auto completion = std::move(*done);
    done.reset();
    completion(notified);
  }

  std::optional<Completion<bool>> done;
};

boost::asio::awaitable<bool> Signal::wait(Clock& clock, std::chrono::nanoseconds limit) {
  const auto executor = co_await boost::asio::this_coro::executor;
  std::unique_ptr<Clock::Timer> timer;
  std::weak_ptr<Waiter> registered;
  auto start = [&](Completion<bool> done) {
    auto waiter = std::make_shared<Waiter>(std::move(done));
    registered = waiter;
    waiters_.push_back(std::move(waiter));
    timer = clock.after(executor, limit, [registered] {
      if (auto expired = registered.lock()) expired->finish(false);
    });
  };
  const bool notified = co_await await_completion<bool>(start);
  if (!notified) {
    std::erase_if(waiters_, [&](const auto& waiter) { return !waiter->done; });
  }
  co_return notified;
}

void Signal::notify() {
  auto waiters = std::exchange(waiters_, {});
  for (auto& waiter : waiters) waiter->finish(true);
}

boost::asio::awaitable<bool> wait_until(Signal& signal, Clock& clock, std::chrono::nanoseconds limit,
                                        std::function<bool()> condition) {
  const auto deadline = clock.monotonic() + limit;
  while (!condition()) {
    const auto left = deadline - clock.monotonic();
    if (left <= std::chrono::nanoseconds::zero()) co_return false;
    co_await signal.wait(clock, left);
  }
  co_return true;
}

}  // namespace twinstream
