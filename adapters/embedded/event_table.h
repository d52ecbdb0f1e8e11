#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/embedded/sqlite.h"
#include "adapters/embedded/stream_metadata.h"
#include "proxy/core/event.h"
#include "proxy/core/event_log.h"

namespace twinstream::embedded {

using StreamKey = std::int64_t;

/// Creates the tables or those that an older version did not have, and refuses the file of a newer one. Only the writer
/// calls it.
void prepare_schema(Database& database);

/// What an expectation and a reader need to know about a stream. Derived from the events alone.
struct StreamState {
  std::optional<StreamKey> key;       ///< absent: the name was never written
  std::optional<std::uint64_t> last;  ///< last revision, a tombstone not counted
  bool tombstoned = false;            ///< of `$$s` also when `s` is
  bool has_metadata = false;          ///< `$$s` has events
  StreamMetadata metadata;

  std::uint64_t next() const { return last ? *last + 1 : 0; }
};

struct StoredId {
  std::uint64_t revision = 0;
  EventId id;
  Position position;
};

/// The queries over one connection. Keys of the paging are revision and position, never offsets.
class EventTable {
 public:
  explicit EventTable(Database& database);

  StreamState state(std::string_view stream);
  /// Data of the last event of the metadata stream; empty when that is not JSON of type `$metadata`.
  std::string latest_metadata(std::string_view stream);

  StreamKey create_stream(std::string_view stream);
  void insert(std::uint64_t position, StreamKey stream, std::uint64_t revision, const Event& event, Timestamp created);

  /// The first revision that is there, from this one on: a scavenge takes those at the beginning.
  std::optional<std::uint64_t> first_revision(StreamKey stream, std::uint64_t at_least);
  std::uint64_t first_position();
  std::uint64_t last_position();
  std::optional<Timestamp> created_at_position(std::uint64_t position);
  Timestamp created_at(StreamKey stream, std::uint64_t revision);
  std::vector<StoredId> ids_from(StreamKey stream, std::uint64_t revision, std::size_t count);
  /// Of all events after this position, in their order.
  void for_each_id_after(std::uint64_t position, const std::function<void(StreamKey, const StoredId&)>& take);

  /// Revisions between `low` and `high`, both inclusive. Fewer than asked when the page has enough bytes.
  std::vector<RecordedEvent> stream_page(const std::string& name, StreamKey stream, Direction direction,
                                         std::uint64_t low, std::uint64_t high, std::size_t max_count);
  /// Positions from `bound` on (inclusive) in this direction.
  std::vector<RecordedEvent> all_page(Direction direction, std::uint64_t bound, std::size_t max_count);

 private:
  std::optional<StreamKey> find_stream(std::string_view stream);
  std::optional<std::uint64_t> last_revision(StreamKey stream, std::uint64_t at_most);

  Statement find_stream_;
  Statement create_stream_;
  Statement last_revision_;
  Statement first_revision_;
  Statement first_position_;
  Statement last_position_;
  Statement created_at_position_;
  Statement created_at_;
  Statement last_data_;
  Statement insert_;
  Statement ids_after_;
  Statement ids_from_;
  Statement stream_forwards_;
  Statement stream_backwards_;
  Statement all_forwards_;
  Statement all_backwards_;
};

}  // namespace twinstream::embedded
