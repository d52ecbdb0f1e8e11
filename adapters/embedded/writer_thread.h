#pragma once

#include <memory>
#include <string>
#include <thread>

#include "adapters/embedded/commit_watch.h"
#include "adapters/embedded/job_queue.h"
#include "adapters/embedded/sqlite.h"
#include "adapters/embedded/stream_writer.h"

namespace twinstream::embedded {

/// The one connection that writes. Everything that waits is done in one transaction and answered when that is on disk.
class WriterThread {
 public:
  /// Throws SqlError when the database cannot be opened or prepared.
  WriterThread(const std::string& path, std::shared_ptr<CommitWatch> commits, std::size_t max_jobs,
               std::size_t max_bytes, std::chrono::seconds may_be_repeated);
  ~WriterThread();

  JobQueue<StreamWriter>& queue() { return queue_; }

 private:
  using Jobs = std::vector<JobQueue<StreamWriter>::JobPtr>;

  void loop();
  void commit_together(Jobs& jobs);
  void roll_back();
  void checkpoint();

  Database database_;
  std::unique_ptr<StreamWriter> writer_;
  std::shared_ptr<CommitWatch> commits_;
  JobQueue<StreamWriter> queue_;
  std::thread thread_;
};

}  // namespace twinstream::embedded
