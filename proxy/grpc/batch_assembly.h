#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <variant>

#include "proxy/grpc/batch_messages.h"

namespace twinstream::door {

/// Puts the chunks of a batch call together, each append under its correlation id. Not thread safe.
class BatchAssembly {
 public:
  explicit BatchAssembly(const EventLog& log) : log_(log) {}

  struct Complete {
    BatchAddress address;
    AppendRequest request;
  };
  /// More chunks will follow: the owner answers `timed_out(key)` when the time is up.
  struct Begun {
    EventId key;
    std::chrono::nanoseconds allowed;
  };
  struct Nothing {};
  /// What a chunk leads to. CallStatus ends the whole call.
  using Outcome = std::variant<Nothing, Begun, Complete, BatchAnswer, CallStatus>;

  Outcome take(wire::streams::BatchAppendReq& chunk);
  /// Forgets the append if its last chunk has not come.
  std::optional<BatchAnswer> timed_out(const EventId& key);

 private:
  struct Pending {
    Complete append;
    std::size_t data_bytes = 0;
    std::size_t all_bytes = 0;
  };

  Outcome begin(const EventId& key, wire::streams::BatchAppendReq& chunk);
  std::optional<BatchAnswer> add_events(Pending& pending, wire::streams::BatchAppendReq& chunk);

  const EventLog& log_;
  std::unordered_map<EventId, Pending> pending_;
  std::size_t pending_bytes_ = 0;
};

}  // namespace twinstream::door
