#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "adapters/postgres/reading.h"
#include "adapters/postgres/workers.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// Pages of the global order that hold only final events: nothing will ever appear at or before their end.
class GlobalOrder {
 public:
  GlobalOrder(Workers& readers, std::shared_ptr<const Table> table, std::chrono::milliseconds patience)
      : readers_(readers), table_(std::move(table)), patience_(patience) {}

  Awaitable<Result<AllPage>> read(ReadAll request);
  Awaitable<Result<Position>> tip();

 private:
  /// What is final now, at least everything that was committed before the call; nothing when a transaction that may
  /// still add to it stayed open for longer than `patience`.
  Awaitable<Result<std::optional<std::uint64_t>>> close_fence(std::chrono::milliseconds patience);
  Awaitable<Result<AllPage>> read_forwards(ReadAll request, std::size_t limit);
  Awaitable<Result<AllPage>> read_backwards(ReadAll request, std::size_t limit);
  Awaitable<Result<std::vector<RecordedEvent>>> events(Direction direction, std::uint64_t from, std::uint64_t to,
                                                       std::size_t limit);

  Workers& readers_;
  std::shared_ptr<const Table> table_;
  std::chrono::milliseconds patience_;
  std::atomic<std::uint64_t> final_{0};  ///< known to be final; grows
};

}  // namespace twinstream::postgres
