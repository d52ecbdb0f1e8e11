#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "adapters/eventstore/connection.h"
#include "proxy/core/event_log.h"

namespace twinstream::eventstore {

struct AppendReply {
  CallStatus status;
  std::optional<Result<Appended>> answer;  ///< when the status is ok
};

/// One append as a call of its own: for servers without BatchAppend, and for appends so large that they would hold up
/// all others in a shared call.
Awaitable<AppendReply> append_call(ConnectionPtr connection, std::shared_ptr<const AppendRequest> request,
                                   std::chrono::milliseconds timeout);

}  // namespace twinstream::eventstore
