#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/core/event.h"
#include "proxy/core/event_log.h"
#include "proxy/core/result.h"

namespace twinstream {

/// What is in force for a category, as opposed to what the file wants. A category without a row is in observe, epoch 0.
struct CategoryState {
  Phase phase = Phase::observe;
  bool eventstore_is_authority = false;
  std::uint64_t epoch = 0;       ///< raised by every change of authority
  bool backfilled = false;       ///< history is completely at the follower; cleared when the mirror is switched off
  bool checked_equal = false;    ///< the last complete check since the backfill found no difference

  bool operator==(const CategoryState&) const = default;
};

/// A stream that the mirror set aside, and why.
struct Divergence {
  std::string stream;
  std::uint64_t revision = 0;  ///< the first revision that could not be carried
  std::string reason;
  Timestamp found;

  bool operator==(const Divergence&) const = default;
};

/// The small durable memory of the engine, kept in PostgreSQL beside the events (in memory in the simulator). Every
/// write is durable when it answers. Failures are `unavailable`.
class ControlStore {
 public:
  virtual ~ControlStore() = default;

  virtual Awaitable<Result<std::map<std::string, CategoryState>>> load_categories() = 0;
  /// Writes `state` if the stored epoch still is `expected_epoch`; wrong_expected_revision otherwise.
  virtual Awaitable<Result<Done>> save_category(std::string category, CategoryState state,
                                                std::uint64_t expected_epoch) = 0;

  /// Cursors are named: `tail`, `tail-reverse`, `backfill:<category>`.
  virtual Awaitable<Result<std::optional<Position>>> load_cursor(std::string name) = 0;
  virtual Awaitable<Result<Done>> save_cursor(std::string name, Position position) = 0;
  virtual Awaitable<Result<Done>> clear_cursor(std::string name) = 0;

  /// At most `limit`, oldest first.
  virtual Awaitable<Result<std::vector<Divergence>>> load_divergences(std::size_t limit) = 0;
  virtual Awaitable<Result<Done>> save_divergence(Divergence divergence) = 0;  ///< one per stream, the first is kept
  virtual Awaitable<Result<Done>> clear_divergence(std::string stream) = 0;

  /// Streams whose deletion state (soft delete, restore, tombstone) is being changed: noted before the authority is
  /// asked, forgotten when the follower shows the same state. What is noted at start is carried again.
  virtual Awaitable<Result<std::vector<std::string>>> load_state_changes() = 0;
  virtual Awaitable<Result<Done>> note_state_change(std::string stream) = 0;
  virtual Awaitable<Result<Done>> forget_state_change(std::string stream) = 0;

  /// The last check's report as JSON, for `status`.
  virtual Awaitable<Result<Done>> save_check(std::string report_json) = 0;
  virtual Awaitable<Result<std::optional<std::string>>> load_check() = 0;
};

}  // namespace twinstream
