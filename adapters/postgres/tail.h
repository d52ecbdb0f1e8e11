#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/postgres/delivered.h"
#include "adapters/postgres/fence.h"
#include "adapters/postgres/reading.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// What the nets under the tail caught, over all tails of a log.
struct TailCounters {
  std::atomic<std::uint64_t> filled{0};  ///< events delivered early because a later revision of their stream was seen
  std::atomic<std::uint64_t> recovered{0};  ///< events that the fence had missed and the audit of heads found
  std::atomic<std::uint64_t> gaps{0};       ///< events delivered although their predecessor does not exist
};

struct TailSettings {
  std::chrono::milliseconds audit_interval{60'000};
  std::chrono::milliseconds fence_interval{50};  ///< pg_locks is not asked more often
  std::size_t page_events = 500;
  std::size_t remembered_streams = 1'000'000;
};

/// Reads the global order so that nothing committed is left out, delivering rows as soon as they are visible (eager)
/// and moving its low mark, the checkpoint, only behind a closed fence. Within a stream it delivers by revision: an
/// event waits for its predecessors. Not thread safe; each poll may use another connection.
///
/// Two nets do not rely on the fence. An event whose predecessor was not delivered makes the tail read the stream back.
/// An audit compares the heads of all streams with what was delivered; rows of other writers that slipped under the low
/// mark (positions drawn early, cached sequences, restored rows) are delivered with a warning.
class Tail {
 public:
  Tail(std::shared_ptr<const Table> table, std::shared_ptr<TailCounters> counters, TailSettings settings,
       Position after);

  /// Throws DatabaseError; nothing is lost by that, the next poll goes on. As long as the end at which to start is not
  /// known, the checkpoint is Position::end().
  SubscriptionPage poll(Connection& connection);

 private:
  using Clock = std::chrono::steady_clock;
  using Events = std::vector<RecordedEvent>;

  bool find_start(Connection& connection);
  void advance_fence(Connection& connection);
  bool scan(Connection& connection);
  bool look_back(Connection& connection);
  bool is_stalled();
  void learn_heads(Connection& connection, const Events& events);
  void offer_all(Connection& connection, Events events);
  void offer(Connection& connection, RecordedEvent event);
  void deliver(RecordedEvent event);
  /// The undelivered events below `event` in its stream, highest first; nothing when one of them does not exist (yet).
  std::optional<Events> undelivered_before(Connection& connection, const RecordedEvent& event) const;
  bool was_delivered(Position position) const { return position.commit <= low_ || seen_.contains(position.commit); }
  bool is_final(Position position) const { return closed_ && position.commit <= fence_->high; }
  void fit_page(const Events& events);

  void audit(Connection& connection);
  void audit_stream(Connection& connection, const Rows& heads, std::size_t row);
  std::vector<std::string> audit_key(const Rows& heads, std::size_t row) const;

  const std::shared_ptr<const Table> table_;
  const std::shared_ptr<TailCounters> counters_;
  const TailSettings settings_;

  std::uint64_t low_;        ///< everything at or before it is final and was delivered
  std::uint64_t edge_;       ///< every row in (low_, edge_] that was visible has been looked at
  bool started_;             ///< false: wants to start at the end, which is not known yet
  DeliveredPositions seen_;  ///< above low_
  DeliveredHeads heads_;
  std::optional<Fence> fence_;
  bool closed_ = false;  ///< fence_ has no holders any more
  Clock::time_point next_fence_{};
  Clock::time_point next_look_back_{};
  std::size_t page_events_;
  Events page_;  ///< delivered, but not yet handed out
  bool warned_stall_ = false;

  bool baseline_ = false;  ///< a first audit has taken note of the heads of all streams
  bool auditing_ = true;
  Clock::time_point next_audit_{};
  std::vector<std::string> audit_after_;  ///< the key at which the running audit goes on; empty: from the first
};

}  // namespace twinstream::postgres
