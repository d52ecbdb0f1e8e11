#pragma once

#include "config/config.h"
#include "proxy/core/result.h"

namespace twinstream {

/// Creates Twinstream's own schema or brings it to this release: control tables, the stream states, the append function
/// of the configured layout, and in the managed layout the event table with a view for people. Safe to run again and at
/// the same time from several places. Blocks; rejected says which right or table is missing.
Result<Done> initialise(const PostgresConfig& config);

}  // namespace twinstream
