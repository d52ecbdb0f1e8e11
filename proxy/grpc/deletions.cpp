#include "proxy/grpc/deletions.h"

#include "proxy/grpc/messages.h"

namespace twinstream::door {
namespace {

using Operation = Awaitable<Result<Deleted>> (EventLog::*)(std::string, ExpectedRevision);

template <class Request, class Response>
Awaitable<CallStatus> remove(EventLog& log, Operation operation, Request request, Response& response) {
  if (!request.has_options()) co_return unknown("the options are missing");
  const auto parsed = parse_expectation(request.options());
  if (const auto* refused = std::get_if<CallStatus>(&parsed)) co_return *refused;
  const auto expected = std::get<ExpectedRevision>(parsed);
  const std::string stream = request.options().stream_identifier().stream_name();
  if (stream.empty()) co_return unknown("the stream has no name");

  const auto answer = co_await (log.*operation)(stream, expected);
  if (answer.failed_with(FailureCode::wrong_expected_revision)) {
    co_return wrong_expected_version(stream, expected, answer.failure());
  }
  if (!answer.ok()) co_return from_failure(answer.failure(), stream);
  if (answer->position == Position::start()) {
    response.mutable_no_position();
  } else {
    response.mutable_position()->set_commit_position(answer->position.commit);
    response.mutable_position()->set_prepare_position(answer->position.prepare);
  }
  co_return CallStatus{};
}

}  // namespace

Awaitable<CallStatus> delete_stream(EventLog& log, wire::streams::DeleteReq request,
                                    wire::streams::DeleteResp& response) {
  return remove(log, &EventLog::soft_delete, std::move(request), response);
}

Awaitable<CallStatus> tombstone_stream(EventLog& log, wire::streams::TombstoneReq request,
                                       wire::streams::TombstoneResp& response) {
  return remove(log, &EventLog::tombstone, std::move(request), response);
}

}  // namespace twinstream::door
