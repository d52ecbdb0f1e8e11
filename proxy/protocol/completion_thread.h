#pragma once

#include <grpcpp/completion_queue.h>

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace twinstream {

/// A thread that the operations of asynchronous gRPC calls come back to. For calls with many small messages: gRPC works
/// reactors off with two threads, and these wake each other up for every message.
class CompletionThread {
 public:
  /// Stands for an operation that was started with it as the tag. Runs on the thread, once for each time it was started.
  class Step {
   public:
    virtual void run(bool ok) = 0;

   protected:
    ~Step() = default;
  };

  explicit CompletionThread(std::unique_ptr<grpc::CompletionQueue> queue = std::make_unique<grpc::CompletionQueue>());
  /// Waits for the operations under way. None may be started any more: the calls must be gone.
  ~CompletionThread();

  grpc::CompletionQueue& queue() { return *queue_; }

  /// Only from steps. Runs `work` when no other step is ready, or very many have run: so what came together can be worked
  /// off together.
  void when_idle(std::function<void()> work) { idle_work_.push_back(std::move(work)); }

 private:
  void loop();
  bool next(void** tag, bool* ok);

  const std::unique_ptr<grpc::CompletionQueue> queue_;
  std::vector<std::function<void()>> idle_work_;
  unsigned steps_ = 0;  ///< since there has been idle work
  std::thread thread_;
};

/// An operation of a call that ends in a method of the call. Keeps the call alive while it is under way; one at a time.
template <class Call>
class Operation final : public CompletionThread::Step {
 public:
  explicit Operation(void (Call::*ended)(bool ok)) : ended_(ended) {}

  /// The tag to start it with.
  void* of(std::shared_ptr<Call> call) {
    call_ = std::move(call);
    return static_cast<CompletionThread::Step*>(this);
  }
  /// It will not come back.
  void forget() { call_.reset(); }

  void run(bool ok) override {
    const std::shared_ptr<Call> call = std::move(call_);
    ((*call).*ended_)(ok);
  }

 private:
  void (Call::*const ended_)(bool ok);
  std::shared_ptr<Call> call_;
};

}  // namespace twinstream
