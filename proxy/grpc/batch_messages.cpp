#include "proxy/grpc/batch_messages.h"

#include <algorithm>

namespace twinstream::door {
namespace {

constexpr std::chrono::nanoseconds write_timeout = std::chrono::seconds(2);

BatchAnswer answer_to(const BatchAddress& address) {
  BatchAnswer answer;
  if (address.correlation.value_case() != wire::UUID::VALUE_NOT_SET) {
    *answer.mutable_correlation_id() = address.correlation;
  }
  answer.mutable_stream_identifier()->set_stream_name(address.stream);
  return answer;
}

BatchAnswer error_answer(const BatchAddress& address, StatusCode code, const std::string& message,
                         const google::protobuf::Message& details) {
  BatchAnswer answer = answer_to(address);
  answer.mutable_error()->set_code(static_cast<int>(code));
  answer.mutable_error()->set_message(message);
  answer.mutable_error()->mutable_details()->PackFrom(details);
  return answer;
}

BatchAnswer conflict_answer(const BatchAddress& address, ExpectedRevision expected,
                            std::optional<std::uint64_t> actual) {
  wire::WrongExpectedVersion details;
  if (actual) {
    details.set_current_stream_revision(*actual);
  } else {
    details.mutable_current_no_stream();
  }
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: details.mutable_expected_any(); break;
    case ExpectedRevision::Kind::no_stream: details.mutable_expected_no_stream(); break;
    case ExpectedRevision::Kind::stream_exists: details.mutable_expected_stream_exists(); break;
    case ExpectedRevision::Kind::exact: details.set_expected_stream_position(expected.revision); break;
  }
  return error_answer(address, StatusCode::already_exists, "WrongExpectedVersion", details);
}

std::chrono::nanoseconds time_until(const google::protobuf::Timestamp& deadline) {
  // Compared in seconds first: a far deadline would not fit into nanoseconds.
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = deadline.seconds() - std::chrono::floor<std::chrono::seconds>(now).count();
  if (seconds > 60) return write_timeout;
  if (seconds < -60) return std::chrono::nanoseconds(-1);
  return std::chrono::seconds(deadline.seconds()) + std::chrono::nanoseconds(deadline.nanos()) - now;
}

std::chrono::nanoseconds to_time(const google::protobuf::Duration& duration) {
  if (duration.seconds() > 60) return write_timeout;
  if (duration.seconds() < 0 || duration.nanos() < 0) return std::chrono::nanoseconds(-1);
  return std::chrono::seconds(duration.seconds()) + std::chrono::nanoseconds(duration.nanos());
}

}  // namespace

std::chrono::nanoseconds allowed_time(const wire::streams::BatchAppendReq::Options& options) {
  if (options.has_deadline()) return std::min(write_timeout, to_time(options.deadline()));
  if (options.has_deadline_21_10_0()) return std::min(write_timeout, time_until(options.deadline_21_10_0()));
  return write_timeout;
}

BatchAnswer appended_answer(const BatchAddress& address, const Appended& appended) {
  BatchAnswer answer = answer_to(address);
  auto& success = *answer.mutable_success();
  if (appended.revision) {
    success.set_current_revision(*appended.revision);
  } else {
    success.mutable_no_stream();
  }
  if (appended.position == Position::start()) {
    success.mutable_no_position();
  } else {
    success.mutable_position()->set_commit_position(appended.position.commit);
    success.mutable_position()->set_prepare_position(appended.position.prepare);
  }
  return answer;
}

BatchAnswer failed_answer(const BatchAddress& address, ExpectedRevision expected, const Failure& failure) {
  switch (failure.code) {
    case FailureCode::wrong_expected_revision: return conflict_answer(address, expected, failure.actual);
    case FailureCode::stream_deleted: {
      wire::StreamDeleted details;
      details.mutable_stream_identifier()->set_stream_name(address.stream);
      return error_answer(address, StatusCode::not_found, "StreamDeleted", details);
    }
    case FailureCode::unknown_outcome:
    case FailureCode::cancelled: return timeout_answer(address);
    case FailureCode::unavailable: return busy_answer(address, failure.reason);
    case FailureCode::id_conflict:
    case FailureCode::rejected:
    case FailureCode::stream_not_found: break;
  }
  // EventStore itself never answers so. The Node clients show the message and not the details, so the reason is in both.
  wire::BadRequest details;
  details.set_message(failure.reason);
  return error_answer(address, StatusCode::invalid_argument, "BadRequest: " + failure.reason, details);
}

BatchAnswer timeout_answer(const BatchAddress& address) {
  return error_answer(address, StatusCode::deadline_exceeded, "Timeout", wire::Timeout());
}

BatchAnswer too_large_answer(const BatchAddress& address, std::size_t limit) {
  wire::MaximumAppendSizeExceeded details;
  details.set_maxappendsize(static_cast<std::uint32_t>(limit));
  return error_answer(address, StatusCode::invalid_argument, "MaximumAppendSizeExceeded", details);
}

BatchAnswer denied_answer(const BatchAddress& address) {
  return error_answer(address, StatusCode::permission_denied, "AccessDenied", wire::AccessDenied());
}

BatchAnswer bad_request_answer(const BatchAddress& address, const std::string& message) {
  wire::BadRequest details;
  details.set_message(message);
  return error_answer(address, StatusCode::invalid_argument, "BadRequest", details);
}

/// The code stays unset, as EventStore leaves it for what it has not begun.
BatchAnswer busy_answer(const BatchAddress& address, const std::string& message) {
  return error_answer(address, StatusCode::ok, message, google::protobuf::Empty());
}

}  // namespace twinstream::door
