#include "proxy/http/router.h"

#include <random>

#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

using Kind = ValueSource::Kind;

Config make_config() {
  Config config;
  config.backend.emplace();
  RouteConfig append;
  append.method = "POST";
  append.pattern = "/contacts/{id}/events";
  append.stream = {Kind::text, "contact-{id}"};
  append.type = {Kind::json, "/type"};
  append.data = {Kind::json, "/data"};
  append.metadata = {Kind::json, "/meta"};
  append.id = {Kind::json, "/id"};
  append.expected_revision = {Kind::header, "If-Match"};
  RouteConfig many = append;
  many.pattern = "/batches/{id}";
  many.events = {Kind::json, "/events"};
  RouteConfig backend;
  backend.method = "PUT";
  backend.pattern = "/contacts/{id}";
  backend.capture = CaptureMode::backend;
  backend.stream = {Kind::json, "/stream"};
  backend.stream_from_response = true;
  RouteConfig read;
  read.kind = RouteConfig::Kind::read;
  read.method = "GET";
  read.pattern = "/contacts/{id}/events";
  read.stream = {Kind::text, "contact-{id}"};
  config.routes = {append, many, backend, read};
  return config;
}

class Routing : public testing::Test {
 protected:
  Routing() {
    upstream.answer = [](const Request&) { return plain_response(200, R"({"stream":"contact-9"})"); };
  }
  /// -1 when the request is passed through.
  int status_of(std::string method, std::string target, Headers headers = {}, std::string body = {}) {
    const auto answer = send(make_request(std::move(method), std::move(target), std::move(headers), std::move(body)));
    return answer ? answer->status : -1;
  }
  std::optional<Response> send(Request request) {
    Request head = request;
    head.body.clear();
    const Decision decision = router.decide(head);
    if (!decision.handler) return std::nullopt;
    return run(decision.handler(std::move(request)));
  }

  FakeGateway gateway;
  FakeUpstream upstream;
  Metrics metrics;
  Router router{{gateway, &upstream, metrics}};
};

TEST_F(Routing, BeforeTheFirstConfigurationEverythingPassesThrough) { EXPECT_EQ(status_of("GET", "/streams/x"), -1); }

TEST_F(Routing, EveryKindOfRequestFindsItsHandler) {
  ASSERT_TRUE(router.load(make_config()).ok());
  EXPECT_EQ(status_of("GET", "/anything"), -1);
  EXPECT_EQ(status_of("DELETE", "/contacts/1/events"), -1);
  EXPECT_EQ(status_of("GET", "/streams/x", {{"Accept", "application/json"}}), 404);
  EXPECT_EQ(status_of("POST", "/contacts/1/events", {}, R"({"type":"t","data":1})"), 201);
  EXPECT_EQ(status_of("PUT", "/contacts/1", {}, "{}"), 200);
  EXPECT_EQ(gateway.carried, std::vector<std::string>{"contact-9"});
}

TEST_F(Routing, ReadRoutesPassThroughUnlessAStoreAnswersOrTheReadIsCompared) {
  ASSERT_TRUE(router.load(make_config()).ok());
  gateway.chosen.add("contact-1", json_event(1));
  EXPECT_EQ(status_of("GET", "/contacts/1/events"), -1);
  gateway.source = ReadSource::eventstore;
  EXPECT_EQ(status_of("GET", "/contacts/1/events"), 200);
  EXPECT_TRUE(upstream.requests.empty());
  gateway.source = ReadSource::backend;
  gateway.compare = true;
  EXPECT_EQ(status_of("GET", "/contacts/1/events"), 200);
  EXPECT_EQ(gateway.comparisons.size(), 1U);
}

TEST_F(Routing, ABadConfigurationLeavesTheOldOneInForce) {
  ASSERT_TRUE(router.load(make_config()).ok());
  Config bad = make_config();
  bad.routes[3].event_json = "{";
  const auto loaded = router.load(bad);
  ASSERT_TRUE(loaded.failed_with(FailureCode::rejected));
  EXPECT_NE(loaded.failure().reason.find("route GET /contacts/{id}/events: event_json"), std::string::npos);
  EXPECT_EQ(status_of("PUT", "/contacts/1"), 200);
}

TEST_F(Routing, ReloadingMovesNewRequestsAndLetsOldOnesEnd) {
  ASSERT_TRUE(router.load(make_config()).ok());
  const Decision old = router.decide(make_request("POST", "/contacts/1/events"));
  const Decision old_api = router.decide(make_request("GET", "/streams/x/0"));
  Config moved = make_config();
  moved.routes.clear();
  moved.streams_path = "/events";
  ASSERT_TRUE(router.load(moved).ok());
  EXPECT_EQ(status_of("POST", "/contacts/1/events"), -1);
  EXPECT_EQ(status_of("GET", "/streams/x"), -1);
  EXPECT_EQ(status_of("GET", "/events/x/0"), 404);
  EXPECT_EQ(run(old.handler(make_request("POST", "/contacts/1/events", {}, R"({"type":"t","data":1})"))).status, 201);
  EXPECT_EQ(run(old_api.handler(make_request("GET", "/streams/x/0"))).status, 404);
}

TEST_F(Routing, WithoutABackendReadsAreNotCompared) {
  Router alone({gateway, nullptr, metrics});
  Config config = make_config();
  config.backend.reset();
  config.routes = {config.routes[3]};
  ASSERT_TRUE(alone.load(config).ok());
  gateway.compare = true;
  EXPECT_FALSE(alone.decide(make_request("GET", "/contacts/1/events")).handler);
  gateway.source = ReadSource::eventstore;
  EXPECT_EQ(
      run(alone.decide(make_request("GET", "/contacts/1/events")).handler(make_request("GET", "/contacts/1/events")))
          .status,
      404);
}

/// Requests put together from what the parsers look for, and from anything at all.
class RandomRequests {
 public:
  explicit RandomRequests(unsigned seed) : random_(seed) {}

  Request next() {
    Request request;
    request.method = pick({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"});
    request.target = target();
    for (int i = number(6); i > 0; --i) request.headers.add(header_name(), header_value());
    request.body = body();
    return request;
  }

 private:
  int number(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string pick(std::vector<std::string> choices) { return choices[number(static_cast<int>(choices.size()))]; }

  std::string noise(int limit) {
    std::string text;
    for (int i = number(limit); i > 0; --i) text += static_cast<char>(number(256));
    return text;
  }
  std::string target() {
    std::string text = pick({"/streams", "/streams/s-1", "/contacts/1/events", "/batches/1", "/contacts/1", "/", ""});
    for (int i = number(5); i > 0; --i) {
      text += pick({"/", "/head", "/forward", "/backward", "/0", "/20", "/-1", "/incoming", "/%zz", "/%00", "%",
                    "/99999999999999999999", "/9223372036854775807", "?embed=body", "?format=", "&embed=tryharder",
                    "/0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01", "/metadata", "/$all"});
    }
    return number(4) == 0 ? text + noise(6) : text;
  }
  std::string header_name() {
    return pick({"Content-Type", "Accept", "ES-EventType", "ES-EventId", "ES-ExpectedVersion", "Kurrent-HardDelete",
                 "ES-ResolveLinkTos", "If-None-Match", "If-Match", "Idempotency-Key", "Host", "X-Forwarded-Host",
                 "X-Forwarded-Port", "ES-LongPoll"});
  }
  std::string header_value() {
    return pick({"application/json", "application/vnd.eventstore.events+json", "application/octet-stream", "*/*",
                 "application/vnd.eventstore.atom+json", "text/xml;charset=utf-8", "q=;,;/", "-1", "0", "-2", "true",
                 "\"0;1\"", "\"", "0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01", "", ":", "[::1]:80", noise(12)});
  }
  std::string body() {
    if (number(3) == 0) return pick({"{}", R"({"type":"t","data":1.10})", R"({"events":[{"type":"t","data":[]}]})"});
    std::string text = pick({"", "{", "[{\"eventId\":\"0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01\",\"eventType\":\"t\"",
                             "{\"type\":\"t\",\"data\":", "{\"events\":[{\"type\":\"t\",\"data\":1},", "\"", "[[[["});
    for (int i = number(6); i > 0; --i) {
      text += pick({"{}", "}", "]", "]}", ",", ":", "1e999999999999", "-0.10", "\"\\ud800\"", "\"a\":1", "null", "\\",
                    "\"meta\":{\"$originalCreated\":\"x\"}", std::string("\0", 1), noise(8)});
    }
    return text;
  }

  std::mt19937 random_;
};

TEST_F(Routing, WhateverIsSentIsAnswered) {
  ASSERT_TRUE(router.load(make_config()).ok());
  int statuses[600] = {};
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    gateway.source = seed % 2 == 0 ? ReadSource::backend : ReadSource::eventstore;
    gateway.compare = seed % 3 == 0;
    const auto answer = send(RandomRequests(seed).next());
    if (!answer) continue;
    ASSERT_GE(answer->status, 200) << "seed " << seed;
    ASSERT_LT(answer->status, 600) << "seed " << seed;
    ++statuses[answer->status];
  }
  for (const int status : {200, 201, 204, 307, 400, 404, 405, 406, 415}) {
    EXPECT_GT(statuses[status], 0) << "the requests never came as far as " << status;
  }
}

}  // namespace
}  // namespace twinstream::http
