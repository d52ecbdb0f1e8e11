#include "proxy/grpc/call_status.h"

namespace twinstream::door {
namespace {

/// Trailers are printable ASCII; other bytes of a stream name are percent-encoded.
std::string trailer_text(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e) {
      encoded += c;
    } else {
      encoded += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return encoded;
}

CallStatus stream_exception(StatusCode code, std::string exception, std::string message, std::string_view stream) {
  return {code, std::move(message), {{"exception", std::move(exception)}, {"stream-name", trailer_text(stream)}}};
}

std::string version_text(ExpectedRevision expected) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: return "-2";
    case ExpectedRevision::Kind::no_stream: return "-1";
    case ExpectedRevision::Kind::stream_exists: return "-4";
    case ExpectedRevision::Kind::exact: break;
  }
  return std::to_string(expected.revision);
}

}  // namespace

CallStatus invalid_argument(std::string message) { return {StatusCode::invalid_argument, std::move(message), {}}; }

CallStatus unknown(std::string message) { return {StatusCode::unknown, std::move(message), {}}; }

CallStatus shutting_down() { return {StatusCode::unavailable, "the server is shutting down", {}}; }

CallStatus stream_deleted(std::string_view stream) {
  return stream_exception(StatusCode::failed_precondition, "stream-deleted",
                          "Event stream '" + std::string(stream) + "' is deleted.", stream);
}

CallStatus append_too_large(std::size_t limit) {
  return {StatusCode::invalid_argument,
          "Maximum Append Size of " + std::to_string(limit) + " Exceeded.",
          {{"exception", "maximum-append-size-exceeded"}, {"maximum-append-size", std::to_string(limit)}}};
}

CallStatus missing_metadata_property(std::string_view property) {
  return {StatusCode::invalid_argument,
          "Required Metadata Property '" + std::string(property) + "' is missing",
          {{"exception", "missing-required-metadata-property"}, {"required-metadata-properties", "type,content-type"}}};
}

CallStatus wrong_expected_version(std::string_view stream, ExpectedRevision expected, const Failure& failure) {
  const std::string actual = failure.actual ? std::to_string(*failure.actual) : "-1";
  auto status =
      stream_exception(StatusCode::failed_precondition, "wrong-expected-version",
                       "WrongExpectedVersion: expected " + version_text(expected) + ", actual " + actual, stream);
  status.trailers.emplace_back("expected-version", version_text(expected));
  status.trailers.emplace_back("actual-version", actual);
  return status;
}

CallStatus group_exception(StatusCode code, std::string exception, std::string message, std::string_view source,
                           std::string_view group, std::string_view reason) {
  auto status = stream_exception(code, std::move(exception), std::move(message), source);
  status.trailers.emplace_back("group-name", trailer_text(group));
  if (!reason.empty()) status.trailers.emplace_back("reason", trailer_text(reason));
  return status;
}

CallStatus user_not_found(std::string_view login) {
  return {StatusCode::not_found,
          "there is no such user",
          {{"exception", "user-not-found"}, {"login-name", trailer_text(login)}}};
}

CallStatus user_conflict(std::string_view login) {
  return {StatusCode::failed_precondition,
          "there is such a user already",
          {{"exception", "user-conflict"}, {"login-name", trailer_text(login)}}};
}

CallStatus from_failure(const Failure& failure, std::string_view stream) {
  switch (failure.code) {
    case FailureCode::stream_deleted: return stream_deleted(stream);
    case FailureCode::stream_not_found:
      return stream_exception(StatusCode::not_found, "stream-not-found", failure.reason, stream);
    case FailureCode::id_conflict:
    case FailureCode::rejected: return invalid_argument(failure.reason);
    case FailureCode::unavailable: return {StatusCode::unavailable, failure.reason, {}};
    // Clients take ABORTED for a timeout, after which a write may or may not have happened.
    case FailureCode::unknown_outcome: return {StatusCode::aborted, failure.reason, {}};
    case FailureCode::cancelled: return {StatusCode::cancelled, failure.reason, {}};
    case FailureCode::wrong_expected_revision: break;
  }
  return {StatusCode::failed_precondition, failure.reason, {}};
}

}  // namespace twinstream::door
