#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/core/event_log.h"

// What an EventStore does with streams, as its protocol's description has it: a second, small and slow statement of the
// rules, which shares no code with the server. One caller at a time; only the streams that are written through it
// exist.

namespace twinstream::property {

inline constexpr std::uint64_t no_more = 9223372036854775807u;  // 2^63-1: a tombstone's number, a soft deletion's $tb

/// An event as it was written. What only the server decides is learned from its answers and must then stay.
struct Stored {
  std::string stream;
  std::uint64_t revision = 0;
  std::optional<EventId> id;
  std::string type;
  std::string data;
  std::string metadata;
  bool json = true;
  bool by_server = false;  ///< its data is JSON that the server wrote: compared by value
  std::optional<std::uint64_t> position;
};

struct Answer {
  enum class Kind { done, wrong_version, deleted };

  Kind kind = Kind::done;
  std::optional<std::uint64_t> actual;    ///< wrong_version: the head
  std::optional<std::uint64_t> revision;  ///< done: of the last event
  /// done: the last event of the write; several when its id occurs more than once, none when nothing was written.
  std::vector<Stored*> last;
};

struct Entry {
  Stored* event = nullptr;  ///< absent: a link whose target cannot be seen
  Stored* link = nullptr;   ///< absent: no link was followed
};

struct Page {
  enum class Kind { found, not_found, deleted };

  Kind kind = Kind::found;
  std::vector<Entry> entries;
  std::optional<std::uint64_t> first_position;
  std::optional<std::uint64_t> last_position;
};

struct StreamRead {
  std::string stream;
  bool forwards = true;
  std::optional<std::uint64_t> from;  ///< absent: the end (backwards only)
  std::uint64_t count = 1;
  bool resolve_links = false;
  bool positions = false;  ///< compatibility 1
};

class Model {
 public:
  Answer append(const std::string& stream, ExpectedRevision expected, const std::vector<Event>& events);
  Answer soft_delete(const std::string& stream, ExpectedRevision expected);
  Answer tombstone(const std::string& stream, ExpectedRevision expected);
  Page read(const StreamRead& request);

  /// Everything in the order in which it was written.
  std::deque<Stored>& log() { return log_; }
  Entry entry(Stored& stored, bool resolve_links);
  std::optional<std::uint64_t> head(const std::string& stream) const;
  bool is_tombstoned(const std::string& stream) const;

 private:
  struct Rules {
    std::uint64_t truncate_before = 0;
    std::optional<std::uint64_t> max_count;
  };

  Rules rules(const std::string& stream) const;
  bool is_soft_deleted(const std::string& stream) const { return rules(stream).truncate_before == no_more; }
  bool has_metadata(const std::string& stream) const { return head("$$" + stream).has_value(); }
  std::uint64_t first_visible(const std::string& stream) const;

  Answer wrong(const std::string& stream) const { return {Answer::Kind::wrong_version, head(stream), {}, {}}; }
  static Answer deleted() { return {Answer::Kind::deleted, {}, {}, {}}; }
  Answer write(const std::string& stream, const std::vector<Event>& events);
  Answer unless_known(const std::string& stream, const std::vector<Event>& events);
  Answer compare_at(const std::string& stream, std::uint64_t first, const std::vector<Event>& events);
  std::optional<Answer> refuse(const std::string& stream, ExpectedRevision expected) const;
  Stored& add(Stored stored);
  void bring_back(const std::string& stream, std::uint64_t first_visible);

  std::deque<Stored> log_;
  std::map<std::string, std::vector<Stored*>> streams_;  ///< without tombstones
  std::map<std::string, Stored*> tombstones_;
};

}  // namespace twinstream::property
