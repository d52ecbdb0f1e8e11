#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>

namespace grpc {
class ClientContext;
}

namespace twinstream::eventstore {

/// Every call under way, so that closing the log can cancel them all and wait until gRPC has let go of them.
class CallRegistry {
 public:
  /// A call is registered as long as its entry lives. The context must outlive the entry. Calls that begin after
  /// cancel_all are cancelled at once.
  class Entry {
   public:
    Entry(std::shared_ptr<CallRegistry> registry, grpc::ClientContext& context);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    std::shared_ptr<CallRegistry> registry_;
    grpc::ClientContext& context_;
  };

  void cancel_all();
  void wait_until_empty();

 private:
  std::mutex mutex_;
  std::condition_variable emptied_;
  std::unordered_set<grpc::ClientContext*> contexts_;
  bool closed_ = false;
};

}  // namespace twinstream::eventstore
