#pragma once

#include <vector>

#include "adapters/postgres/connection.h"
#include "adapters/postgres/reading.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// An append to several streams in one transaction, which is rolled back when one of them cannot be (as
/// EventLog::append_together says). The append function takes the streams' locks in one global order, so this and the
/// lanes' batches cannot wait for each other in a circle. When another writer takes a place or an id in the very
/// moment, it is decided anew. Throws DatabaseError when the database refuses or is lost.
Result<std::vector<Appended>> append_to_streams(Connection& connection, const Table& table,
                                                const std::vector<AppendRequest>& requests,
                                                const std::vector<StreamCheck>& checks);

}  // namespace twinstream::postgres
