#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>

#include "proxy/engine/run_on.h"

namespace twinstream {

/// The one thread on which the engine runs. It must outlive the stores that are used on it: what they answer late is
/// handed to it, also when nobody waits there any more.
class EngineThread {
 public:
  EngineThread() : work_(boost::asio::make_work_guard(context_)), thread_([this] { context_.run(); }) {}
  ~EngineThread() { stop(); }

  boost::asio::io_context::executor_type executor() { return context_.get_executor(); }

  /// Runs a coroutine there and blocks the calling thread until it has answered.
  template <class T>
  T wait_for(Awaitable<T> operation) {
    std::promise<T> promise;
    auto answer = promise.get_future();
    boost::asio::co_spawn(
        context_,
        [](Awaitable<T> inner, std::promise<T>& result) -> Awaitable<void> {
          result.set_value(co_await std::move(inner));
        }(std::move(operation), promise),
        [](std::exception_ptr error) {
          if (error) std::rethrow_exception(error);
        });
    return answer.get();
  }

  /// Abandons what still waits there.
  void stop() {
    if (!thread_.joinable()) return;
    context_.stop();
    thread_.join();
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace twinstream
