#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "adapters/embedded/event_table.h"
#include "adapters/embedded/recent_ids.h"
#include "adapters/embedded/scavenger.h"
#include "proxy/core/event_log.h"

namespace twinstream::embedded {

/// EventStore's rules for writing: expectations, idempotency, deletion and re-creation. Works inside a transaction that
/// its owner opens and ends; throws SqlError, after which the owner rolls back and calls `forget`.
class StreamWriter {
 public:
  StreamWriter(Database& database, std::chrono::seconds may_be_repeated);

  Result<Appended> append(const AppendRequest& request);
  /// All or nothing (EventLog::append_together).
  Result<std::vector<Appended>> append_together(const std::vector<AppendRequest>& requests,
                                                const std::vector<StreamCheck>& checks);
  Result<Deleted> soft_delete(const std::string& stream, ExpectedRevision expected);
  Result<Deleted> tombstone(const std::string& stream, ExpectedRevision expected);
  Result<Done> restore(const std::string& stream);
  ScavengeSlice scavenge(std::uint64_t from) { return scavenger_.slice(from); }

  std::uint64_t last_position() const { return last_position_; }
  /// The streams written since the last call.
  std::unordered_set<std::string> take_written();
  /// Drops what is remembered about streams and positions: the transaction was rolled back.
  void forget();

 private:
  using Answer = std::optional<Result<Appended>>;  ///< absent: write
  struct BroughtBack {
    std::string stream;
    std::uint64_t first_visible;
  };

  StreamState& load(const std::string& stream);
  Answer answer_without_writing(const AppendRequest& request);
  Answer decide(const AppendRequest& request, const StreamState& state);
  Answer repeated_by_id(const AppendRequest& request, const StreamState& state);
  Answer repeated_at(std::uint64_t first, const AppendRequest& request, const StreamState& state);
  std::optional<Failure> refuse_delete(const std::string& stream, const StreamState& state, ExpectedRevision expected);

  Appended write(const AppendRequest& request, StreamState& state);
  std::optional<BroughtBack> deleted_stream_of(const AppendRequest& request, const StreamState& state);
  Position insert(const std::string& stream, StreamState& state, std::uint64_t revision, const Event& event);
  Position write_metadata(const std::string& stream, std::string json);
  void undelete(const std::string& stream, std::uint64_t first_visible);
  Timestamp now();

  EventTable table_;
  Scavenger scavenger_;
  RecentIds recent_ids_;
  std::unordered_map<std::string, StreamState> states_;
  std::unordered_set<std::string> written_;
  std::uint64_t last_position_ = 0;
  Timestamp last_created_;
};

}  // namespace twinstream::embedded
