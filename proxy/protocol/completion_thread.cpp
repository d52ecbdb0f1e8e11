#include "proxy/protocol/completion_thread.h"

namespace twinstream {
namespace {

constexpr unsigned most_steps_before_idle_work = 256;

}  // namespace

CompletionThread::CompletionThread(std::unique_ptr<grpc::CompletionQueue> queue)
    : queue_(std::move(queue)), thread_([this] { loop(); }) {}

CompletionThread::~CompletionThread() {
  queue_->Shutdown();
  thread_.join();
}

void CompletionThread::loop() {
  void* tag = nullptr;
  bool ok = false;
  while (next(&tag, &ok)) static_cast<Step*>(tag)->run(ok);
}

/// False when the queue is shut down and empty.
bool CompletionThread::next(void** tag, bool* ok) {
  if (idle_work_.empty()) return queue_->Next(tag, ok);
  if (++steps_ < most_steps_before_idle_work) {
    const auto status = queue_->AsyncNext(tag, ok, gpr_time_0(GPR_CLOCK_MONOTONIC));
    if (status == grpc::CompletionQueue::GOT_EVENT) return true;
  }
  steps_ = 0;
  for (const auto& work : std::exchange(idle_work_, {})) work();
  return next(tag, ok);
}

}  // namespace twinstream
