#include "proxy/http/routes.h"

#include <gtest/gtest.h>

namespace twinstream::http {
namespace {

using Kind = ValueSource::Kind;

RouteConfig append_route(std::string method, std::string pattern) {
  RouteConfig route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.stream = {Kind::literal, "contact-1"};
  route.type = {Kind::literal, "created"};
  return route;
}

RouteConfig read_route(std::string pattern) {
  RouteConfig route = append_route("GET", std::move(pattern));
  route.kind = RouteConfig::Kind::read;
  return route;
}

Result<RouteTable> compile(std::vector<RouteConfig> routes, bool backend = true) {
  Config config;
  if (backend) config.backend.emplace();
  config.routes = std::move(routes);
  return RouteTable::compile(config);
}

std::string problem_of(RouteConfig route, bool backend = true) {
  const auto table = compile({std::move(route)}, backend);
  return table.ok() ? "" : table.failure().reason;
}

std::string found(const RouteTable& table, std::string_view method, std::string_view path) {
  const auto match = table.find(method, path);
  if (!match) return "none";
  std::string text = match->route->config.pattern;
  for (const auto& [name, value] : match->parameters) text += " " + name + "=" + value;
  return text;
}

TEST(Routes, MatchMethodAndDecodedSegments) {
  const auto table = compile({append_route("POST", "/contacts/{id}/events"), append_route("PUT", "/a%20b/{x}/{y}")});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(found(*table, "POST", "/contacts/42/events"), "/contacts/{id}/events id=42");
  EXPECT_EQ(found(*table, "POST", "/contacts/a%2Fb%C3%A9/events"), "/contacts/{id}/events id=a/bé");
  EXPECT_EQ(found(*table, "POST", "/con%74acts/42/events"), "/contacts/{id}/events id=42");
  EXPECT_EQ(found(*table, "PUT", "/a%20b/1/2"), "/a%20b/{x}/{y} x=1 y=2");
  for (const std::string path : {"/contacts/42", "/contacts/42/events/", "/contacts//events", "/contacts/42/events/1",
                                 "contacts/42/events", "", "/", "//", "/contacts/42%2Fevents"}) {
    EXPECT_EQ(found(*table, "POST", path), "none") << path;
  }
  EXPECT_EQ(found(*table, "GET", "/contacts/42/events"), "none");
  EXPECT_EQ(found(*table, "post", "/contacts/42/events"), "none");
}

TEST(Routes, ALiteralSegmentBeatsAParameterFromTheLeft) {
  const auto table = compile({append_route("POST", "/{a}/x"), append_route("POST", "/{a}/{b}"),
                              append_route("POST", "/me/{b}"), append_route("POST", "/me/x")});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(found(*table, "POST", "/me/x"), "/me/x");
  EXPECT_EQ(found(*table, "POST", "/me/y"), "/me/{b} b=y");
  EXPECT_EQ(found(*table, "POST", "/you/x"), "/{a}/x a=you");
  EXPECT_EQ(found(*table, "POST", "/you/y"), "/{a}/{b} a=you b=y");
}

TEST(Routes, OfEqualPatternsTheFirstInTheFileWins) {
  auto first = append_route("POST", "/{a}");
  first.success_status = 202;
  const auto table = compile({first, append_route("POST", "/{b}")});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->find("POST", "/x")->route->config.success_status, 202);
}

TEST(Routes, FaultsNameTheRouteAndTheField) {
  auto route = append_route("POST", "/c/{id}");
  EXPECT_EQ(problem_of(route), "");
  route.stream = {Kind::text, "contact-{key}"};
  EXPECT_EQ(problem_of(route).find("route POST /c/{id}: stream: "), 0U) << problem_of(route);
  route.stream = {Kind::path, "key"};
  EXPECT_NE(problem_of(route).find("stream: "), std::string::npos);
  route.stream = {};
  EXPECT_EQ(problem_of(route), "route POST /c/{id}: stream: is missing");
  route = append_route("POST", "/c/{id}");
  route.type = {};
  EXPECT_EQ(problem_of(route), "route POST /c/{id}: type: is missing");
  route = append_route("POST", "/c/{id}");
  route.authorize = "/auth/{who}";
  EXPECT_NE(problem_of(route).find("authorize: "), std::string::npos);
  route.authorize = "/auth/{id}";
  EXPECT_EQ(problem_of(route), "");
  EXPECT_NE(problem_of(route, false).find("authorize: needs a `backend`"), std::string::npos);
  route.authorize.clear();
  route.stream_from_response = true;
  EXPECT_NE(problem_of(route).find("response"), std::string::npos);
  route = append_route("POST", "/c/{id}");
  route.capture = CaptureMode::backend;
  EXPECT_NE(problem_of(route, false).find("needs a `backend`"), std::string::npos);
  route = append_route("POST", "/c/{id}");
  route.events = {Kind::header, "X"};
  EXPECT_NE(problem_of(route).find("events: "), std::string::npos);
  EXPECT_NE(problem_of(append_route("POST", "c")).find("match: "), std::string::npos);
}

TEST(Routes, BadTemplatesAreFaultsOfTheirRoute) {
  auto route = read_route("/c/{id}/events");
  EXPECT_EQ(problem_of(route), "");
  route.response_json = R"({"events": "$events", "x": })";
  EXPECT_EQ(problem_of(route),
            "route GET /c/{id}/events: response_json: the template with values filled in is not JSON");
  route.response_json = R"({"events": "$events", "x": "{type}"})";
  EXPECT_EQ(problem_of(route), "route GET /c/{id}/events: response_json: there is no {type} here");
  route.response_json.clear();
  route.event_json = R"({"x": "{colour}"})";
  EXPECT_EQ(problem_of(route), "route GET /c/{id}/events: event_json: there is no {colour} here");
  route.event_json = R"("$events")";
  EXPECT_NE(problem_of(route).find("event_json: "), std::string::npos);
  route = read_route("/c");
  route.stream = {Kind::json, "/stream"};
  EXPECT_NE(problem_of(route).find("reads have no body"), std::string::npos);
}

TEST(Routes, KnowWhetherTheyNeedAJsonBody) {
  auto route = append_route("POST", "/c");
  EXPECT_FALSE(compile({route})->find("POST", "/c")->route->needs_json);
  route.metadata = {Kind::json, "/meta"};
  EXPECT_TRUE(compile({route})->find("POST", "/c")->route->needs_json);
}

RecordedEvent recorded() {
  RecordedEvent event;
  event.stream = "contact-\"1\"";
  event.revision = 4;
  event.event.id = *EventId::parse("0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01");
  event.event.type = "renamed";
  event.event.data = R"({"n":12345678901234567890,"m":1.10})";
  event.event.created = Timestamp{std::chrono::seconds{1709294400}};
  return event;
}

std::string event_text(const std::string& text, const RecordedEvent& event, int base = 0) {
  const auto compiled = JsonTemplate::compile(text, JsonTemplate::Use::event);
  return compiled.ok() ? compiled->render_event(event, base) : compiled.failure().reason;
}

TEST(JsonTemplates, AWholeStringBecomesTheValueItself) {
  EXPECT_EQ(event_text(R"({"v":"{revision}","d":"{data}","i":"{id}","t":"{type}","s":"{stream}"})", recorded()),
            R"({"v":4,"d":{"n":12345678901234567890,"m":1.10},"i":"0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01",)"
            R"("t":"renamed","s":"contact-\"1\""})");
  EXPECT_EQ(event_text(R"("{created}")", recorded()), "\"2024-03-01T12:00:00.000000Z\"");
  EXPECT_EQ(event_text(R"("{metadata}")", recorded()), "null");
}

TEST(JsonTemplates, UnquotedValuesMeanTheSame) {
  EXPECT_EQ(event_text(R"({"v": {revision}, "t": {type}, "o": {"a": {}}})", recorded()),
            R"({"v": 4, "t": "renamed", "o": {"a": {}}})");
}

TEST(JsonTemplates, InALongerStringTheValueIsText) {
  EXPECT_EQ(event_text(R"(["urn:{stream}:{revision}!", "{revision} ", "{ revision }", "{}"])", recorded()),
            R"(["urn:contact-\"1\":4!", "4 ", "{ revision }", "{}"])");
  EXPECT_EQ(event_text(R"("data: {data}")", recorded()), R"("data: {\"n\":12345678901234567890,\"m\":1.10}")");
}

TEST(JsonTemplates, RevisionsCountFromTheBaseAndMayBeShifted) {
  EXPECT_EQ(event_text(R"(["{revision}","{revision+1}","{revision+10}"])", recorded(), 1), "[5,6,15]");
  EXPECT_EQ(event_text(R"("{revision+x}")", recorded()), "there is no {revision+x} here");
  EXPECT_EQ(event_text(R"("{type+1}")", recorded()), "there is no {type+1} here");
}

TEST(JsonTemplates, DataThatIsNoJsonIsAString) {
  auto event = recorded();
  event.event.content_type = ContentType::binary;
  event.event.data = "5";
  EXPECT_EQ(event_text(R"("{data}")", event), "\"5\"");
  event.event.content_type = ContentType::json;
  EXPECT_EQ(event_text(R"("{data}")", event), "5");
  event.event.data = "{broken";
  EXPECT_EQ(event_text(R"("{data}")", event), "\"{broken\"");
  event.event.data = "\"{type}\"";
  EXPECT_EQ(event_text(R"("{data}")", event), "\"{type}\"") << "values are not templates";
}

TEST(JsonTemplates, KeysAndEscapesStayAsTheyAre) {
  EXPECT_EQ(event_text(R"({"{type}":"\"{type}\"","a\\":"\u007btype}"})", recorded()),
            R"({"{type}":"\"renamed\"","a\\":"\u007btype}"})");
}

TEST(JsonTemplates, TheResponseHasStreamCountRevisionAndEvents) {
  const auto compiled = JsonTemplate::compile(
      R"({"stream":"{stream}","version":"{revision}","n":{count},"items":$events,"also":"$events"})",
      JsonTemplate::Use::response);
  ASSERT_TRUE(compiled.ok()) << compiled.failure().reason;
  EXPECT_EQ(compiled->render_response("s", 7, 2, "[1,2]", 1),
            R"({"stream":"s","version":8,"n":2,"items":[1,2],"also":[1,2]})");
}

}  // namespace
}  // namespace twinstream::http
