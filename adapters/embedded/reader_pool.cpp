#include "adapters/embedded/reader_pool.h"

#include <algorithm>
#include <limits>

namespace twinstream::embedded {

ReaderPool::ReaderPool(const std::string& path, unsigned threads, std::size_t max_jobs)
    : queue_(max_jobs, std::numeric_limits<std::size_t>::max()) {
  for (unsigned i = 0; i < std::max(threads, 1u); ++i) {
    databases_.push_back(std::make_unique<Database>(path, Database::Mode::read));
  }
  for (auto& database : databases_) threads_.emplace_back(&ReaderPool::loop, this, std::ref(*database));
}

ReaderPool::~ReaderPool() {
  queue_.close();
  for (auto& thread : threads_) thread.join();
}

void ReaderPool::loop(Database& database) {
  Reader reader(database);
  for (auto jobs = queue_.take(1, 0); !jobs.empty(); jobs = queue_.take(1, 0)) {
    auto& job = *jobs.front();
    try {
      job.run(reader);
      job.answer();
    } catch (const SqlError& error) {
      job.fail({FailureCode::unavailable, std::string("the embedded log could not read: ") + error.what(), {}});
    }
  }
}

}  // namespace twinstream::embedded
