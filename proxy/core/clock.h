#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "proxy/core/event.h"

namespace twinstream {

/// Time as the engine sees it. Production runs on SystemClock, the simulator on virtual time.
class Clock {
 public:
  /// Destroying it before it fired cancels it; it then never fires.
  class Timer {
   public:
    virtual ~Timer() = default;
  };

  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  /// Monotonic, for durations; the epoch is arbitrary.
  virtual std::chrono::nanoseconds monotonic() const = 0;
  /// Runs `callback` once on `executor`, at least `delay` from now.
  virtual std::unique_ptr<Timer> after(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay,
                                       std::function<void()> callback) = 0;

  boost::asio::awaitable<void> sleep(std::chrono::nanoseconds delay);
};

class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  std::chrono::nanoseconds monotonic() const override;
  std::unique_ptr<Timer> after(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay,
                               std::function<void()> callback) override;
};

}  // namespace twinstream
