#pragma once

#include "proxy/grpc/call_status.h"
#include "proxy/protocol/streams_v2.pb.h"

namespace twinstream::door {

namespace v2 = kurrentdb::protocol::v2::streams;

/// The request as an append, or the error of protocol v2 that it is. Its properties and what its schema says become the
/// metadata that a reader of protocol v1 sees: a JSON object, with `$schema.name`, `$schema.format` and `$schema.id`.
Parsed<AppendRequest> take_session_request(v2::AppendRequest& request);

/// The error that a record is, or its event. Takes the data out of `record`.
Parsed<Event> take_record(v2::AppendRecord& record);

/// As it counts towards the limits.
std::size_t counted_size(const v2::AppendRecord& record);

}  // namespace twinstream::door
