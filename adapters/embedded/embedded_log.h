#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/core/maintenance.h"

namespace twinstream {

namespace embedded {
class CommitWatch;
class DirectoryLock;
class ReaderPool;
class WriterThread;
}  // namespace embedded

struct EmbeddedLogOptions {
  /// Sum of the data bytes of one append, as EventStore 23.10 counts. A single event has a fixed limit besides, see
  /// EmbeddedLog::max_event_bytes.
  std::size_t max_append_bytes = 1024 * 1024;
  unsigned readers = 2;                  ///< reading connections, each on a thread of its own
  std::size_t queue_limit = 10'000;      ///< appends and deletions that wait; the same again for reads
  std::chrono::seconds may_be_repeated{60};  ///< a scavenge keeps what is younger, see Scavenger
  std::size_t queue_bytes = 256u << 20;  ///< payload of the appends that wait
};

/// An event log of its own in one directory, over SQLite, with EventStore's semantics: expectations, idempotency, soft
/// deletion by stream metadata, $maxCount and $maxAge, tombstones. Whatever waits is committed together and is on disk
/// when it is answered. A repeated append is recognised for ever by its exact expectation, and without one among the
/// last 250,000 events (the last 100,000 when it was opened anew); EventStore's own memory is shorter and ends with the
/// process.
class EmbeddedLog final : public EventLog, public Maintenance {
 public:
  /// What EventStore lets one record have: type, data, metadata and name together.
  static constexpr std::size_t max_event_bytes = 16 * 1024 * 1024 - 10'000;

  /// Creates the directory when it is missing and keeps it locked: one process has it at a time.
  static Result<std::unique_ptr<EmbeddedLog>> open(const std::filesystem::path& directory,
                                                   EmbeddedLogOptions options = {});
  ~EmbeddedLog() override;

  const LogTraits& traits() const override { return traits_; }
  std::optional<Failure> refuses(const AppendRequest& request) const override;
  Awaitable<Result<Appended>> append(AppendRequest request) override;
  Awaitable<std::vector<Result<Appended>>> append_many(std::vector<AppendRequest> requests) override;
  Awaitable<Result<std::vector<Appended>>> append_together(std::vector<AppendRequest> requests,
                                                           std::vector<StreamCheck> checks) override;
  Awaitable<Result<StreamPage>> read_stream(ReadStream request) override;
  Awaitable<Result<AllPage>> read_all(ReadAll request) override;
  Awaitable<Result<Head>> head(std::string stream) override;
  Awaitable<Result<Position>> tip() override;
  Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Done>> restore(std::string stream) override;
  std::unique_ptr<Subscription> subscribe_all(Position after) override;
  std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) override;
  Awaitable<Result<std::string>> ping() override;
  /// A slice is one job of the writer, committed together with the appends around it.
  Awaitable<Result<ScavengeSlice>> scavenge(std::uint64_t from) override;

 private:
  EmbeddedLog(std::unique_ptr<embedded::DirectoryLock> lock, const std::string& database,
              const EmbeddedLogOptions& options);

  LogTraits traits_;
  std::unique_ptr<embedded::DirectoryLock> lock_;
  std::shared_ptr<embedded::CommitWatch> commits_;
  std::unique_ptr<embedded::WriterThread> writer_;
  std::unique_ptr<embedded::ReaderPool> readers_;
};

}  // namespace twinstream
