#include "adapters/eventstore/appender.h"

#include "adapters/eventstore/wire.h"

namespace twinstream::eventstore {
namespace {

constexpr std::size_t queue_count = 1;
constexpr std::size_t largest_message = 16'767'216;
constexpr std::size_t envelope = 4'096;  // everything in a message besides its event
constexpr std::size_t largest_name = 1'024;

Failure refused(std::string reason) { return {FailureCode::rejected, std::move(reason), {}}; }

std::size_t encoded_size(const AppendRequest& request) {
  std::size_t bytes = request.stream.size();
  for (const Event& event : request.events) bytes += eventstore::encoded_size(event);
  return bytes;
}

}  // namespace

std::optional<Failure> refuse_append(const AppendRequest& request, std::size_t most_bytes) {
  if (request.stream.empty() || request.stream == "$$") return refused("EventStore has no stream of this name");
  if (request.stream.size() > largest_name) {
    return refused("the stream name is longer than " + std::to_string(largest_name) + " bytes");
  }
  std::size_t bytes = 0;
  for (const Event& event : request.events) {
    if (event.id.is_nil()) return refused("an event id is all zero");
    if (event.type.empty()) return refused("an event type is empty");
    const std::size_t size = event.data.size() + event.metadata.size() + 2 * event.type.size();
    bytes += size;
    if (encoded_size(event) + envelope > largest_message) {
      return refused("an event of " + std::to_string(size) + " bytes is larger than EventStore can store (16 MiB)");
    }
  }
  if (bytes <= most_bytes) return std::nullopt;
  return refused("the append has " + std::to_string(bytes) + " bytes, the limit of EventStore is " +
                 std::to_string(most_bytes));
}

Appender::Appender(boost::asio::io_context& io, CompletionThread& completions, Cluster& cluster,
                   std::size_t queue_limit, std::chrono::milliseconds timeout)
    : queue_limit_(queue_limit) {
  for (std::size_t i = 0; i < queue_count; ++i) {
    queues_.push_back(std::make_unique<AppendQueue>(io, completions, cluster, timeout, shared_));
  }
}

Awaitable<AppendAnswers> Appender::append(std::vector<AppendRequest> requests, std::size_t most_bytes) {
  if (requests.empty()) co_return AppendAnswers{};
  auto start = [&](Completion<AppendAnswers> done) {
    auto gathering = std::make_shared<AppendGathering>(requests.size(), std::move(done));
    distribute(std::move(requests), most_bytes, std::move(gathering));
  };
  co_return co_await await_completion<AppendAnswers>(start);
}

void Appender::distribute(std::vector<AppendRequest> requests, std::size_t most_bytes,
                          std::shared_ptr<AppendGathering> gathering) {
  std::vector<std::vector<PendingPtr>> batches(queues_.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (auto refusal = refuse_append(requests[i], most_bytes)) {
      gathering->answer(i, std::move(*refusal));
    } else if (!admit()) {
      gathering->answer(i, Failure{FailureCode::unavailable, "too many appends wait for EventStore already", {}});
    } else {
      auto pending = std::make_shared<PendingAppend>();
      pending->request = std::move(requests[i]);
      pending->bytes = encoded_size(pending->request);
      pending->gathering = gathering;
      pending->index = i;
      const std::size_t queue = std::hash<std::string>{}(pending->request.stream) % queues_.size();
      batches[queue].push_back(std::move(pending));
    }
  }
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    if (!batches[i].empty()) queues_[i]->submit(std::move(batches[i]));
  }
}

bool Appender::admit() {
  if (shared_.unanswered.fetch_add(1, std::memory_order_relaxed) < queue_limit_) return true;
  shared_.unanswered.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Appender::sweep(SteadyTime now) {
  for (const auto& queue : queues_) queue->sweep(now);
}

void Appender::close() {
  for (const auto& queue : queues_) queue->close();
}

}  // namespace twinstream::eventstore
