#include "adapters/postgres/workers.h"

namespace twinstream::postgres {

Workers::Workers(const PostgresConfig& config, const std::string& setup, unsigned threads, std::size_t queue_limit)
    : queue_limit_(queue_limit) {
  for (unsigned i = 0; i < std::max(1U, threads); ++i) {
    threads_.emplace_back([this, config, setup] { serve(Session(config, setup)); });
  }
}

Workers::~Workers() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

Failure Workers::lost() {
  return {FailureCode::unknown_outcome, "the connection to PostgreSQL broke before it answered; look again", {}};
}

void Workers::enqueue(Job job) {
  {
    std::scoped_lock lock(mutex_);
    if (queue_.size() < queue_limit_) {
      queue_.push_back(std::move(job));
      job.refuse = nullptr;
    }
  }
  if (!job.refuse) return changed_.notify_one();
  job.refuse({FailureCode::unavailable, "too many requests wait for PostgreSQL (queue_limit)", {}});
}

void Workers::serve(Session session) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;  // stopping, and everybody was answered
    const Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job.work(session);
    lock.lock();
  }
}

}  // namespace twinstream::postgres
