#include "proxy/http/read_route.h"

#include "proxy/http/json_pointer.h"
#include "proxy/http/json_text.h"
#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

class ReadRoute : public testing::Test {
 protected:
  ReadRoute() {
    config.kind = RouteConfig::Kind::read;
    config.method = "GET";
    config.pattern = "/contacts/{id}/events";
    config.stream = {ValueSource::Kind::text, "contact-{id}"};
    config.revision_base = 1;
    config.response_json = R"({"contact":"{stream}","version":"{revision}","count":"{count}","events":"$events"})";
    config.event_json = R"({"v":"{revision}","type":"{type}","data":"{data}","at":"{created}"})";
    upstream.answer = [this](const Request&) { return plain_response(200, backend_body); };
  }

  Response get(ReadSource source, bool compare = false, Headers headers = {}) {
    Config whole;
    whole.routes.push_back(config);
    auto table = RouteTable::compile(whole);
    EXPECT_TRUE(table.ok()) << table.failure().reason;
    auto match = table->find("GET", "/contacts/1/events");
    EXPECT_TRUE(match);
    Request request = make_request("GET", "/contacts/1/events", std::move(headers));
    ReadPlan plan{"contact-1", source, compare};
    return run(serve_read({gateway, &upstream, metrics}, match->route, plan, std::move(request)));
  }
  void fill(ScriptedLog& log, int count) {
    for (int i = 0; i < count; ++i) log.add("contact-1", json_event(i));
  }

  RouteConfig config;
  FakeGateway gateway;
  FakeUpstream upstream;
  Metrics metrics;
  std::string backend_body;
};

const std::string two_events = R"({"contact":"contact-1","version":2,"count":2,"events":[)"
                               R"({"v":1,"type":"Happened","data":{"n":0},"at":"2024-03-01T12:00:00.000000Z"},)"
                               R"({"v":2,"type":"Happened","data":{"n":1},"at":"2024-03-01T12:00:01.000000Z"}]})";

TEST_F(ReadRoute, RendersTheWholeStreamInTheBackendsShape) {
  fill(gateway.chosen, 2);
  const Response response = get(ReadSource::eventstore);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(header(response, "Content-Type"), "application/json");
  EXPECT_EQ(response.body, two_events);
  EXPECT_TRUE(upstream.requests.empty());
}

TEST_F(ReadRoute, KeepsDigitsAndGivesBackTheOriginalTime) {
  Event event = json_event(1);
  event.data = R"({"big":12345678901234567890,"m":1.10})";
  event.metadata = R"({"$originalCreated":"2019-05-06T07:08:09.250000Z","by":"ana"})";
  gateway.chosen.add("contact-1", event);
  config.response_json = "$events";
  config.event_json = R"(["{data}","{created}","{metadata}"])";
  EXPECT_EQ(get(ReadSource::postgres).body,
            R"([[{"big":12345678901234567890,"m":1.10},"2019-05-06T07:08:09.250000Z",{"by":"ana"}]])");
}

TEST_F(ReadRoute, ReadsEveryPageOfALongStream) {
  fill(gateway.chosen, 1234);
  config.response_json = R"({"count":"{count}","events":"$events"})";
  config.event_json = R"("{revision}")";
  const Response response = get(ReadSource::eventstore);
  EXPECT_EQ(json_at(response.body, "/count"), "1234");
  EXPECT_EQ(json_at(response.body, "/events/0"), "1");
  EXPECT_EQ(json_at(response.body, "/events/1233"), "1234");
}

TEST_F(ReadRoute, NeverAnswersHalfAStream) {
  fill(gateway.chosen, read_route_limit);
  config.event_json = "1";
  EXPECT_EQ(get(ReadSource::eventstore).status, 200);
  gateway.chosen.add("contact-1", json_event(-1));
  const Response response = get(ReadSource::eventstore);
  EXPECT_EQ(response.status, 500);
  EXPECT_NE(response.body.find("10000 events"), std::string::npos);
}

TEST_F(ReadRoute, NeverAnswersMoreThanFitsInMemory) {
  Event large = json_event(0);
  large.data = '"' + std::string(8'000'000, 'x') + '"';
  for (int i = 0; i < 9; ++i) {
    large.id = EventId::random();
    gateway.chosen.add("contact-1", large);
  }
  EXPECT_EQ(get(ReadSource::eventstore).status, 500);
}

TEST_F(ReadRoute, FailuresOfTheStoresHaveTheirAnswers) {
  EXPECT_EQ(get(ReadSource::eventstore).status, 404);
  EXPECT_TRUE(json_at(get(ReadSource::eventstore).body, "/error"));
  fill(gateway.chosen, 1);
  gateway.chosen.next_failure = Failure{FailureCode::unavailable, "down", {}};
  const Response down = get(ReadSource::eventstore);
  EXPECT_EQ(down.status, 503);
  EXPECT_TRUE(down.headers.has("Retry-After"));
  ASSERT_TRUE(gateway.chosen.store().tombstone("contact-1", ExpectedRevision::any()).ok());
  EXPECT_EQ(get(ReadSource::eventstore).status, 410);
  EXPECT_TRUE(upstream.requests.empty()) << "the backend may be behind: it never stands in for a store";
}

TEST_F(ReadRoute, ComparingFromAStoreAnswersFromTheStore) {
  fill(gateway.chosen, 2);
  backend_body = " " + two_events + "\n";
  const Response response =
      get(ReadSource::eventstore, true, {{"If-None-Match", "x"}, {"Accept-Encoding", "gzip"}, {"Cookie", "s"}});
  EXPECT_EQ(response.body, two_events);
  ASSERT_EQ(gateway.comparisons.size(), 1U);
  EXPECT_TRUE(gateway.comparisons[0].equal) << gateway.comparisons[0].detail;
  EXPECT_EQ(gateway.comparisons[0].stream, "contact-1");
  EXPECT_FALSE(upstream.requests[0].headers.has("If-None-Match"));
  EXPECT_FALSE(upstream.requests[0].headers.has("Accept-Encoding"));
  EXPECT_EQ(upstream.requests[0].headers.get("Cookie"), "s");
}

TEST_F(ReadRoute, ComparingFromTheBackendAnswersFromTheBackendAndReadsPostgres) {
  fill(gateway.postgres, 2);
  backend_body = " " + two_events;
  const Response response = get(ReadSource::backend, true, {{"If-None-Match", "x"}});
  EXPECT_EQ(response.body, backend_body);
  ASSERT_EQ(gateway.comparisons.size(), 1U);
  EXPECT_TRUE(gateway.comparisons[0].equal) << gateway.comparisons[0].detail;
  EXPECT_EQ(upstream.requests[0].headers.get("If-None-Match"), "x");
}

TEST_F(ReadRoute, ADifferenceIsReportedOnceWithItsFirstPlace) {
  fill(gateway.chosen, 2);
  backend_body = two_events;
  backend_body.replace(backend_body.find("\"n\":1"), 5, "\"n\":9");
  EXPECT_EQ(get(ReadSource::eventstore, true).body, two_events);
  ASSERT_EQ(gateway.comparisons.size(), 1U);
  EXPECT_FALSE(gateway.comparisons[0].equal);
  EXPECT_EQ(gateway.comparisons[0].detail, "GET /contacts/{id}/events: first difference at /events/1/data/n");
  EXPECT_EQ(upstream.requests.size(), 2U);
}

TEST_F(ReadRoute, AnEventWrittenBetweenTheTwoReadsIsNoDifference) {
  fill(gateway.chosen, 1);
  upstream.answer = [this](const Request&) {
    if (upstream.requests.size() == 2) gateway.chosen.add("contact-1", json_event(1));
    return plain_response(200, two_events);
  };
  const Response response = get(ReadSource::eventstore, true);
  EXPECT_EQ(json_at(response.body, "/count"), "1");
  ASSERT_EQ(gateway.comparisons.size(), 1U);
  EXPECT_TRUE(gateway.comparisons[0].equal);
}

TEST_F(ReadRoute, StatusesAreComparedWhenEitherSideHasNoData) {
  upstream.answer = [](const Request&) { return plain_response(404, "gone"); };
  EXPECT_EQ(get(ReadSource::eventstore, true).status, 404);
  EXPECT_TRUE(gateway.comparisons.at(0).equal);
  upstream.answer = [](const Request&) { return plain_response(200, "[]"); };
  EXPECT_EQ(get(ReadSource::eventstore, true).status, 404);
  EXPECT_FALSE(gateway.comparisons.at(1).equal);
  EXPECT_NE(gateway.comparisons.at(1).detail.find("status 200 of the backend, 404 of ours"), std::string::npos);
}

TEST_F(ReadRoute, WhatCannotBeComparedIsAnsweredAndNotReported) {
  fill(gateway.chosen, 2);
  upstream.answer = [](const Request&) { return Failure{FailureCode::unavailable, "no connection", {}}; };
  EXPECT_EQ(get(ReadSource::eventstore, true).body, two_events);
  EXPECT_EQ(get(ReadSource::backend, true).status, 502);
  for (const int status : {206, 304, 500}) {
    upstream.answer = [status](const Request&) { return plain_response(status, "x"); };
    EXPECT_EQ(get(ReadSource::eventstore, true).body, two_events) << status;
    EXPECT_EQ(get(ReadSource::backend, true).status, status);
  }
  upstream.answer = [](const Request&) {
    Response packed = plain_response(200, "\x1f\x8b");
    packed.headers.add("Content-Encoding", "gzip");
    return packed;
  };
  EXPECT_EQ(get(ReadSource::eventstore, true).body, two_events);
  gateway.chosen.next_failure = Failure{FailureCode::unavailable, "down", {}};
  EXPECT_EQ(get(ReadSource::eventstore, true).status, 503);
  EXPECT_TRUE(gateway.comparisons.empty());
}

}  // namespace
}  // namespace twinstream::http
