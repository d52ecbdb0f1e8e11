#pragma once

#include <string>

#include "adapters/embedded/event_table.h"
#include "proxy/core/event_log.h"

namespace twinstream::embedded {

/// Reads with EventStore's rules of visibility. Every method sees one state of the log, however long it takes. Throws
/// SqlError.
class Reader {
 public:
  explicit Reader(Database& database) : database_(database), table_(database) {}

  Head head(const std::string& stream);
  Result<StreamPage> read_stream(const ReadStream& request);
  AllPage read_all(const ReadAll& request);

  struct Delivery {
    std::vector<RecordedEvent> events;
    Position tip;  ///< of the state that was read
    bool end = false;
    bool tombstoned = false;
  };
  /// What a subscription to the stream has to deliver from this revision on. A tombstone is an event here.
  Delivery deliver(const std::string& stream, std::uint64_t from);

 private:
  Head head_of(const StreamState& state);
  bool ends_with(const std::vector<RecordedEvent>& events, Direction direction, StreamKey stream, std::uint64_t low,
                 std::uint64_t high);

  Database& database_;
  EventTable table_;
};

}  // namespace twinstream::embedded
