#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "proxy/core/event_log.h"

namespace twinstream::door {

/// Calls, and the coroutines that work them off. Whoever owns what they refer to waits for their end.
class TaskGroup {
 public:
  void spawn(const boost::asio::any_io_executor& executor, Awaitable<void> task) {
    begin();
    boost::asio::co_spawn(executor, std::move(task), [this](std::exception_ptr error) {
      // A call whose coroutine is gone would never be answered: better to end loudly.
      if (error) std::rethrow_exception(error);
      end();
    });
  }

  void begin() {
    std::scoped_lock lock(mutex_);
    ++running_;
  }
  void end() {
    std::scoped_lock lock(mutex_);
    if (--running_ == 0) idle_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t running_ = 0;
};

}  // namespace twinstream::door
