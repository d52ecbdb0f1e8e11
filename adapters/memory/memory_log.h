#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/memory/memory_store.h"
#include "proxy/core/clock.h"
#include "proxy/core/event_log.h"

namespace twinstream {

struct MemoryLogOptions {
  LogTraits traits{.name = "memory"};
  bool global_unique_ids = false;  ///< see MemoryStore::Rules
  bool shows_hidden = true;        ///< see MemoryStore::Rules
  Clock* clock = nullptr;          ///< stamps events and paces idle subscriptions; absent: the system's
  /// Awaited before and after every look at or change of the store, so that a test can delay and reorder. Operations
  /// are named like the methods.
  std::function<Awaitable<void>(std::string_view operation, std::string_view stream)> hook = {};
};

/// An event log in memory, complete, for tests, the simulator and demonstrations. It has no threads: it completes on
/// the caller's executor, but never inside the call, so that other work gets in between as with a real store.
class MemoryLog final : public EventLog {
 public:
  explicit MemoryLog(MemoryLogOptions options = {});
  /// A log over a store that exists already; the rules are the store's.
  MemoryLog(std::shared_ptr<MemoryStore> store, MemoryLogOptions options);
  ~MemoryLog() override;

  /// Forgets every waiting subscription without an answer: their coroutines end where they stand. For simulated
  /// crashes.
  void drop_waiting();

  MemoryStore& store() { return *store_; }

  const LogTraits& traits() const override { return store_->traits(); }
  std::optional<Failure> refuses(const AppendRequest& request) const override;
  Awaitable<Result<Appended>> append(AppendRequest request) override;
  Awaitable<Result<std::vector<Appended>>> append_together(std::vector<AppendRequest> requests,
                                                           std::vector<StreamCheck> checks) override;
  Awaitable<Result<StreamPage>> read_stream(ReadStream request) override;
  Awaitable<Result<AllPage>> read_all(ReadAll request) override;
  Awaitable<Result<Head>> head(std::string stream) override;
  Awaitable<Result<Position>> tip() override;
  Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Done>> restore(std::string stream) override;
  std::unique_ptr<Subscription> subscribe_all(Position after) override;
  std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) override;
  Awaitable<Result<std::string>> ping() override;

 private:
  class Waiting;
  class MemorySubscription;
  class AllSubscription;
  class StreamSubscription;

  Awaitable<void> enter(std::string_view operation, std::string_view stream);
  Awaitable<void> leave(std::string_view operation, std::string_view stream);

  std::shared_ptr<MemoryStore> store_;
  Clock& clock_;
  std::function<Awaitable<void>(std::string_view, std::string_view)> hook_;
  std::shared_ptr<Waiting> waiting_;
  std::uint64_t watch_;
};

}  // namespace twinstream
