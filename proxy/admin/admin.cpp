#include "proxy/admin/admin.h"

#include "proxy/engine/run_on.h"

namespace twinstream {
namespace {

http::Response text_response(int status, std::string body, std::string type = "text/plain; charset=utf-8") {
  http::Response response;
  response.status = status;
  response.headers.add("Content-Type", std::move(type));
  response.headers.add("Cache-Control", "no-store");
  response.body = std::move(body);
  return response;
}

/// Ready when the store that decides writes answers. A follower that is down is said, but clients are not hurt by it.
http::Response readiness(const EngineStatus& status) {
  bool postgres_decides = status.categories.empty();
  bool eventstore_decides = false;
  for (const auto& category : status.categories) {
    (category.state.eventstore_is_authority ? eventstore_decides : postgres_decides) = true;
  }
  std::string text;
  bool ready = true;
  const auto look = [&](const char* name, const EngineStatus::StoreStatus& store, bool decides) {
    ready = ready && (store.up || !decides);
    text += std::string(name) + ": " + (store.up ? "up" : "down") + ", " + store.text + "\n";
  };
  // The control tables live in PostgreSQL, but a retired category serves without them.
  look("postgres", status.postgres, postgres_decides);
  look("eventstore", status.eventstore, eventstore_decides);
  return text_response(ready ? 200 : 503, (ready ? "ready\n" : "not ready\n") + text);
}

}  // namespace

void ConfigState::loaded(Timestamp when) {
  const std::lock_guard lock(mutex_);
  when_ = when;
  error_.reset();
}

void ConfigState::failed(std::string errors) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(errors);
}

Timestamp ConfigState::when() const {
  const std::lock_guard lock(mutex_);
  return when_;
}

std::optional<std::string> ConfigState::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

Admin::Admin(boost::asio::any_io_executor engine_executor, Engine& engine, const Metrics& metrics, const Clock& clock,
             const ConfigState& config)
    : engine_executor_(std::move(engine_executor)),
      engine_(engine),
      metrics_(metrics),
      clock_(clock),
      config_(config),
      started_(clock.monotonic()) {}

http::Decision Admin::decide(const http::Request&) const {
  return {[this](http::Request request) { return answer(std::move(request)); }};
}

Awaitable<http::Response> Admin::answer(http::Request request) const {
  if (request.method != "GET") co_return http::error_response(405, "the admin listener answers GET only");
  const std::string path(request.path());
  if (path == "/livez") co_return text_response(200, "alive\n");
  if (path == "/metrics") co_return text_response(200, metrics_.expose(), "text/plain; version=0.0.4; charset=utf-8");
  if (path == "/readyz") {
    const EngineStatus now = co_await run_on(engine_executor_, status());
    co_return readiness(now);
  }
  if (path == "/status") {
    const EngineStatus now = co_await run_on(engine_executor_, status());
    const double uptime = std::chrono::duration<double>(clock_.monotonic() - started_).count();
    co_return text_response(200, status_json(now, config_, uptime), "application/json");
  }
  co_return http::error_response(404, "there are /metrics, /livez, /readyz and /status");
}

Awaitable<EngineStatus> Admin::status() const { co_return engine_.status(); }

}  // namespace twinstream
