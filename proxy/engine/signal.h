#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/core/clock.h"

namespace twinstream {

/// "Something changed: look again." Coroutines of one executor wait for it; notify wakes all that wait now. There is no
/// memory: whoever waits checks its condition before and after. Not thread safe.
class Signal {
 public:
  /// Waits for the next notify, at most `limit`. True when notified, false when the time was up.
  boost::asio::awaitable<bool> wait(Clock& clock, std::chrono::nanoseconds limit);
  void notify();

 private:
  struct Waiter;
  std::vector<std::shared_ptr<Waiter>> waiters_;
};

/// Waits until `condition` holds, looking again at every notify. False when `limit` passed first.
boost::asio::awaitable<bool> wait_until(Signal& signal, Clock& clock, std::chrono::nanoseconds limit,
                                        std::function<bool()> condition);

}  // namespace twinstream
