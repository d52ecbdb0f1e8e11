#pragma once

#include "proxy/grpc/access.h"
#include "proxy/grpc/call_status.h"
#include "proxy/protocol/streams_v2.pb.h"

namespace twinstream::door {

namespace v2 = kurrentdb::protocol::v2::streams;

/// AppendRecords of protocol v2: records of several streams in one atomic append, with checks on streams that need not
/// be written, but that the caller may read. Records keep their order in their stream; in the whole log they stand stream by stream.
Awaitable<CallStatus> append_records(EventLog& log, const Caller& caller, v2::AppendRecordsRequest request,
                                     v2::AppendRecordsResponse& response);

}  // namespace twinstream::door
