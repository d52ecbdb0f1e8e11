#include <memory>

#include "config/route_values.h"
#include "proxy/core/log.h"
#include "proxy/http/api_responses.h"
#include "proxy/http/capture.h"
#include "proxy/http/json_text.h"

namespace twinstream::http {
namespace {

using Kind = ValueSource::Kind;

constexpr std::string_view any_category = "*";

std::optional<std::string> stream_of_request(const Route& route, const PathParameters& parameters,
                                             const Request& request) {
  if (route.config.stream_from_response) return std::nullopt;
  if (route.config.stream.kind == Kind::json && !is_json(request.body)) return std::nullopt;
  const ValueInputs inputs{request.headers, request.query(), parameters, request.body, request.body};
  return text_value(route.config.stream, inputs);
}

std::optional<std::string> stream_of_response(const Route& route, const PathParameters& parameters,
                                              const Response& response) {
  if (!route.config.stream_from_response) return std::nullopt;
  if (route.config.stream.kind == Kind::json && !is_json(response.body)) return std::nullopt;
  const ValueInputs inputs{response.headers, {}, parameters, response.body, response.body};
  return text_value(route.config.stream, inputs);
}

std::string category_of_write(const Route& route, const std::optional<std::string>& stream) {
  if (stream) return std::string(category_of(*stream));
  return known_category(route.config.stream).value_or(std::string(any_category));
}

/// A stream name inside the body must be readable: not compressed.
void prepare(Request& request, const Route& route) {
  const bool reads_body = route.config.stream_from_response && route.config.stream.kind == Kind::json;
  if (reads_body) request.headers.erase("Accept-Encoding");
}

Response not_admitted(const Failure& failure) {
  if (failure.code == FailureCode::rejected) return error_response(409, failure.reason);
  Response response = error_response(503, failure.reason);
  response.headers.add("Retry-After", std::string(retry_after_seconds));
  return response;
}

/// The answer is the client's all the same: the tail finds what was written.
void report_unknown_stream(RouteServices services, const Route& route, const std::string& category) {
  services.metrics.count("twinstream_capture_unknown_stream_total", {{"category", category}});
  log::warning(
      "no stream for a captured write; it reaches the follower through the tail",
      {{"route", route.name}, {"looked_at", to_string(route.config.stream, route.config.stream_from_response)}});
}

}  // namespace

Awaitable<Response> capture_backend(RouteServices services, RouteHandle route, PathParameters parameters,
                                    Request request) {
  auto stream = stream_of_request(*route, parameters, request);
  const std::string category = category_of_write(*route, stream);
  const auto permit = co_await services.gateway.admit_backend_write(category);
  if (!permit.ok()) co_return not_admitted(permit.failure());

  prepare(request, *route);
  auto answer = co_await services.upstream->fetch(std::move(request));
  if (!answer.ok()) co_return gateway_response(answer.failure());
  Response response = std::move(*answer);
  if (response.status < 200 || response.status >= 300) co_return response;

  if (!stream) stream = stream_of_response(*route, parameters, response);
  if (!stream) {
    report_unknown_stream(services, *route, category);
    co_return response;
  }
  const MirrorState mirror = co_await services.gateway.carry(std::move(*stream));
  add_mirror_state(response, mirror);
  co_return response;
}

}  // namespace twinstream::http
