#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace twinstream::eventstore {

/// Every call under way, so that closing the log can cancel them all and wait until gRPC has let go of them.
class CallRegistry {
 public:
  /// Counts a call until all of it is gone: it must be destroyed after the call's context.
  class Lifetime {
   public:
    explicit Lifetime(std::shared_ptr<CallRegistry> registry);
    ~Lifetime();
    Lifetime(const Lifetime&) = delete;
    Lifetime& operator=(const Lifetime&) = delete;

   private:
    std::shared_ptr<CallRegistry> registry_;
  };

  /// Makes a call known to cancel_all: it must be destroyed before the call's context. Calls that begin after
  /// cancel_all are cancelled at once.
  class Entry {
   public:
    Entry(CallRegistry& registry, grpc::ClientContext& context);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    CallRegistry& registry_;
    grpc::ClientContext& context_;
  };

  void cancel_all();
  void wait_until_empty();

 private:
  std::mutex mutex_;
  std::condition_variable emptied_;
  std::size_t alive_ = 0;
  std::unordered_set<grpc::ClientContext*> contexts_;
  bool closed_ = false;
};

/// Channels that nobody uses any more. gRPC 1.51 joins its callback threads when the last channel of the process goes;
/// on one of these threads that aborts the process. So a channel is put here by whoever used it last, and destroyed on
/// a thread of ours. Must itself be released last on such a thread.
class RetiredChannels {
 public:
  void add(std::shared_ptr<grpc::Channel> channel);
  /// Never called from a callback of gRPC.
  void destroy();

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace twinstream::eventstore
