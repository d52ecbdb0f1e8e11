#include "proxy/http/router.h"

#include "proxy/http/read_route.h"
#include "proxy/http/routes.h"
#include "proxy/http/streams_api.h"

namespace twinstream::http {
namespace {

using Api = std::shared_ptr<const StreamsApi>;

/// Keeps the API alive until the answer is there.
Awaitable<Response> answer_from_api(Api api, Request request) { co_return co_await api->handle(std::move(request)); }

Handler api_handler(Api api) {
  return [api = std::move(api)](Request request) { return answer_from_api(api, std::move(request)); };
}

Handler capture_handler(RouteServices services, RouteMatch match) {
  return [services, match = std::move(match)](Request request) {
    const bool append = match.route->config.capture == CaptureMode::append;
    const auto capture = append ? capture_append : capture_backend;
    return capture(services, match.route, match.parameters, std::move(request));
  };
}

Handler read_handler(RouteServices services, RouteHandle route, ReadPlan plan) {
  return [services, route = std::move(route), plan = std::move(plan)](Request request) {
    return serve_read(services, route, plan, std::move(request));
  };
}

}  // namespace

/// One configuration's routes. Requests hold on to what they use of it.
struct Router::Rules {
  RouteTable routes;
  Api api;
};

Result<Done> Router::load(const Config& config) {
  auto routes = RouteTable::compile(config);
  if (!routes.ok()) return routes.failure();
  auto api = std::make_shared<const StreamsApi>(services_.gateway.log(), StreamsApiOptions{config.streams_path, true});
  rules_.store(std::make_shared<const Rules>(Rules{std::move(*routes), std::move(api)}));
  return Done{};
}

Decision Router::decide(const Request& head) const {
  const auto rules = rules_.load();
  if (!rules) return {};
  if (rules->api->serves(head.path())) return {api_handler(rules->api)};
  auto match = rules->routes.find(head.method, head.path());
  if (!match) return {};
  if (match->route->config.kind == RouteConfig::Kind::read) return decide_read(*match, head);
  return {capture_handler(services_, std::move(*match))};
}

Decision Router::decide_read(const RouteMatch& match, const Request& head) const {
  const ValueInputs inputs{head.headers, head.query(), match.parameters, {}, {}};
  const auto stream = text_value(match.route->config.stream, inputs);
  if (!stream) return {};
  ReadPlan plan{*stream, services_.gateway.read_source(*stream), false};
  plan.compare = services_.upstream && services_.gateway.compare_this_read(*stream);
  if (plan.passes_through()) return {};
  return {read_handler(services_, match.route, std::move(plan))};
}

}  // namespace twinstream::http
