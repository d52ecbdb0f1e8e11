#pragma once

#include "adapters/eventstore/cluster.h"
#include "adapters/eventstore/read_call.h"

namespace twinstream::eventstore {

/// Reads, and when the read fails with its connection, tries again on another one, a few times. Waits for connections
/// until the deadline; each attempt has `timeout`. The status of an answer is ok.
Awaitable<Result<ReadAnswer>> retried_read(Cluster& cluster, ReadQuery query, std::uint64_t count, SteadyTime deadline,
                                           std::chrono::milliseconds timeout);

}  // namespace twinstream::eventstore
