#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/core/maintenance.h"
#include "proxy/grpc/access.h"
#include "proxy/grpc/call_registry.h"
#include "proxy/grpc/call_status.h"
#include "proxy/grpc/discovery.h"
#include "proxy/grpc/task_group.h"
#include "proxy/grpc/user_file.h"
#include "proxy/protocol/streams.pb.h"
#include "proxy/protocol/streams_v2.pb.h"

// The calls as gRPC sees them. Each `start` function begins one and gives gRPC the reactor that stands for it; a
// reactor lives until gRPC is done with it and its coroutine has ended.

namespace grpc {
class CallbackServerContext;
class ServerContextBase;
class Service;
class Status;
template <class Request>
class ServerReadReactor;
template <class Request, class Response>
class ServerBidiReactor;
}  // namespace grpc

namespace twinstream::door {

namespace streams = event_store::client::streams;
namespace v2 = kurrentdb::protocol::v2::streams;

/// What every call needs.
struct Door {
  EventLog& log;
  boost::asio::any_io_executor executor;
  Node node;
  CallRegistry calls;
  TaskGroup tasks;
  EventLog& group_state;  ///< where persistent subscriptions keep what must outlive the process
  std::string group_prefix;
  UserFile* users = nullptr;           ///< null: nothing is enforced and there is no Users service
  Maintenance* maintenance = nullptr;  ///< null: the log cannot be scavenged
  std::function<void()> stop;          ///< asks the owner to shut the server down; may be empty
};

Caller caller_of(const Door& door, const grpc::ServerContextBase& context);

grpc::ServerReadReactor<streams::AppendReq>* start_append(Door& door, grpc::CallbackServerContext* context,
                                                          streams::AppendResp* response);
grpc::ServerBidiReactor<streams::ReadReq, streams::ReadResp>* start_read(Door& door,
                                                                         grpc::CallbackServerContext* context);

grpc::ServerReadReactor<v2::AppendRequest>* start_append_session(Door& door, grpc::CallbackServerContext* context,
                                                                 v2::AppendSessionResponse* response);
std::unique_ptr<grpc::Service> make_persistent_subscriptions(Door& door);

/// Everything that the door offers, besides BatchAppend (batch_append_service.h). `door` outlives it.
std::vector<std::unique_ptr<grpc::Service>> make_services(Door& door);

/// The status as gRPC wants it; its trailers go into the context.
grpc::Status finish_with(const CallStatus& status, grpc::ServerContextBase* context);

}  // namespace twinstream::door
