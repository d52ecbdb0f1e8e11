#pragma once

#include <memory>
#include <string>

#include "proxy/core/event_log.h"

namespace twinstream {

/// Stands in for a store that is not configured yet: every operation answers `unavailable` with `reason`.
std::unique_ptr<EventLog> absent_log(std::string name, std::string reason);

}  // namespace twinstream
