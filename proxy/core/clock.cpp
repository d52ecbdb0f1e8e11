#include "proxy/core/clock.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "proxy/core/await.h"
#include "proxy/core/result.h"

namespace twinstream {
namespace {

class SystemTimer final : public Clock::Timer {
 public:
  SystemTimer(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay, std::function<void()> callback)
      : timer_(std::move(executor), delay), alive_(std::make_shared<bool>(true)) {
    // A timer that has expired but whose handler is still queued cannot be cancelled any more: `alive_` covers it.
    timer_.async_wait([alive = std::weak_ptr<bool>(alive_), callback = std::move(callback)](auto error) {
      if (!error && !alive.expired()) callback();
    });
  }

 private:
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> alive_;
};

}  // namespace

boost::asio::awaitable<void> Clock::sleep(std::chrono::nanoseconds delay) {
  const auto executor = co_await boost::asio::this_coro::executor;
  std::unique_ptr<Timer> timer;
  auto start = [&](Completion<Done> done) {
    auto shared = std::make_shared<Completion<Done>>(std::move(done));
    timer = after(executor, delay, [shared] { (*shared)(Done{}); });
  };
  co_await await_completion<Done>(start);
}

Timestamp SystemClock::now() const {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::chrono::nanoseconds SystemClock::monotonic() const { return std::chrono::steady_clock::now().time_since_epoch(); }

std::unique_ptr<Clock::Timer> SystemClock::after(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay,
                                                 std::function<void()> callback) {
  return std::make_unique<SystemTimer>(std::move(executor), delay, std::move(callback));
}

}  // namespace twinstream
