#pragma once

#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "proxy/core/await.h"
#include "proxy/core/clock.h"
#include "proxy/core/event_log.h"

namespace twinstream::persistent {

/// Remembers that there is something to do until its one waiting coroutine looks. For one executor without threads that
/// run at the same time.
class Wakeup {
 public:
  void raise() {
    raised_ = true;
    if (auto waiting = std::exchange(waiting_, std::nullopt)) (*waiting)(Done{});
  }

  /// Until raised (at once when it is), at most `limit`.
  Awaitable<void> wait(Clock& clock, std::chrono::nanoseconds limit) {
    if (!std::exchange(raised_, false)) {
      const auto executor = co_await boost::asio::this_coro::executor;
      std::unique_ptr<Clock::Timer> timer;
      auto start = [&](Completion<Done> done) {
        waiting_.emplace(std::move(done));
        timer = clock.after(executor, limit, [this] { time_up(); });
      };
      co_await await_completion<Done>(start);
      raised_ = false;
    }
  }

 private:
  void time_up() {
    if (auto waiting = std::exchange(waiting_, std::nullopt)) (*waiting)(Done{});
  }

  bool raised_ = false;
  std::optional<Completion<Done>> waiting_;
};

}  // namespace twinstream::persistent
