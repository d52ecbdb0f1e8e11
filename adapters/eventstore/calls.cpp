#include "adapters/eventstore/calls.h"

#include <grpcpp/client_context.h>

namespace twinstream::eventstore {

CallRegistry::Entry::Entry(std::shared_ptr<CallRegistry> registry, grpc::ClientContext& context)
    : registry_(std::move(registry)), context_(context) {
  const std::lock_guard lock(registry_->mutex_);
  registry_->contexts_.insert(&context_);
  if (registry_->closed_) context_.TryCancel();
}

CallRegistry::Entry::~Entry() {
  const std::lock_guard lock(registry_->mutex_);
  registry_->contexts_.erase(&context_);
  if (registry_->contexts_.empty()) registry_->emptied_.notify_all();
}

void CallRegistry::cancel_all() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

void CallRegistry::wait_until_empty() {
  std::unique_lock lock(mutex_);
  emptied_.wait(lock, [this] { return contexts_.empty(); });
}

}  // namespace twinstream::eventstore
