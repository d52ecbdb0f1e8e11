#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

#include "proxy/core/await.h"
#include "proxy/core/event_log.h"

namespace twinstream {

/// Runs `operation` on `executor` and resumes the caller on its own with the answer. An exception is a programming error
/// and ends the program: everything acknowledged is durable, a restart goes on from there.
template <class T>
Awaitable<T> run_on(boost::asio::any_io_executor executor, Awaitable<T> operation) {
  auto start = [&](Completion<T> done) {
    boost::asio::co_spawn(
        executor,
        [](Awaitable<T> inner, Completion<T> completion) -> Awaitable<void> {
          completion(co_await std::move(inner));
        }(std::move(operation), std::move(done)),
        [](std::exception_ptr error) {
          if (error) std::rethrow_exception(error);
        });
  };
  co_return co_await await_completion<T>(start);
}

}  // namespace twinstream
