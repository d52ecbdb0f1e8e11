#pragma once

#include "adapters/embedded/event_table.h"
#include "proxy/core/maintenance.h"

namespace twinstream::embedded {

/// Removes events that no reader can see. What stays of a stream:
///  - its last event, also of a soft-deleted one, so that it goes on with the next number; of a tombstoned stream the
///    tombstone alone, and of its metadata nothing;
///  - everything that was written a moment ago, so that who lost the answer to an append can repeat it;
///  - the revisions and positions of all others: what is removed leaves a gap, at the beginning of its stream.
/// Works inside a transaction that its owner opens and ends; throws SqlError.
class Scavenger {
 public:
  /// `may_be_repeated`: how old an append must be that nobody will repeat any more.
  explicit Scavenger(Database& database, std::chrono::seconds may_be_repeated = std::chrono::seconds(60));

  /// `from` is the key of the stream that was looked at last.
  ScavengeSlice slice(std::uint64_t from);

 private:
  std::uint64_t first_to_keep(const StreamState& state);
  std::uint64_t remove(StreamKey stream, std::uint64_t from, std::uint64_t below);

  Database& database_;
  EventTable table_;
  const std::chrono::seconds may_be_repeated_;
  Statement next_streams_;
  Statement remove_;
  Statement note_;
};

}  // namespace twinstream::embedded
