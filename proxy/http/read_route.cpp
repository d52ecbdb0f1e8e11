#include "proxy/http/read_route.h"

#include "proxy/http/api_responses.h"
#include "proxy/http/json_pointer.h"
#include "proxy/http/original_time.h"

namespace twinstream::http {
namespace {

constexpr std::size_t page_size = 500;
constexpr int comparison_attempts = 2;

/// Collects the events of a stream page by page, as the JSON array of the answer.
struct Rendering {
  std::string events = "[";
  std::size_t count = 0;
  std::uint64_t last_revision = 0;
  std::uint64_t next = 0;

  void add(RecordedEvent event, const Route& route) {
    restore_original_time(event.event);
    if (count++ > 0) events += ',';
    events += route.event.render_event(event, route.config.revision_base);
    last_revision = event.revision;
    next = event.revision + 1;
  }
  bool is_too_long() const { return count > read_route_limit || events.size() > read_route_bytes_limit; }
};

Response failed(const Failure& failure) {
  if (failure.code == FailureCode::stream_not_found) return error_response(404, "there is no such stream");
  if (failure.code == FailureCode::stream_deleted) return error_response(410, "the stream is deleted");
  Response response = error_response(503, failure.reason);
  response.headers.add("Retry-After", std::string(retry_after_seconds));
  return response;
}

Response too_long() {
  return error_response(500, "the stream has more than " + std::to_string(read_route_limit) +
                                 " events or is larger than one answer may be; read it by pages from the event API");
}

Response rendered(const Route& route, const std::string& stream, Rendering& rendering) {
  rendering.events += ']';
  Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = route.response.render_response(stream, rendering.last_revision, rendering.count, rendering.events,
                                                 route.config.revision_base);
  return response;
}

Awaitable<Response> render(EventLog& log, RouteHandle route, std::string stream) {
  Rendering rendering;
  for (bool end = false; !end;) {
    ReadStream read{stream, Direction::forwards, rendering.next, page_size};
    auto page = co_await log.read_stream(std::move(read));
    if (!page.ok()) co_return failed(page.failure());
    for (RecordedEvent& event : page->events) {
      if (!rendering.is_too_long()) rendering.add(std::move(event), *route);
    }
    if (rendering.is_too_long()) co_return too_long();
    end = page->end || page->events.empty();
  }
  co_return rendered(*route, stream, rendering);
}

bool is_success(const Response& response) { return response.status >= 200 && response.status < 300; }

/// Neither side of a comparison may be a piece, a promise or a refusal to work.
bool is_comparable(const Response& response) {
  return response.status != 304 && response.status != 206 && response.status < 500 &&
         !response.headers.has("Content-Encoding");
}

std::optional<std::string> difference(const Response& backend, const Response& ours) {
  if (is_success(backend) && is_success(ours)) return first_json_difference(backend.body, ours.body);
  if (backend.status == ours.status) return std::nullopt;
  return "status " + std::to_string(backend.status) + " of the backend, " + std::to_string(ours.status) + " of ours";
}

Request comparable_request(Request request, ReadSource source) {
  request.headers.erase("Accept-Encoding");
  if (source == ReadSource::backend) return request;  // its answer is the client's: the client's conditions hold
  for (const std::string_view name : {"Range", "If-Range", "If-None-Match", "If-Modified-Since"}) {
    request.headers.erase(name);
  }
  return request;
}

EventLog& log_for(RouteServices services, ReadSource source) {
  return source == ReadSource::backend ? services.gateway.store(ReadSource::postgres) : services.gateway.log();
}

void report(RouteServices services, const Route& route, const std::string& stream,
            const std::optional<std::string>& found) {
  services.gateway.report_comparison(stream, !found, found ? route.name + ": first difference at " + *found : "");
}

Awaitable<Response> serve_compared(RouteServices services, RouteHandle route, ReadPlan plan, Request request) {
  request = comparable_request(std::move(request), plan.source);
  std::optional<Response> answer;
  for (int attempt = 1; attempt <= comparison_attempts; ++attempt) {
    const bool from_backend = plan.source == ReadSource::backend;
    auto backend = co_await services.upstream->fetch(request);
    if (!backend.ok() && from_backend) co_return answer ? std::move(*answer) : gateway_response(backend.failure());
    Response ours = co_await render(log_for(services, plan.source), route, plan.stream);
    const bool comparable = backend.ok() && is_comparable(*backend) && is_comparable(ours);
    const auto found = comparable ? difference(*backend, ours) : std::nullopt;
    if (!answer) answer = from_backend ? std::move(*backend) : std::move(ours);
    if (!comparable) break;
    if (found && attempt < comparison_attempts) continue;
    report(services, *route, plan.stream, found);
    break;
  }
  co_return std::move(*answer);
}

}  // namespace

Awaitable<Response> serve_read(RouteServices services, RouteHandle route, ReadPlan plan, Request request) {
  if (plan.compare && services.upstream) {
    return serve_compared(services, std::move(route), std::move(plan), std::move(request));
  }
  return render(services.gateway.log(), std::move(route), std::move(plan.stream));
}

}  // namespace twinstream::http
