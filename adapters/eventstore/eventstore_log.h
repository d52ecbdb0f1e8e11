#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/core/event_log.h"

namespace twinstream {

/// EventStoreDB or KurrentDB as an event log, over gRPC. Appends travel in a few long-lived BatchAppend calls, one
/// batch of a stream at a time; what a broken connection leaves in doubt is repeated or looked up where that is safe.
/// Follows the leader of a cluster. `duplicate` in an answer is set when the position proves that the events were there
/// before; the protocol itself does not say it. Subscriptions must not outlive the log.
class EventStoreLog final : public EventLog {
 public:
  /// Does not need the server: connects when first used. `rejected` when the connection string is wrong or a
  /// certificate file cannot be read.
  static Result<std::unique_ptr<EventStoreLog>> open(const EventStoreConfig& config);
  /// Cancels what is under way and waits until gRPC has let go of it.
  ~EventStoreLog() override;

  const LogTraits& traits() const override;
  /// By the size limits that the server's version has by default; servers from 25.1 on take far more than the trait.
  std::optional<Failure> refuses(const AppendRequest& request) const override;
  Awaitable<Result<Appended>> append(AppendRequest request) override;
  Awaitable<std::vector<Result<Appended>>> append_many(std::vector<AppendRequest> requests) override;
  /// Over protocol v2, where the server has it; the server adds `$schema.` keys to the metadata.
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
  class Parts;
  explicit EventStoreLog(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace twinstream
