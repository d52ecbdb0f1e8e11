#include "adapters/embedded/scavenger.h"

#include <algorithm>

#include "adapters/embedded/visibility.h"

namespace twinstream::embedded {
namespace {

// Few enough that an append behind a slice waits for milliseconds.
constexpr std::uint64_t streams_per_slice = 500;
constexpr std::uint64_t events_per_slice = 500;

}  // namespace

Scavenger::Scavenger(Database& database, std::chrono::seconds may_be_repeated)
    : database_(database),
      table_(database),
      may_be_repeated_(may_be_repeated),
      next_streams_(database, "SELECT key, name FROM streams WHERE key > ?1 ORDER BY key LIMIT ?2"),
      remove_(database, "DELETE FROM events WHERE stream = ?1 AND revision >= ?2 AND revision < ?3"),
      note_(database,
            "INSERT INTO scavenged (stream, below, removed) VALUES (?1, ?2, ?3) ON CONFLICT (stream) "
            "DO UPDATE SET below = excluded.below, removed = removed + excluded.removed") {}

ScavengeSlice Scavenger::slice(std::uint64_t from) {
  std::vector<std::pair<StreamKey, std::string>> streams;
  Query query(next_streams_, from, streams_per_slice);
  while (query.next()) streams.emplace_back(query.integer(0), std::string(query.bytes(1)));

  ScavengeSlice slice{from, 0, streams.size() < streams_per_slice};
  for (const auto& [key, name] : streams) {
    const StreamState state = table_.state(name);
    const std::uint64_t below = first_to_keep(state);
    const auto first = table_.first_revision(key, 0);
    const std::uint64_t budget = events_per_slice - slice.removed;
    if (first && *first < below) slice.removed += remove(key, *first, std::min(below, *first + budget));
    if (slice.removed == events_per_slice) {
      slice.end = false;  // the next one begins with this stream again
      return slice;
    }
    slice.next = static_cast<std::uint64_t>(key);
  }
  return slice;
}

std::uint64_t Scavenger::first_to_keep(const StreamState& state) {
  if (!state.last) return 0;
  if (state.tombstoned) return state.next();
  const std::uint64_t hidden = std::min(first_visible(table_, state), *state.last);
  if (hidden == 0) return 0;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return std::min(hidden, first_younger_than(table_, state, now - may_be_repeated_, 0));
}

std::uint64_t Scavenger::remove(StreamKey stream, std::uint64_t from, std::uint64_t below) {
  Query(remove_, stream, from, below).run();
  const std::uint64_t removed = database_.changed_rows();
  Query(note_, stream, below, removed).run();
  return removed;
}

}  // namespace twinstream::embedded
