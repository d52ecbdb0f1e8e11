#pragma once

#include <memory>
#include <string>

#include "adapters/postgres/reading.h"
#include "adapters/postgres/tail.h"
#include "adapters/postgres/workers.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// Subscriptions poll: at `poll_interval` while events come, up to ten times slower when idle.
std::unique_ptr<Subscription> subscribe_to_all(Workers& readers, std::unique_ptr<Tail> tail,
                                               std::chrono::milliseconds poll_interval);
std::unique_ptr<Subscription> subscribe_to_stream(Workers& readers, std::shared_ptr<const Table> table,
                                                  std::string stream, std::optional<std::uint64_t> after,
                                                  std::chrono::milliseconds poll_interval);

}  // namespace twinstream::postgres
