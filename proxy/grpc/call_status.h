#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/core/event_log.h"

namespace twinstream::door {

/// The numbers of gRPC and of google.rpc.Code.
enum class StatusCode {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  failed_precondition = 9,
  aborted = 10,
  internal = 13,
  unavailable = 14,
};

/// How a call ends. Clients look at the trailer `exception` first and at the code second.
struct CallStatus {
  StatusCode code = StatusCode::ok;
  std::string message;
  std::vector<std::pair<std::string, std::string>> trailers;
  std::string details{};  ///< google.rpc.Status for the trailer grpc-status-details-bin, as protocol v2 has it

  bool ok() const { return code == StatusCode::ok; }
};

/// A value, or the status that ends the call.
template <class T>
using Parsed = std::variant<T, CallStatus>;

CallStatus invalid_argument(std::string message);
/// What EventStore lets fail without a kind of its own.
CallStatus unknown(std::string message);
CallStatus shutting_down();
CallStatus stream_deleted(std::string_view stream);
CallStatus append_too_large(std::size_t limit);
CallStatus missing_metadata_property(std::string_view property);
CallStatus wrong_expected_version(std::string_view stream, ExpectedRevision expected, const Failure& failure);
/// What the persistent subscriptions say of a group; `reason` becomes a trailer where it is not empty.
CallStatus group_exception(StatusCode code, std::string exception, std::string message, std::string_view source,
                           std::string_view group, std::string_view reason = {});
CallStatus user_not_found(std::string_view login);
CallStatus user_conflict(std::string_view login);
/// Any failure of the log but wrong_expected_revision.
CallStatus from_failure(const Failure& failure, std::string_view stream);

}  // namespace twinstream::door
