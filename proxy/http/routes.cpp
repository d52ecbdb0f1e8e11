#include "proxy/http/routes.h"

#include <algorithm>

#include "config/route_values.h"

namespace twinstream::http {
namespace {

using Kind = ValueSource::Kind;

constexpr std::string_view default_event_json =
    R"({"id":"{id}","type":"{type}","revision":"{revision}","data":"{data}",)"
    R"("metadata":"{metadata}","created":"{created}"})";
constexpr std::string_view default_response_json =
    R"({"stream":"{stream}","revision":"{revision}","events":"$events"})";

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    segments.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(segments.back().size());
  }
  return segments;
}

std::vector<Segment> parse_pattern(std::string_view pattern) {
  std::vector<Segment> segments;
  for (const std::string_view text : split_path(pattern)) {
    const bool parameter = text.size() > 2 && text.front() == '{' && text.back() == '}';
    segments.push_back({parameter, parameter ? std::string(text.substr(1, text.size() - 2)) : percent_decode(text)});
  }
  return segments;
}

/// Literal segments before parameters, compared from the left.
bool more_literal(const std::shared_ptr<const Route>& left, const std::shared_ptr<const Route>& right) {
  return std::lexicographical_compare(left->segments.begin(), left->segments.end(), right->segments.begin(),
                                      right->segments.end(),
                                      [](const Segment& a, const Segment& b) { return !a.parameter && b.parameter; });
}

/// Fields that a route of this kind cannot do without, or that it cannot have.
Problem check_shape(const RouteConfig& route, bool has_backend) {
  if (route.stream.kind == Kind::none) return "stream: is missing";
  if (route.kind == RouteConfig::Kind::read) {
    const bool from_body = route.stream.kind == Kind::json || route.stream.kind == Kind::body;
    return from_body ? Problem("read: the stream must come from path, query or header: reads have no body")
                     : std::nullopt;
  }
  if (route.capture == CaptureMode::backend) {
    if (!has_backend) return "capture: backend needs a `backend`";
    return std::nullopt;
  }
  if (route.stream_from_response) return "stream: only capture: backend can take it from the response";
  if (route.type.kind == Kind::none) return "type: is missing";
  if (!route.authorize.empty() && !has_backend) return "authorize: needs a `backend`";
  if (route.events.kind != Kind::none && route.events.kind != Kind::json) return "events: must be a JSON pointer";
  return std::nullopt;
}

struct NamedSource {
  std::string_view field;
  const ValueSource* source;
};

std::vector<NamedSource> sources_of(const RouteConfig& route) {
  return {{"stream", &route.stream},    {"events", &route.events},
          {"type", &route.type},        {"id", &route.id},
          {"data", &route.data},        {"expected_revision", &route.expected_revision},
          {"metadata", &route.metadata}};
}

Problem check_sources(const RouteConfig& route) {
  const auto parameters = parameters_of(route.pattern);
  for (const auto& [field, source] : sources_of(route)) {
    if (auto problem = check_source(*source, parameters)) return std::string(field) + ": " + *problem;
  }
  const ValueSource authorize{Kind::text, route.authorize};
  if (auto problem = check_source(authorize, parameters)) return "authorize: " + *problem;
  return std::nullopt;
}

Problem compile_template(JsonTemplate& target, std::string_view field, std::string_view text, JsonTemplate::Use use) {
  auto compiled = JsonTemplate::compile(text, use);
  if (!compiled.ok()) return std::string(field) + ": " + compiled.failure().reason;
  target = std::move(*compiled);
  return std::nullopt;
}

Problem compile_templates(Route& route) {
  const RouteConfig& config = route.config;
  if (config.kind != RouteConfig::Kind::read) return std::nullopt;
  const std::string_view response = config.response_json.empty() ? default_response_json : config.response_json;
  const std::string_view event = config.event_json.empty() ? default_event_json : config.event_json;
  if (auto problem = compile_template(route.response, "response_json", response, JsonTemplate::Use::response)) {
    return problem;
  }
  return compile_template(route.event, "event_json", event, JsonTemplate::Use::event);
}

bool needs_json(const RouteConfig& route) {
  const auto sources = sources_of(route);
  return !route.stream_from_response && std::any_of(sources.begin(), sources.end(), [](const NamedSource& each) {
    return each.source->kind == Kind::json;
  });
}

Problem compile_route(Route& route, bool has_backend) {
  RouteConfig& config = route.config;
  if (config.method.empty() || !config.pattern.starts_with('/')) return "match: must be a method and a path";
  if (auto problem = check_shape(config, has_backend)) return problem;
  if (auto problem = check_sources(config)) return problem;
  if (config.data.kind == Kind::none) config.data.kind = Kind::body;
  route.segments = parse_pattern(config.pattern);
  route.needs_json = needs_json(config);
  return compile_templates(route);
}

bool fits(const Segment& segment, std::string_view text) {
  if (segment.parameter) return !text.empty();
  return text.find('%') == std::string_view::npos ? segment.text == text : segment.text == percent_decode(text);
}

bool fits(const Route& route, std::string_view method, const std::vector<std::string_view>& path) {
  return route.config.method == method &&
         std::equal(route.segments.begin(), route.segments.end(), path.begin(), path.end(),
                    [](const Segment& segment, std::string_view text) { return fits(segment, text); });
}

}  // namespace

Result<RouteTable> RouteTable::compile(const Config& config) {
  RouteTable table;
  for (const RouteConfig& each : config.routes) {
    auto route = std::make_shared<Route>();
    route->config = each;
    route->name = each.method + ' ' + each.pattern;
    if (auto problem = compile_route(*route, config.backend.has_value())) {
      return Failure{FailureCode::rejected, "route " + route->name + ": " + *problem, {}};
    }
    const std::shared_ptr<const Route> ready = std::move(route);
    auto& routes = table.routes_;
    routes.insert(std::upper_bound(routes.begin(), routes.end(), ready, more_literal), ready);
  }
  return table;
}

std::optional<RouteMatch> RouteTable::find(std::string_view method, std::string_view path) const {
  if (routes_.empty() || !path.starts_with('/')) return std::nullopt;
  const auto segments = split_path(path);
  const auto found =
      std::find_if(routes_.begin(), routes_.end(), [&](const auto& route) { return fits(*route, method, segments); });
  if (found == routes_.end()) return std::nullopt;
  RouteMatch match{*found, {}};
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = (*found)->segments[i];
    if (segment.parameter) match.parameters.emplace_back(segment.text, percent_decode(segments[i]));
  }
  return match;
}

}  // namespace twinstream::http
