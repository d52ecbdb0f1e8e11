#include "proxy/grpc/session_errors.h"

#include <algorithm>
#include <limits>

#include "proxy/protocol/rich_status.pb.h"
#include "proxy/protocol/rpc_errors.pb.h"
#include "proxy/protocol/streams_v2_errors.pb.h"

namespace twinstream::door {
namespace {

namespace errors = kurrentdb::protocol::v2::streams::errors;

constexpr const char* streams_domain = "streams";
constexpr const char* server_domain = "server";

void add_detail(rpc::Status& status, const std::string& type, const google::protobuf::Message& message) {
  auto& detail = *status.add_details();
  detail.set_type_url("type.googleapis.com/" + type);
  message.SerializeToString(detail.mutable_value());
}

/// The typed detail must be the last one: some clients see no other.
CallStatus rich(StatusCode code, std::string message, const char* domain, const char* reason,
                const std::string& type = {}, const google::protobuf::Message* typed = nullptr) {
  rpc::Status status;
  status.set_code(static_cast<int>(code));
  status.set_message(message);
  rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(domain);
  add_detail(status, "google.rpc.ErrorInfo", info);
  if (typed != nullptr) add_detail(status, type, *typed);
  return {code, std::move(message), {}, status.SerializeAsString()};
}

template <class Details>
CallStatus stream_error(StatusCode code, std::string message, const char* reason, const Details& details) {
  return rich(code, std::move(message), streams_domain, reason, Details::descriptor()->full_name(), &details);
}

CallStatus to_be_retried(StatusCode code, std::string message, const char* reason) {
  rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  return rich(code, std::move(message), server_domain, reason, "google.rpc.RetryInfo", &retry);
}

std::int32_t capped(std::size_t size) {
  return static_cast<std::int32_t>(std::min<std::size_t>(size, std::numeric_limits<std::int32_t>::max()));
}

CallStatus revision_conflict(const std::string& stream, ExpectedRevision expected,
                             std::optional<std::uint64_t> actual) {
  errors::StreamRevisionConflictErrorDetails details;
  details.set_stream(stream);
  details.set_expected_revision(wire_expectation(expected));
  details.set_actual_revision(actual ? static_cast<std::int64_t>(*actual) : -1);
  return stream_error(StatusCode::failed_precondition, "stream " + stream + " is at another revision than expected",
                      "STREAM_REVISION_CONFLICT", details);
}

CallStatus tombstoned(const std::string& stream) {
  errors::StreamTombstonedErrorDetails details;
  details.set_stream(stream);
  return stream_error(StatusCode::failed_precondition, "stream " + stream + " is deleted", "STREAM_TOMBSTONED",
                      details);
}

}  // namespace

std::int64_t wire_expectation(ExpectedRevision expected) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: return -2;
    case ExpectedRevision::Kind::no_stream: return -1;
    case ExpectedRevision::Kind::stream_exists: return -4;
    case ExpectedRevision::Kind::exact: break;
  }
  return static_cast<std::int64_t>(expected.revision);
}

namespace {

constexpr std::int64_t tombstoned_state = -6;

std::int64_t wire_state(const StreamCheck& check) {
  switch (check.state) {
    case StreamCheck::State::none: return -1;
    case StreamCheck::State::exists: return -4;
    case StreamCheck::State::soft_deleted: return -5;
    case StreamCheck::State::tombstoned: return tombstoned_state;
    case StreamCheck::State::exact: break;
  }
  return static_cast<std::int64_t>(check.revision);
}

void add_violation(errors::AppendConsistencyViolationErrorDetails& details, std::size_t index,
                   const std::string& stream, std::int64_t expected, std::int64_t actual) {
  auto& violation = *details.add_violations();
  violation.set_check_index(static_cast<std::int32_t>(index));
  violation.mutable_stream_state()->set_stream(stream);
  violation.mutable_stream_state()->set_expected_state(expected);
  violation.mutable_stream_state()->set_actual_state(actual);
}

/// Streams without a check are counted on after the checks, in order of first use.
std::size_t index_of_unchecked(const std::vector<AppendRequest>& requests, const std::vector<StreamCheck>& checks,
                               std::size_t request) {
  std::size_t index = checks.size();
  for (std::size_t i = 0; i < request; ++i) {
    const bool checked = std::any_of(checks.begin(), checks.end(),
                                     [&](const auto& check) { return check.stream == requests[i].stream; });
    if (!checked) ++index;
  }
  return index;
}

}  // namespace

CallStatus records_failure(const Failure& failure, const std::vector<AppendRequest>& requests,
                           const std::vector<StreamCheck>& checks) {
  std::vector<std::string> streams;
  for (const auto& request : requests) streams.push_back(request.stream);
  const std::vector<ExpectedRevision> expected(streams.size(), ExpectedRevision::any());
  errors::AppendConsistencyViolationErrorDetails details;
  for (const auto& [check, actual] : failure.violations) {
    add_violation(details, check, checks[check].stream, wire_state(checks[check]), actual);
  }
  if (failure.code == FailureCode::stream_deleted && failure.request) {
    const std::size_t index = index_of_unchecked(requests, checks, *failure.request);
    add_violation(details, index, streams[*failure.request], wire_expectation(expected[0]), tombstoned_state);
  }
  if (details.violations().empty()) return session_failure(failure, streams, expected);
  return stream_error(StatusCode::failed_precondition, "the append depends on streams that are not as expected",
                      "APPEND_CONSISTENCY_VIOLATION", details);
}

Awaitable<CallStatus> check_with_details(EventLog& log, const Caller& caller, StreamRight right, std::string stream) {
  auto status = co_await check(log, caller, right, std::move(stream));
  if (status.code != StatusCode::permission_denied) co_return status;
  kurrent::rpc::AccessDeniedErrorDetails details;
  details.set_operation(right == StreamRight::read ? "streams:read" : "streams:write");
  if (!caller.login.empty()) details.set_username(caller.login);
  auto denied = rich(status.code, std::move(status.message), server_domain, "ACCESS_DENIED",
                     details.GetDescriptor()->full_name(), &details);
  denied.trailers = std::move(status.trailers);
  co_return denied;
}

CallStatus bad_request(std::string_view field, std::string reason) {
  rpc::BadRequest details;
  auto& violation = *details.add_field_violations();
  violation.set_field(std::string(field));
  violation.set_description(reason);
  return rich(StatusCode::invalid_argument, std::move(reason), server_domain, "BAD_REQUEST", "google.rpc.BadRequest",
              &details);
}

CallStatus no_requests() {
  return rich(StatusCode::failed_precondition, "the session has no requests", streams_domain,
              "APPEND_SESSION_NO_REQUESTS");
}

CallStatus already_in_session(const std::string& stream) {
  errors::StreamAlreadyInAppendSessionErrorDetails details;
  details.set_stream(stream);
  return stream_error(StatusCode::aborted, "stream " + stream + " is in this session already",
                      "STREAM_ALREADY_IN_APPEND_SESSION", details);
}

CallStatus record_too_large(const std::string& stream, const EventId& record, std::size_t size, std::size_t limit) {
  errors::AppendRecordSizeExceededErrorDetails details;
  details.set_stream(stream);
  details.set_record_id(record.to_string());
  details.set_size(capped(size));
  details.set_max_size(capped(limit));
  return stream_error(StatusCode::invalid_argument, "a record is larger than " + std::to_string(limit) + " bytes",
                      "APPEND_RECORD_SIZE_EXCEEDED", details);
}

CallStatus transaction_too_large(std::size_t size, std::size_t limit) {
  errors::AppendTransactionSizeExceededErrorDetails details;
  details.set_size(capped(size));
  details.set_max_size(capped(limit));
  return stream_error(StatusCode::aborted, "the session is larger than " + std::to_string(limit) + " bytes",
                      "APPEND_TRANSACTION_SIZE_EXCEEDED", details);
}

CallStatus not_leader_node(const std::string& leader_host, std::uint16_t leader_port) {
  rpc::NotLeader details;
  details.mutable_current_leader()->set_host(leader_host);
  details.mutable_current_leader()->set_port(leader_port);
  return rich(StatusCode::failed_precondition, "this node is not the leader", server_domain, "NOT_LEADER_NODE",
              "kurrent.rpc.NotLeaderNodeErrorDetails", &details);
}

CallStatus not_ready(std::string reason) {
  return to_be_retried(StatusCode::unavailable, std::move(reason), "SERVER_NOT_READY");
}

CallStatus session_failure(const Failure& failure, const std::vector<std::string>& streams,
                           const std::vector<ExpectedRevision>& expected) {
  const std::size_t at = std::min(failure.request.value_or(0), streams.size() - 1);
  switch (failure.code) {
    case FailureCode::wrong_expected_revision: return revision_conflict(streams[at], expected[at], failure.actual);
    case FailureCode::stream_deleted: return tombstoned(streams[at]);
    case FailureCode::unknown_outcome:
      return to_be_retried(StatusCode::deadline_exceeded, failure.reason, "OPERATION_TIMEOUT");
    case FailureCode::unavailable: return not_ready(failure.reason);
    case FailureCode::cancelled:
      return rich(StatusCode::internal, failure.reason, server_domain, "SERVER_MALFUNCTION");
    case FailureCode::id_conflict:
    case FailureCode::rejected:
    case FailureCode::stream_not_found: break;
  }
  return bad_request("requests", failure.reason);
}

}  // namespace twinstream::door
