#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "proxy/core/event_log.h"
#include "proxy/grpc/call_registry.h"
#include "proxy/grpc/call_status.h"
#include "proxy/grpc/task_group.h"
#include "proxy/protocol/streams.pb.h"

// The calls of the Streams service. Each function starts one and gives gRPC the reactor that stands for it; a reactor
// lives until gRPC is done with it and its coroutine has ended.

namespace grpc {
class CallbackServerContext;
class ServerUnaryReactor;
class Status;
template <class Request>
class ServerReadReactor;
template <class Response>
class ServerWriteReactor;
template <class Request, class Response>
class ServerBidiReactor;
}  // namespace grpc

namespace twinstream::door {

namespace streams = event_store::client::streams;

/// What every call needs.
struct Door {
  EventLog& log;
  boost::asio::any_io_executor executor;
  CallRegistry calls;
  TaskGroup tasks;
};

grpc::ServerReadReactor<streams::AppendReq>* start_append(Door& door, grpc::CallbackServerContext* context,
                                                          streams::AppendResp* response);
grpc::ServerBidiReactor<streams::BatchAppendReq, streams::BatchAppendResp>* start_batch_append(Door& door);
grpc::ServerWriteReactor<streams::ReadResp>* start_read(Door& door, grpc::CallbackServerContext* context,
                                                        const streams::ReadReq& request);
grpc::ServerUnaryReactor* start_delete(Door& door, grpc::CallbackServerContext* context,
                                       const streams::DeleteReq& request, streams::DeleteResp* response);
grpc::ServerUnaryReactor* start_tombstone(Door& door, grpc::CallbackServerContext* context,
                                          const streams::TombstoneReq& request, streams::TombstoneResp* response);

/// The status as gRPC wants it; its trailers go into the context.
grpc::Status finish_with(const CallStatus& status, grpc::CallbackServerContext* context);

}  // namespace twinstream::door
