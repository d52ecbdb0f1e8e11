#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "proxy/engine/mirror.h"

namespace twinstream {

/// One stream as far as it was read: how many events and a digest over them in order. Equal folds mean equal ids, order,
/// revisions, types, metadata, data and times.
struct Fold {
  std::uint64_t count = 0;
  std::uint64_t digest_high = 0;
  std::uint64_t digest_low = 0;
  bool contiguous = true;  ///< revisions came as 0, 1, 2, ...

  bool operator==(const Fold&) const = default;
};

/// Which side of a comparison an event comes from: the log that keeps given times, or the one that stamps its own.
enum class Side { postgres, eventstore };

/// An event in the one form in which the two stores can be compared: JSON by value where a store normalises it,
/// metadata without `$originalCreated`, the time at which it happened.
struct Comparable {
  std::string id;  ///< empty where a side does not keep ids
  std::string type;
  std::string data;
  std::string metadata;
  std::string created;  ///< empty where the metadata cannot carry it
  bool operator==(const Comparable&) const = default;
};

/// How the two sides are compared, given by what they keep.
struct Comparison {
  bool exact_bytes = true;
  bool same_ids = true;
  bool times = true;  ///< postgres knows when things happened
  std::function<bool(std::string_view stream)> original_created = [](std::string_view) { return true; };

  Comparable comparable(const RecordedEvent& event, Side side) const;
};
Comparison comparison_of(const EventLog& postgres, const EventLog& eventstore);

/// Adds the next event of its stream.
void add(Fold& fold, const RecordedEvent& event, const Comparable& comparable);

/// What differs first, in words: `type is "a" in postgres and "b" in eventstore`. Data is described, not shown.
std::string difference(const Comparable& postgres, const Comparable& eventstore);

}  // namespace twinstream
