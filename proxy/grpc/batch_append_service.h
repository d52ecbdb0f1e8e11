#pragma once

#include <grpcpp/impl/service_type.h>

#include <condition_variable>
#include <mutex>

#include "proxy/grpc/calls.h"
#include "proxy/protocol/completion_thread.h"

namespace twinstream::door {

/// The method BatchAppend of Streams. It is an asynchronous method because of its many small messages; every other method
/// of the door is a reactor.
class BatchAppendService final : public grpc::Service {
 public:
  /// `door` outlives it and every call.
  explicit BatchAppendService(Door& door);

  /// Accepts calls until the server shuts down; the server has been started. `thread` works `queue` off.
  void accept(CompletionThread& thread, grpc::ServerCompletionQueue& queue);
  /// Until no call is left. The server has been shut down.
  void wait();

 private:
  class Call;

  Door& door_;
  CompletionThread* thread_ = nullptr;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  std::mutex mutex_;
  std::condition_variable emptied_;
  std::size_t calls_ = 0;  ///< with the one that waits for its client
};

}  // namespace twinstream::door
