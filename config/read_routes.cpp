#include <array>

#include "config/read.h"
#include "config/route_values.h"

namespace twinstream {
namespace {

constexpr std::size_t route_limit = 1000;
constexpr std::array append_keys{"events", "type",           "id",       "expected_revision",
                                 "data",   "success_status", "metadata", "authorize"};

/// Where a field may take its value from.
enum class From { request, request_or_body, request_or_response, request_head, event_array };

Problem check_origin(const ValueSource& source, bool from_response, From from) {
  if (from_response && from != From::request_or_response) {
    return "must come from the request; response-header: and response-json: are for the stream of capture: backend";
  }
  if (source.kind == ValueSource::Kind::body && from != From::request_or_body) {
    return "must be one value of the request; body is for data and metadata";
  }
  if (from == From::request_head && source.kind == ValueSource::Kind::json) {
    return "must come from the path, the query or a header: a read has no body";
  }
  if (from == From::event_array && source.kind != ValueSource::Kind::json) {
    return "must be where the array of events stands, such as json:/events";
  }
  return std::nullopt;
}

/// Reads the keys of one route, whose path parameters are known.
class RouteReader {
 public:
  RouteReader(Section& section, RouteConfig& route)
      : section_(section), route_(route), parameters_(parameters_of(route.pattern)) {}

  void read_append() {
    source("stream", route_.stream, From::request);
    source("events", route_.events, From::event_array);
    source("type", route_.type, From::request);
    source("id", route_.id, From::request);
    source("expected_revision", route_.expected_revision, From::request);
    section_.read("revision_base", route_.revision_base, Count{0, 1});
    section_.read("success_status", route_.success_status, Count{200, 299});
    source("data", route_.data, From::request_or_body);
    source("metadata", route_.metadata, From::request_or_body);
    section_.read("authorize", route_.authorize, [this](std::string_view text, std::string& path) {
      path = text;
      return check_authorize(text);
    });
    if (route_.data.kind == ValueSource::Kind::none) route_.data.kind = ValueSource::Kind::body;
    section_.require("stream", "say which stream the event goes to, such as contact-{id}");
    section_.require("type", "say where the event type comes from, such as json:/type or literal:renamed");
    refuse_read_keys("is for read routes");
  }

  void read_backend() {
    source("stream", route_.stream, From::request_or_response);
    section_.require("stream", "say which stream the backend writes, such as contact-{id} or response-json:/stream");
    for (const char* key : append_keys) {
      section_.refuse(key,
                      "is for capture: append; with capture: backend the events are read from the backend's table");
    }
    section_.refuse("revision_base", "is for capture: append and read routes");
    refuse_read_keys("is for read routes");
  }

  void read_read() {
    source("read", route_.stream, From::request_head);
    section_.read("revision_base", route_.revision_base, Count{0, 1});
    section_.read("response_json", route_.response_json, check_response);
    section_.read("event_json", route_.event_json, check_event);
    section_.require("response_json", "the backend's answer as a template, such as {\"events\": \"$events\"}");
    section_.require("event_json", "one event in the backend's answer as a template, such as {\"type\": \"{type}\"}");
    for (const char* key : append_keys) section_.refuse(key, "is for capture: append");
    section_.refuse("stream", "is for capture routes; a read route names its stream in `read`");
  }

 private:
  Problem check_authorize(std::string_view text) const {
    if (!text.starts_with('/')) return "must be a path of the backend, such as /auth/check or /contacts/{id}/may-write";
    return check_source({ValueSource::Kind::text, std::string(text)}, parameters_);
  }
  static Problem check_response(std::string_view text, std::string& json) {
    json = text;
    return check_json_template(text, TemplateOf::response);
  }
  static Problem check_event(std::string_view text, std::string& json) {
    json = text;
    return check_json_template(text, TemplateOf::event);
  }

  void source(std::string_view key, ValueSource& target, From from) {
    section_.read(key, target, [this, from](std::string_view text, ValueSource& value) -> Problem {
      ValueSource parsed;
      bool from_response = false;
      if (auto problem = parse_value_source(text, parsed, from_response)) return problem;
      if (auto problem = check_origin(parsed, from_response, from)) return problem;
      const bool matched = !route_.pattern.empty();  // else that is the error
      if (auto problem = matched ? check_source(parsed, parameters_) : std::nullopt) return problem;
      value = parsed;
      if (from_response) route_.stream_from_response = true;
      return std::nullopt;
    });
  }

  void refuse_read_keys(std::string_view why) {
    for (const char* key : {"response_json", "event_json"}) section_.refuse(key, why);
  }

  Section& section_;
  RouteConfig& route_;
  std::vector<std::string> parameters_;
};

Problem parse_capture(std::string_view text, CaptureMode& mode) {
  if (text != "append" && text != "backend") return "must be append or backend";
  mode = text == "append" ? CaptureMode::append : CaptureMode::backend;
  return std::nullopt;
}

void read_route(Section& section, RouteConfig& route) {
  Match match;
  section.read("match", match, parse_match);
  section.require("match", "a method and a path, such as POST /contacts/{id}/events");
  route.method = match.method;
  route.pattern = match.pattern;
  section.read("capture", route.capture, parse_capture);
  const bool captures = section.has("capture");
  const bool reads = section.has("read");
  RouteReader reader(section, route);
  if (captures && reads) {
    section.fail("read", "cannot stand beside `capture`; a route writes or reads");
  } else if (reads) {
    route.kind = RouteConfig::Kind::read;
    reader.read_read();
  } else if (!captures) {
    section.fail("capture", "is missing: a route has `capture: append`, `capture: backend` or `read: STREAM`");
  } else if (route.capture == CaptureMode::append) {
    reader.read_append();
  } else {
    reader.read_backend();
  }
  if (captures != reads) section.finish();
}

}  // namespace

void read_routes(Section& root, std::vector<RouteConfig>& routes) {
  const DocumentNode* node = root.child("routes");
  if (node == nullptr || node->kind == DocumentNode::Kind::nothing) return;
  if (node->kind != DocumentNode::Kind::list) {
    root.fail("routes", "must be a list of routes, each with `match`");
    return;
  }
  if (node->items.size() > route_limit) {
    root.fail("routes", "has more than " + std::to_string(route_limit) + " routes");
    return;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const std::string path = "routes[" + std::to_string(i) + "]";
    root.findings().note(path, node->items[i].place);
    Section section(node->items[i], path, root.findings());
    read_route(section, routes.emplace_back());
  }
}

}  // namespace twinstream
