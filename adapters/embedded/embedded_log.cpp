#include "adapters/embedded/embedded_log.h"

#include <system_error>

#include "adapters/embedded/commit_watch.h"
#include "adapters/embedded/directory_lock.h"
#include "adapters/embedded/reader_pool.h"
#include "adapters/embedded/subscriptions.h"
#include "adapters/embedded/writer_thread.h"

namespace twinstream {
namespace {

using namespace embedded;

using Answers = std::vector<Result<Appended>>;

std::size_t payload_bytes(const AppendRequest& request) {
  std::size_t bytes = request.stream.size() + sizeof(AppendRequest);
  for (const Event& event : request.events) {
    bytes += event.data.size() + event.metadata.size() + event.type.size() + sizeof(Event);
  }
  return bytes;
}

}  // namespace

Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(const std::filesystem::path& directory,
                                                       EmbeddedLogOptions options) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return Failure{FailureCode::unavailable,
                   "data directory " + directory.string() + " cannot be created: " + error.message(),
                   {}};
  }
  auto lock = DirectoryLock::take(directory);
  if (!lock.ok()) return lock.failure();
  try {
    const std::string database = (directory / "events.sqlite").string();
    return std::unique_ptr<EmbeddedLog>(new EmbeddedLog(std::move(*lock), database, options));
  } catch (const SqlError& failed) {
    return Failure{
        FailureCode::unavailable, "data directory " + directory.string() + " cannot be used: " + failed.what(), {}};
  }
}

EmbeddedLog::EmbeddedLog(std::unique_ptr<DirectoryLock> lock, const std::string& database,
                         const EmbeddedLogOptions& options)
    : traits_{.name = "embedded",
              .exact_bytes = true,
              .keeps_created = false,
              .keeps_event_ids = true,
              .marks_deletions = true,
              .holds_system_streams = true,
              .appends_in_groups = true,
              .max_append_bytes = options.max_append_bytes},
      lock_(std::move(lock)),
      commits_(std::make_shared<CommitWatch>()),
      writer_(std::make_unique<WriterThread>(database, commits_, options.queue_limit, options.queue_bytes,
                                             options.may_be_repeated)),
      readers_(std::make_unique<ReaderPool>(database, options.readers, options.queue_limit)) {}

/// Readers first: the writer's connection is then the last one and folds the write-ahead log into the file.
EmbeddedLog::~EmbeddedLog() {
  readers_.reset();
  writer_.reset();
}

std::optional<Failure> EmbeddedLog::refuses(const AppendRequest& request) const {
  const auto reject = [](std::string reason) {
    return Failure{FailureCode::rejected, "embedded cannot hold this: " + std::move(reason), {}};
  };
  const std::string& stream = request.stream;
  if (stream.empty() || stream == "$$") return reject("the stream has no name");
  if (stream == "$all") return reject("$all is the whole log and cannot be written");
  if (stream.size() > traits_.max_stream_name_bytes) {
    return reject("the stream name is longer than " + std::to_string(traits_.max_stream_name_bytes) + " bytes");
  }
  std::size_t sum = 0;
  for (const Event& event : request.events) {
    if (event.id.is_nil()) return reject("an event id is all zero");
    if (event.type.empty()) return reject("an event type is empty");
    const std::size_t record = stream.size() + event.type.size() + event.metadata.size() + event.data.size();
    if (record > max_event_bytes) return reject("one event may have " + std::to_string(max_event_bytes) + " bytes");
    sum += event.data.size();
  }
  if (sum <= traits_.max_append_bytes) return std::nullopt;
  return reject("the append has " + std::to_string(sum) + " bytes of data, the limit is " +
                std::to_string(traits_.max_append_bytes));
}

Awaitable<Result<Appended>> EmbeddedLog::append(AppendRequest request) {
  if (auto refusal = refuses(request)) co_return std::move(*refusal);
  const std::size_t bytes = payload_bytes(request);
  co_return co_await submit<Appended>(
      writer_->queue(), bytes, [request = std::move(request)](StreamWriter& writer) { return writer.append(request); });
}

Awaitable<Answers> EmbeddedLog::append_many(std::vector<AppendRequest> requests) {
  const std::size_t count = requests.size();
  std::size_t bytes = 0;
  for (const auto& request : requests) bytes += payload_bytes(request);
  auto work = [this, requests = std::move(requests)](StreamWriter& writer) -> Result<Answers> {
    Answers answers;
    answers.reserve(requests.size());
    for (const auto& request : requests) {
      auto refusal = refuses(request);
      answers.push_back(refusal ? Result<Appended>(std::move(*refusal)) : writer.append(request));
    }
    return answers;
  };
  auto answers = co_await submit<Answers>(writer_->queue(), bytes, std::move(work));
  if (!answers.ok()) co_return Answers(count, answers.failure());
  co_return std::move(*answers);
}

Awaitable<Result<std::vector<Appended>>> EmbeddedLog::append_together(std::vector<AppendRequest> requests,
                                                                      std::vector<StreamCheck> checks) {
  if (auto refusal = refuses_together(requests)) co_return std::move(*refusal);
  std::size_t bytes = 0;
  for (const auto& request : requests) bytes += payload_bytes(request);
  co_return co_await submit<std::vector<Appended>>(
      writer_->queue(), bytes,
      [requests = std::move(requests), checks = std::move(checks)](StreamWriter& writer) {
        return writer.append_together(requests, checks);
      });
}

Awaitable<Result<StreamPage>> EmbeddedLog::read_stream(ReadStream request) {
  co_return co_await submit<StreamPage>(
      readers_->queue(), 0, [request = std::move(request)](Reader& reader) { return reader.read_stream(request); });
}

Awaitable<Result<AllPage>> EmbeddedLog::read_all(ReadAll request) {
  co_return co_await submit<AllPage>(readers_->queue(), 0,
                                     [request](Reader& reader) -> Result<AllPage> { return reader.read_all(request); });
}

Awaitable<Result<Head>> EmbeddedLog::head(std::string stream) {
  co_return co_await submit<Head>(readers_->queue(), 0, [stream = std::move(stream)](Reader& reader) -> Result<Head> {
    return reader.head(stream);
  });
}

Awaitable<Result<Position>> EmbeddedLog::tip() {
  const std::uint64_t last = commits_->last_position();
  co_return Position{last, last};
}

Awaitable<Result<Deleted>> EmbeddedLog::soft_delete(std::string stream, ExpectedRevision expected) {
  if (auto refusal = refuses({stream, expected, {}})) co_return std::move(*refusal);
  auto work = [stream, expected](StreamWriter& writer) { return writer.soft_delete(stream, expected); };
  co_return co_await submit<Deleted>(writer_->queue(), stream.size(), std::move(work));
}

Awaitable<Result<Deleted>> EmbeddedLog::tombstone(std::string stream, ExpectedRevision expected) {
  if (auto refusal = refuses({stream, expected, {}})) co_return std::move(*refusal);
  auto work = [stream, expected](StreamWriter& writer) { return writer.tombstone(stream, expected); };
  co_return co_await submit<Deleted>(writer_->queue(), stream.size(), std::move(work));
}

Awaitable<Result<Done>> EmbeddedLog::restore(std::string stream) {
  auto work = [stream](StreamWriter& writer) { return writer.restore(stream); };
  co_return co_await submit<Done>(writer_->queue(), stream.size(), std::move(work));
}

Awaitable<Result<ScavengeSlice>> EmbeddedLog::scavenge(std::uint64_t from) {
  co_return co_await submit<ScavengeSlice>(
      writer_->queue(), 0, [from](StreamWriter& writer) -> Result<ScavengeSlice> { return writer.scavenge(from); });
}

std::unique_ptr<Subscription> EmbeddedLog::subscribe_all(Position after) {
  return embedded::subscribe_all(readers_->queue(), *commits_, after);
}

std::unique_ptr<Subscription> EmbeddedLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  return embedded::subscribe_stream(readers_->queue(), *commits_, std::move(stream), after);
}

Awaitable<Result<std::string>> EmbeddedLog::ping() {
  co_return co_await submit<std::string>(readers_->queue(), 0, [](Reader& reader) -> Result<std::string> {
    reader.head("$ping");
    return std::string("Twinstream embedded log");
  });
}

}  // namespace twinstream
