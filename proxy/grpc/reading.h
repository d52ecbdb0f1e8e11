#pragma once

#include "proxy/grpc/call_status.h"
#include "proxy/grpc/read_plan.h"
#include "proxy/grpc/response_stream.h"

namespace twinstream::door {

/// Works a read request off and answers how the call ends. `log` and `responses` outlive the coroutine.
Awaitable<CallStatus> read_stream(EventLog& log, ReadPlan plan, ResponseStream& responses);
Awaitable<CallStatus> read_all(EventLog& log, ReadPlan plan, ResponseStream& responses);
Awaitable<CallStatus> subscribe_stream(EventLog& log, ReadPlan plan, ResponseStream& responses);
Awaitable<CallStatus> subscribe_all(EventLog& log, ReadPlan plan, ResponseStream& responses);

/// Chooses among these.
Awaitable<CallStatus> read(EventLog& log, ReadPlan plan, ResponseStream& responses);

/// Turns events into responses, links into their targets where the plan asks for that. A failure is one of the log.
Awaitable<Result<ResponseStream::Batch>> to_responses(EventLog& log, const ReadPlan& plan,
                                                      std::vector<RecordedEvent> events);

}  // namespace twinstream::door
