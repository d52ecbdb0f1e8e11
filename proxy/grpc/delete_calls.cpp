#include <grpcpp/grpcpp.h>

#include "proxy/grpc/calls.h"
#include "proxy/grpc/messages.h"

namespace twinstream::door {
namespace {

using Operation = Awaitable<Result<Deleted>> (EventLog::*)(std::string, ExpectedRevision);

template <class Response>
Awaitable<void> work_off(Door& door, Operation operation, std::string stream, ExpectedRevision expected,
                         Response* response, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor) {
  const auto answer = co_await (door.log.*operation)(stream, expected);
  CallStatus status;
  if (answer.failed_with(FailureCode::wrong_expected_revision)) {
    status = wrong_expected_version(stream, expected, answer.failure());
  } else if (!answer.ok()) {
    status = from_failure(answer.failure(), stream);
  } else if (answer->position == Position::start()) {
    response->mutable_no_position();
  } else {
    response->mutable_position()->set_commit_position(answer->position.commit);
    response->mutable_position()->set_prepare_position(answer->position.prepare);
  }
  reactor->Finish(finish_with(status, context));
}

template <class Request, class Response>
grpc::ServerUnaryReactor* start(Door& door, Operation operation, grpc::CallbackServerContext* context,
                                const Request& request, Response* response) {
  auto* reactor = context->DefaultReactor();
  const auto refuse = [&](const CallStatus& status) {
    reactor->Finish(finish_with(status, context));
    return reactor;
  };
  if (!request.has_options()) return refuse(unknown("the options are missing"));
  const auto expected = parse_expectation(request.options());
  if (const auto* status = std::get_if<CallStatus>(&expected)) return refuse(*status);
  const std::string stream = stream_name(request.options().stream_identifier());
  if (stream.empty()) return refuse(unknown("the stream has no name"));
  door.tasks.spawn(door.executor, work_off(door, operation, stream, std::get<ExpectedRevision>(expected), response,
                                           context, reactor));
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* start_delete(Door& door, grpc::CallbackServerContext* context,
                                       const streams::DeleteReq& request, streams::DeleteResp* response) {
  return start(door, &EventLog::soft_delete, context, request, response);
}

grpc::ServerUnaryReactor* start_tombstone(Door& door, grpc::CallbackServerContext* context,
                                          const streams::TombstoneReq& request, streams::TombstoneResp* response) {
  return start(door, &EventLog::tombstone, context, request, response);
}

grpc::Status finish_with(const CallStatus& status, grpc::CallbackServerContext* context) {
  if (status.ok()) return grpc::Status::OK;
  for (const auto& [name, value] : status.trailers) context->AddTrailingMetadata(name, value);
  return {static_cast<grpc::StatusCode>(status.code), status.message};
}

}  // namespace twinstream::door
