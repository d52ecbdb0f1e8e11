#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "adapters/eventstore/append_queue.h"

namespace twinstream::eventstore {

/// What the protocol cannot carry or the server would never store; some of it would end the shared call if it were
/// sent. `most_bytes` counts like the server: data, metadata and twice the type.
std::optional<Failure> refuse_append(const AppendRequest& request, std::size_t most_bytes);

/// Distributes appends by stream over a few queues, and bounds how many there are.
class Appender {
 public:
  Appender(boost::asio::io_context& io, CompletionThread& completions, Cluster& cluster, std::size_t queue_limit,
           std::chrono::milliseconds timeout);

  /// Those that `refuse_append` refuses for the limit given are answered so and not sent.
  Awaitable<AppendAnswers> append(std::vector<AppendRequest> requests, std::size_t most_bytes);
  void sweep(SteadyTime now);
  void close();

 private:
  void distribute(std::vector<AppendRequest> requests, std::size_t most_bytes,
                  std::shared_ptr<AppendGathering> gathering);
  bool admit();

  const std::size_t queue_limit_;
  AppendShared shared_;
  std::vector<std::unique_ptr<AppendQueue>> queues_;
};

}  // namespace twinstream::eventstore
