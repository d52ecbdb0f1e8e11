#include "adapters/eventstore/calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <utility>

namespace twinstream::eventstore {

CallRegistry::Lifetime::Lifetime(std::shared_ptr<CallRegistry> registry) : registry_(std::move(registry)) {
  const std::lock_guard lock(registry_->mutex_);
  ++registry_->alive_;
}

CallRegistry::Lifetime::~Lifetime() {
  const std::lock_guard lock(registry_->mutex_);
  if (--registry_->alive_ == 0) registry_->emptied_.notify_all();
}

CallRegistry::Entry::Entry(CallRegistry& registry, grpc::ClientContext& context)
    : registry_(registry), context_(context) {
  const std::lock_guard lock(registry_.mutex_);
  registry_.contexts_.insert(&context_);
  if (registry_.closed_) context_.TryCancel();
}

CallRegistry::Entry::~Entry() {
  const std::lock_guard lock(registry_.mutex_);
  registry_.contexts_.erase(&context_);
}

void CallRegistry::cancel_all() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

void CallRegistry::wait_until_empty() {
  std::unique_lock lock(mutex_);
  emptied_.wait(lock, [this] { return alive_ == 0; });
}

void RetiredChannels::add(std::shared_ptr<grpc::Channel> channel) {
  const std::lock_guard lock(mutex_);
  channels_.push_back(std::move(channel));
}

void RetiredChannels::destroy() {
  std::vector<std::shared_ptr<grpc::Channel>> channels;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  channels.swap(channels_);
}

}  // namespace twinstream::eventstore
