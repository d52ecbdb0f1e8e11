#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "adapters/embedded/event_table.h"

namespace twinstream::embedded {

/// Where the ids of the last events stand, so that a repeated append without an exact expectation is recognised. In
/// memory as in EventStore: an index on disk would be written at a random place for every event, and a growing store
/// would slow down by it. Holds at least the last `generation` ids and at most twice as many, about 100 bytes each.
class RecentIds {
 public:
  explicit RecentIds(std::size_t generation) : generation_(generation) {}

  void add(StreamKey stream, const StoredId& stored) {
    if (young_.size() >= generation_) {
      old_ = std::move(young_);
      young_.clear();
    }
    young_.emplace(Key{stream, stored.id}, stored);
  }

  /// The first event of the stream that has this id.
  std::optional<StoredId> find(StreamKey stream, const EventId& id) const {
    for (const Generation* ids : {&old_, &young_}) {
      if (const auto found = ids->find({stream, id}); found != ids->end()) return found->second;
    }
    return std::nullopt;
  }

  void clear() {
    young_.clear();
    old_.clear();
  }

 private:
  struct Key {
    StreamKey stream;
    EventId id;

    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<EventId>{}(key.id) ^ (static_cast<std::size_t>(key.stream) * 0x9e3779b97f4a7c15u);
    }
  };
  using Generation = std::unordered_map<Key, StoredId, Hash>;

  const std::size_t generation_;
  Generation young_;
  Generation old_;
};

}  // namespace twinstream::embedded
