#pragma once

#include <chrono>
#include <memory>

#include "proxy/core/event_log.h"
#include "proxy/http/connection.h"

namespace twinstream::http {

/// Carries bytes both ways, what the inputs already hold first. An end of one side is passed on and the other way goes
/// on; ends when both ways have ended, one breaks, or nothing moved either way for `idle_timeout`.
Awaitable<void> run_tunnel(std::shared_ptr<Connection> client, std::shared_ptr<Connection> backend,
                           std::chrono::milliseconds idle_timeout);

}  // namespace twinstream::http
