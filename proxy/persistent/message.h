#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "proxy/core/event_log.h"

namespace twinstream::persistent {

using ConsumerId = std::uint64_t;
using MessageKey = std::uint64_t;

/// What consumers get to see.
struct Payload {
  RecordedEvent original;  ///< what stands in the source, or in the parked stream: consumers answer by its id
  std::optional<RecordedEvent> target;  ///< where it is a resolved link: what it points to; absent when that is gone
  bool resolved = false;                ///< `original` is a link that was followed

  const EventId& id() const { return original.event.id; }
  std::size_t bytes() const {
    const auto size = [](const RecordedEvent& recorded) {
      return recorded.event.data.size() + recorded.event.metadata.size() + recorded.event.type.size() +
             recorded.stream.size() + sizeof(RecordedEvent);
    };
    return size(original) + (target ? size(*target) : 0);
  }
};

using SharedPayload = std::shared_ptr<const Payload>;

struct Delivery {
  ConsumerId consumer = 0;
  SharedPayload payload;
  std::int32_t retry_count = 0;
};

/// A message that a group gives up: it is to be put aside, then reported with Group::parked.
struct ParkRequest {
  MessageKey key = 0;
  SharedPayload payload;
  bool replayed = false;  ///< came from the parked stream itself
  std::string reason;
};

enum class Refusal { park, retry, skip };

}  // namespace twinstream::persistent
