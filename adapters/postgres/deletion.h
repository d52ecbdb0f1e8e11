#pragma once

#include <optional>
#include <string>

#include "adapters/postgres/reading.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

enum class Removal { soft_delete, tombstone };

/// Why a stream in this state may not be removed under this expectation; nothing when it may.
std::optional<Failure> refuse_removal(Removal removal, const std::string& stream, const Head& head,
                                      ExpectedRevision expected);

/// Deletion states live in a table of ours beside the events, so that somebody's own table is never altered. Both take
/// the lock of appends to the stream. Throw DatabaseError.
Result<Deleted> remove_stream(Connection& connection, const Table& table, Removal removal, const std::string& stream,
                              ExpectedRevision expected);
Result<Done> restore_stream(Connection& connection, const Table& table, const std::string& stream);

}  // namespace twinstream::postgres
