#include "proxy/http/original_time.h"

#include "proxy/core/json.h"

namespace twinstream::http {

void restore_original_time(Event& event) {
  StrippedMetadata stripped = strip_original_created(event.metadata);
  if (!stripped.created) return;
  event.metadata = std::move(stripped.metadata);
  event.created = stripped.created;
}

}  // namespace twinstream::http
