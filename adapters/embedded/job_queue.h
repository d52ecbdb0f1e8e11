#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "proxy/core/await.h"
#include "proxy/core/event_log.h"

namespace twinstream::embedded {

/// Work for a thread that owns a Context, and the coroutine that waits for its result.
template <class Context>
class Job {
 public:
  explicit Job(std::size_t bytes) : bytes(bytes) {}
  virtual ~Job() = default;
  virtual void run(Context& context) = 0;
  virtual void answer() = 0;  ///< with the result of `run`
  virtual void fail(const Failure& failure) = 0;

  const std::size_t bytes;
};

/// First in, first out, bounded in number and in bytes.
template <class Context>
class JobQueue {
 public:
  using JobPtr = std::unique_ptr<Job<Context>>;

  JobQueue(std::size_t max_jobs, std::size_t max_bytes) : max_jobs_(max_jobs), max_bytes_(max_bytes) {}

  /// Gives the job back when there is no room for it.
  JobPtr push(JobPtr job) {
    std::unique_lock lock(mutex_);
    const bool full = jobs_.size() >= max_jobs_ || (!jobs_.empty() && bytes_ + job->bytes > max_bytes_);
    if (full || closed_) return job;
    bytes_ += job->bytes;
    jobs_.push_back(std::move(job));
    lock.unlock();
    ready_.notify_one();
    return nullptr;
  }

  /// Waits for work and takes what is there, up to these bounds but at least one job. Nothing once closed and empty.
  std::vector<JobPtr> take(std::size_t max_jobs, std::size_t max_bytes) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
    std::vector<JobPtr> taken;
    std::size_t bytes = 0;
    while (!jobs_.empty() && taken.size() < max_jobs && (taken.empty() || bytes + jobs_.front()->bytes <= max_bytes)) {
      bytes += jobs_.front()->bytes;
      taken.push_back(std::move(jobs_.front()));
      jobs_.pop_front();
    }
    bytes_ -= bytes;
    return taken;
  }

  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    lock.unlock();
    ready_.notify_all();
  }

 private:
  const std::size_t max_jobs_;
  const std::size_t max_bytes_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<JobPtr> jobs_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
};

template <class Context, class T, class Work>
class TypedJob final : public Job<Context> {
 public:
  TypedJob(std::size_t bytes, Work work, Completion<Result<T>> done)
      : Job<Context>(bytes), work_(std::move(work)), done_(std::move(done)) {}

  void run(Context& context) override { result_.emplace(work_(context)); }
  void answer() override { done_(std::move(*result_)); }
  void fail(const Failure& failure) override { done_(failure); }

 private:
  Work work_;
  Completion<Result<T>> done_;
  std::optional<Result<T>> result_;
};

/// Has `work(context)`, which answers a Result<T>, done by the thread behind the queue.
template <class T, class Context, class Work>
Awaitable<Result<T>> submit(JobQueue<Context>& queue, std::size_t bytes, Work work) {
  auto start = [&](Completion<Result<T>> done) {
    auto job = std::make_unique<TypedJob<Context, T, Work>>(bytes, std::move(work), std::move(done));
    auto refused = queue.push(std::move(job));
    if (refused) refused->fail({FailureCode::unavailable, "the embedded log is busy: try again later", {}});
  };
  co_return co_await await_completion<Result<T>>(start);
}

}  // namespace twinstream::embedded
