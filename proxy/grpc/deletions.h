#pragma once

#include "proxy/grpc/call_status.h"
#include "proxy/protocol/streams.pb.h"

namespace twinstream::door {

/// Soft deletion and tombstone. `log` and `response` outlive the coroutine.
Awaitable<CallStatus> delete_stream(EventLog& log, event_store::client::streams::DeleteReq request,
                                    event_store::client::streams::DeleteResp& response);
Awaitable<CallStatus> tombstone_stream(EventLog& log, event_store::client::streams::TombstoneReq request,
                                       event_store::client::streams::TombstoneResp& response);

}  // namespace twinstream::door
