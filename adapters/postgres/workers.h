#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/postgres/connection.h"
#include "proxy/core/await.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// Threads with one connection each that take work from one bounded queue.
class Workers {
 public:
  Workers(const PostgresConfig& config, const std::string& setup, unsigned threads, std::size_t queue_limit);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// For work that may be done twice: when the connection is lost on the way, it is tried once more on a new one.
  template <class T>
  Awaitable<Result<T>> repeatable(std::function<Result<T>(Connection&)> work) {
    return run<T>(std::move(work), true);
  }
  /// For work whose repetition would change the answer: a lost connection is answered with unknown_outcome.
  template <class T>
  Awaitable<Result<T>> once(std::function<Result<T>(Connection&)> work) {
    return run<T>(std::move(work), false);
  }

 private:
  struct Job {
    std::function<void(Session&)> work;
    std::function<void(Failure)> refuse;
  };

  template <class T>
  Awaitable<Result<T>> run(std::function<Result<T>(Connection&)> work, bool repeat) {
    auto start = [&](Completion<Result<T>> completion) {
      auto done = std::make_shared<Completion<Result<T>>>(std::move(completion));
      enqueue({[done, work = std::move(work), repeat](Session& session) { (*done)(attempt<T>(session, work, repeat)); },
               [done](Failure failure) { (*done)(std::move(failure)); }});
    };
    co_return co_await await_completion<Result<T>>(start);
  }

  template <class T>
  static Result<T> attempt(Session& session, const std::function<Result<T>(Connection&)>& work, bool repeat) {
    for (int left = repeat ? 1 : 0;; --left) {
      const auto connection = session.connected();
      if (!connection.ok()) return connection.failure();
      try {
        return work(**connection);
      } catch (const DatabaseError& error) {
        if (!error.lost()) return to_failure(error);
        session.drop();
        if (left > 0) continue;
        if (repeat) return to_failure(error);
        return lost();
      }
    }
  }

  static Failure lost();
  void enqueue(Job job);
  void serve(Session session);

  const std::size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace twinstream::postgres
