#pragma once

#include "proxy/core/event.h"

namespace twinstream::http {

/// Gives an event that was carried to EventStore the time at which it really happened, when its metadata tells, and
/// takes that out of the metadata.
void restore_original_time(Event& event);

}  // namespace twinstream::http
