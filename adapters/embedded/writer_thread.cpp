#include "adapters/embedded/writer_thread.h"

#include "proxy/core/log.h"

namespace twinstream::embedded {
namespace {

constexpr std::size_t jobs_per_commit = 2'000;
constexpr std::size_t bytes_per_commit = 16 * 1024 * 1024;
// Many commits change the same pages of the index: folded seldom, each is written to the file once for all of them.
constexpr int checkpoint_pages = 32'000;
constexpr int longest_wal_pages = 128'000;

void fail_all(std::vector<JobQueue<StreamWriter>::JobPtr>& jobs, FailureCode code, const SqlError& error) {
  log::error("the embedded log could not commit", {{"reason", error.what()}});
  for (auto& job : jobs) job->fail({code, std::string("the embedded log could not write: ") + error.what(), {}});
}

}  // namespace

WriterThread::WriterThread(const std::string& path, std::shared_ptr<CommitWatch> commits, std::size_t max_jobs,
                           std::size_t max_bytes, std::chrono::seconds may_be_repeated)
    : database_(path, Database::Mode::write), commits_(std::move(commits)), queue_(max_jobs, max_bytes) {
  database_.execute("PRAGMA journal_mode = WAL");
  database_.execute("PRAGMA synchronous = FULL");
  database_.execute("PRAGMA journal_size_limit = 134217728");
  database_.execute("PRAGMA cache_size = -65536");
  prepare_schema(database_);
  writer_ = std::make_unique<StreamWriter>(database_, may_be_repeated);
  commits_->publish(writer_->last_position(), {});
  thread_ = std::thread(&WriterThread::loop, this);
}

WriterThread::~WriterThread() {
  queue_.close();
  thread_.join();
}

void WriterThread::loop() {
  for (auto jobs = queue_.take(jobs_per_commit, bytes_per_commit); !jobs.empty();
       jobs = queue_.take(jobs_per_commit, bytes_per_commit)) {
    commit_together(jobs);
    checkpoint();
  }
}

/// After the answers, so that nobody waits for it. A log that readers keep from starting anew makes them wait instead.
void WriterThread::checkpoint() {
  const int pages = database_.wal_pages();
  if (pages < checkpoint_pages) return;
  try {
    database_.execute(pages < longest_wal_pages ? "PRAGMA wal_checkpoint(PASSIVE)" : "PRAGMA wal_checkpoint(RESTART)");
  } catch (const SqlError& error) {
    log::warning("the embedded log could not fold its write-ahead log", {{"reason", error.what()}});
  }
}

void WriterThread::commit_together(Jobs& jobs) {
  try {
    database_.execute("BEGIN IMMEDIATE");
    for (auto& job : jobs) job->run(*writer_);
  } catch (const SqlError& error) {
    roll_back();
    return fail_all(jobs, FailureCode::unavailable, error);
  }
  try {
    database_.execute("COMMIT");
  } catch (const SqlError& error) {
    // The commit record may have reached the disk although the sync failed.
    roll_back();
    return fail_all(jobs, FailureCode::unknown_outcome, error);
  }
  commits_->publish(writer_->last_position(), writer_->take_written());
  for (auto& job : jobs) job->answer();
}

void WriterThread::roll_back() {
  try {
    if (database_.in_transaction()) database_.execute("ROLLBACK");
    writer_->forget();
  } catch (const SqlError& error) {
    log::error("the embedded log could not roll back", {{"reason", error.what()}});
  }
}

}  // namespace twinstream::embedded
