#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "proxy/core/result.h"

// What EventStore's errors mean. Plain values: nothing here knows gRPC.

namespace twinstream::eventstore {

/// The standard status codes, by their numbers on the wire.
enum class StatusCode {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

/// How a call ended.
struct CallStatus {
  StatusCode code = StatusCode::ok;
  std::string message;
  std::map<std::string, std::string> trailers;
  bool credentials_may_change = false;  ///< they come from a file

  bool ok() const { return code == StatusCode::ok; }
};

/// Whether a lost answer leaves a doubt: a read that failed can be asked again, a write may have been executed.
enum class Intent { read, write };

struct CallFailure {
  Failure failure;
  std::optional<Endpoint> leader;  ///< the node asked was not the leader, this one is
  bool reconnect = false;          ///< this connection is of no use any more
  bool not_executed = false;       ///< surely: the request may be sent again elsewhere
};

/// For a status that is not ok.
CallFailure explain(const CallStatus& status, Intent intent);

/// The error inside an answer of a batch append: a google.rpc.Status with one detail.
Failure explain_batch_error(int code, std::string_view message, std::string_view detail_type, std::string_view detail);

/// `leader` as far as the node asked knows it.
CallFailure not_leader(std::optional<Endpoint> leader);
Failure wrong_expected_revision(std::optional<std::uint64_t> actual);

}  // namespace twinstream::eventstore
