#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "proxy/core/clock.h"
#include "proxy/core/metrics.h"
#include "proxy/engine/engine.h"
#include "proxy/http/message.h"

namespace twinstream {

/// What is known of the configuration file: when it was last taken over, and what is wrong with it now.
class ConfigState {
 public:
  void loaded(Timestamp when);
  void failed(std::string errors);
  Timestamp when() const;
  std::optional<std::string> error() const;

 private:
  mutable std::mutex mutex_;
  Timestamp when_;
  std::optional<std::string> error_;
};

/// The admin listener: /metrics, /livez, /readyz, /status. Any thread; `status` is asked on the engine's executor.
class Admin {
 public:
  Admin(boost::asio::any_io_executor engine_executor, Engine& engine, const Metrics& metrics, const Clock& clock,
        const ConfigState& config);

  http::Decision decide(const http::Request& head) const;

 private:
  Awaitable<http::Response> answer(http::Request request) const;
  Awaitable<EngineStatus> status() const;

  boost::asio::any_io_executor engine_executor_;
  Engine& engine_;
  const Metrics& metrics_;
  const Clock& clock_;
  const ConfigState& config_;
  std::chrono::nanoseconds started_;
};

/// /status as JSON. The shape is in docs/runbook.md.
std::string status_json(const EngineStatus& status, const ConfigState& config, double uptime_seconds);
/// The same for people, from the JSON (`twinstream status`). Nothing when the text is not such a status.
std::optional<std::string> status_text(std::string_view json);

}  // namespace twinstream
