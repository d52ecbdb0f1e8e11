#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proxy/core/event_log.h"

namespace twinstream::simulation {

/// What the clients of a world were told, and what they were promised by it. Plain bookkeeping that knows nothing of
/// the engine: the judge of a simulation.
class History {
 public:
  /// A write was answered with success. Every later answer for the same events must be the same.
  void accepted(const AppendRequest& request, const Appended& answer);
  /// A write was answered with a definite no: none of its events may ever appear.
  void refused(const AppendRequest& request, const Failure& failure);

  /// The highest revision of a stream that anybody was shown or told by now.
  std::optional<std::uint64_t> known_head(const std::string& stream) const;
  /// A read that began when `known` was the known head.
  void read(const std::string& stream, std::optional<std::uint64_t> known, const Result<StreamPage>& answer);
  /// The deletion state of this stream may have been changed: it may be gone.
  void touched_deletion(const std::string& stream) { deleted_.insert(stream); }
  bool may_be_deleted(const std::string& stream) const { return deleted_.contains(stream); }

  void violation(std::string what);
  const std::vector<std::string>& violations() const { return violations_; }

  /// Everything accepted or shown is in this store where it was said to be, exactly once; nothing refused is.
  /// Streams for which `exempt` holds are passed over.
  void judge(const std::string& store, const std::vector<RecordedEvent>& events, const std::set<std::string>& exempt);

 private:
  struct Place {
    std::string stream;
    std::uint64_t revision;
    bool operator==(const Place&) const = default;
    std::string to_string() const { return stream + "@" + std::to_string(revision); }
  };

  void promise(const EventId& id, Place place, const char* how);
  void know(const std::string& stream, std::uint64_t revision);

  std::map<EventId, Place> promised_;
  std::set<EventId> refused_;
  std::map<std::string, std::uint64_t> heads_;
  std::set<std::string> deleted_;
  std::vector<std::string> violations_;
};

struct StoreContents {
  std::vector<RecordedEvent> events;  ///< all, in global order
  std::map<std::string, Head> heads;
};

/// What differs between the two stores when the engine says that nothing is on its way any more. Only streams in
/// `streams` are looked at; one of them may lie in one store only.
std::vector<std::string> differences(const StoreContents& postgres, const StoreContents& eventstore,
                                     const std::set<std::string>& streams, bool exact_bytes);

}  // namespace twinstream::simulation
