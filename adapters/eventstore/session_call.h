#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "adapters/eventstore/connection.h"
#include "proxy/core/event_log.h"

namespace twinstream::eventstore {

/// What protocol v2 cannot carry as it is: metadata must be a JSON object whose numbers a double holds.
std::optional<Failure> refuse_session(const std::vector<AppendRequest>& requests);

struct SessionReply {
  CallStatus status;
  std::optional<CallFailure> refusal;  ///< what the typed error says, when the status is not ok and has one
  std::vector<Appended> appended;      ///< when the status is ok; the position of the last one is the transaction's
};

/// One atomic append to several streams (AppendSession of protocol v2, since 25.1).
Awaitable<SessionReply> session_call(ConnectionPtr connection, std::shared_ptr<const std::vector<AppendRequest>> requests,
                                     std::chrono::milliseconds timeout);

}  // namespace twinstream::eventstore
