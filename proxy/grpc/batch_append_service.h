#pragma once

#include <grpcpp/impl/service_type.h>

#include "proxy/grpc/calls.h"
#include "proxy/protocol/completion_thread.h"

namespace twinstream::door {

/// The method BatchAppend of Streams. It is an asynchronous method because of its many small messages; every other method
/// of the door is a reactor.
class BatchAppendService final : public grpc::Service {
 public:
  /// `door` outlives it and every call.
  explicit BatchAppendService(Door& door);

  /// Accepts calls until the server shuts down; the server has been started. `thread` works `queue` off. A call is one of
  /// the door's tasks until it is gone, also while it waits for its client.
  void accept(CompletionThread& thread, grpc::ServerCompletionQueue& queue);

 private:
  class Call;

  Door& door_;
  CompletionThread* thread_ = nullptr;
  grpc::ServerCompletionQueue* queue_ = nullptr;
};

}  // namespace twinstream::door
