#pragma once

#include <string>

#include "adapters/embedded/event_table.h"
#include "proxy/core/result.h"

namespace twinstream::embedded {

/// The first revision of a stream with events that its metadata lets a reader see; `state.next()` when it is none.
std::uint64_t first_visible(EventTable& table, const StreamState& state);

/// The first revision from `low` on that was not created before `limit`; `state.next()` when all were.
std::uint64_t first_younger_than(EventTable& table, const StreamState& state, Timestamp limit, std::uint64_t low);

/// What a tombstoned stream answers.
inline Failure stream_deleted(const std::string& stream) {
  return {FailureCode::stream_deleted, "stream " + stream + " is deleted", {}};
}

}  // namespace twinstream::embedded
