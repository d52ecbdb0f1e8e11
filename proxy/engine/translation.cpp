#include "proxy/core/json.h"
#include "proxy/engine/mirror.h"

namespace twinstream {

Translation translation_between(const EventLog& from, const EventLog& to) {
  Translation translation;
  translation.from_keeps_created = from.traits().keeps_created;
  translation.to_keeps_created = to.traits().keeps_created;
  translation.exact_bytes = from.traits().exact_bytes && to.traits().exact_bytes;
  translation.same_ids = from.traits().keeps_event_ids && to.traits().keeps_event_ids;
  return translation;
}

Event Translation::translate(const RecordedEvent& recorded) const {
  Event event = recorded.event;
  if (!from_keeps_created) {
    // What a log that stamps its own time carries in its metadata is the time at which it really happened.
    if (auto stripped = strip_original_created(event.metadata); stripped.created) {
      event.metadata = std::move(stripped.metadata);
      event.created = stripped.created;
    }
  }
  if (!to_keeps_created && from_keeps_created && event.created && original_created(recorded.stream)) {
    if (auto metadata = with_original_created(event.metadata, *event.created)) event.metadata = std::move(*metadata);
  }
  return event;
}

}  // namespace twinstream
