#pragma once

#include <algorithm>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <utility>
#include <vector>

namespace twinstream {

/// The other end of an awaiting coroutine. Move only; call it exactly once, from any thread: the coroutine resumes on
/// its own executor, never inside the call. Dropping it uncalled ends the coroutine without resuming it.
template <class T>
class Completion {
 public:
  template <class Handler>
  explicit Completion(Handler handler)
      : executor_(boost::asio::get_associated_executor(handler)), handler_(std::move(handler)) {}

  Completion(Completion&&) noexcept = default;
  /// By swapping: any_completion_handler's own move assignment in Boost 1.81 calls itself without end.
  Completion& operator=(Completion&& other) noexcept {
    std::swap(executor_, other.executor_);
    handler_.swap(other.handler_);
    return *this;
  }

  void operator()(T value) {
    boost::asio::post(executor_, [handler = std::move(handler_), value = std::move(value)]() mutable {
      std::move(handler)(std::move(value));
    });
  }

  struct Answer {
    Completion completion;
    T value;
  };
  /// Calls many, in order. Those in a row that have one executor are resumed together: its thread is woken once.
  static void call_all(std::vector<Answer> answers) {
    for (auto first = answers.begin(); first != answers.end();) {
      const auto end = std::find_if(first, answers.end(), [&](const Answer& answer) {
        return answer.completion.executor_ != first->completion.executor_;
      });
      const auto executor = first->completion.executor_;
      std::vector<Answer> together(std::make_move_iterator(first), std::make_move_iterator(end));
      boost::asio::post(executor, [together = std::move(together)]() mutable {
        for (Answer& answer : together) std::move(answer.completion.handler_)(std::move(answer.value));
      });
      first = end;
    }
  }

 private:
  boost::asio::any_io_executor executor_;
  boost::asio::any_completion_handler<void(T)> handler_;
};

/// Suspends the calling coroutine and hands its Completion<T> to `start`, which may keep it as long as it likes.
template <class T, class Start>
boost::asio::awaitable<T> await_completion(Start start) {
  auto initiation = [&start](auto handler) {
    start(Completion<T>(std::move(handler)));
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(T)>(
      initiation, boost::asio::use_awaitable);
}

}  // namespace twinstream
