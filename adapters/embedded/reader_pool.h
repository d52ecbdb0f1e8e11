#pragma once

#include <string>
#include <thread>
#include <vector>

#include "adapters/embedded/job_queue.h"
#include "adapters/embedded/reader.h"

namespace twinstream::embedded {

/// Threads that read, each over a connection of its own.
class ReaderPool {
 public:
  /// Throws SqlError. The database must exist.
  ReaderPool(const std::string& path, unsigned threads, std::size_t max_jobs);
  ~ReaderPool();

  JobQueue<Reader>& queue() { return queue_; }

 private:
  void loop(Database& database);

  JobQueue<Reader> queue_;
  std::vector<std::unique_ptr<Database>> databases_;
  std::vector<std::thread> threads_;
};

}  // namespace twinstream::embedded
