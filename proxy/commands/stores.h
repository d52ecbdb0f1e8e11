#pragma once

#include <memory>

#include "config/load.h"
#include "proxy/core/event_log.h"
#include "proxy/engine/control_store.h"

namespace twinstream {

/// The real stores of a configuration. Destroyed last: everything else refers to them.
struct OpenStores {
  std::unique_ptr<EventLog> postgres;
  std::unique_ptr<EventLog> eventstore;
  std::unique_ptr<ControlStore> control;
};

/// PostgreSQL must be reachable and its tables fit; EventStore may be down (or, in observe, not configured).
Result<OpenStores> open_stores(const Config& config);

/// Loads the file; prints every error and answers nothing when there are any.
std::optional<Config> load_or_complain(const std::string& path, const FurtherCheck& further = {});

}  // namespace twinstream
