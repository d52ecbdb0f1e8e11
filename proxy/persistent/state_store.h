#pragma once

#include <string>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/persistent/message.h"
#include "proxy/persistent/settings.h"

namespace twinstream::persistent {

/// What outlives the process: configuration, checkpoints and parked messages of all groups, as events of a log, in the
/// streams and forms of EventStore (reference, sections 10.3 and 13.5).
class StateStore {
 public:
  /// `prefix` is put before the name of every stream. `log` outlives it.
  StateStore(EventLog& log, std::string prefix) : log_(log), prefix_(std::move(prefix)) {}

  const std::string& prefix() const { return prefix_; }

  // ---- configuration: every change writes all of it

  struct Configuration {
    std::vector<GroupConfig> groups;
    std::optional<std::uint64_t> revision;  ///< absent: never written
  };
  Awaitable<Result<Configuration>> load();
  /// wrong_expected_revision when somebody else has changed it since it was loaded.
  Awaitable<Result<Configuration>> save(Configuration changed, Timestamp now);

  // ---- checkpoint

  /// Prepares the streams of a new group, so that nothing of one that had its name is seen.
  Awaitable<Result<Done>> prepare(const GroupName& name);
  Awaitable<Result<std::optional<Place>>> load_checkpoint(const GroupName& name);
  Awaitable<Result<Done>> store_checkpoint(const GroupName& name, const Place& place);

  // ---- parked messages

  /// Puts a link to the message into the parked stream. Repeating it with the same id is harmless.
  Awaitable<Result<Done>> park(const GroupName& name, const EventId& id, const ParkRequest& request, Timestamp now);
  /// Numbers of the parked stream: `first` visible one, and the one after the last.
  struct ParkedRange {
    std::uint64_t first = 0;
    std::uint64_t next = 0;
  };
  Awaitable<Result<ParkedRange>> parked_range(const GroupName& name);
  Awaitable<Result<std::vector<RecordedEvent>>> read_parked(const GroupName& name, std::uint64_t from,
                                                            std::size_t count);
  /// Hides those below `before`.
  Awaitable<Result<Done>> truncate_parked(const GroupName& name, std::uint64_t before);

  /// Deletes the checkpoint and the parked messages of a group that is gone.
  Awaitable<Result<Done>> forget(const GroupName& name);

 private:
  Awaitable<Result<Appended>> append(std::string stream, ExpectedRevision expected, Event event);
  Awaitable<Result<Done>> write_metadata(std::string stream, std::string json);

  EventLog& log_;
  std::string prefix_;
};

/// The configuration as the JSON that is stored, and back. A text that is not one of ours gives nothing.
std::string to_json(const std::vector<GroupConfig>& groups, Timestamp now);
std::optional<std::vector<GroupConfig>> parse_configuration(std::string_view text);

}  // namespace twinstream::persistent
