#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

using Kind = ValueSource::Kind;

class CaptureBackend : public testing::Test {
 protected:
  CaptureBackend() {
    config.method = "POST";
    config.pattern = "/contacts/{id}/rename";
    config.capture = CaptureMode::backend;
    config.stream = {Kind::text, "contact-{id}"};
    upstream.answer = [](const Request&) {
      Response response = plain_response(200, R"({"stream":"contact-77","no":5})");
      response.headers.add("X-Stream", "contact-88");
      return response;
    };
  }

  Response send(std::string body = "{\"name\":\"Ana\"}", Headers headers = {}) {
    Config whole;
    whole.backend.emplace();
    whole.routes.push_back(config);
    auto table = RouteTable::compile(whole);
    EXPECT_TRUE(table.ok()) << table.failure().reason;
    Request request = make_request("POST", "/contacts/42/rename?x=1", std::move(headers), std::move(body));
    auto match = table->find("POST", request.path());
    EXPECT_TRUE(match);
    return run(capture_backend({gateway, &upstream, metrics}, match->route, match->parameters, std::move(request)));
  }

  RouteConfig config;
  FakeGateway gateway;
  FakeUpstream upstream;
  Metrics metrics;
};

TEST_F(CaptureBackend, ForwardsTheRequestAndCarriesTheStreamThatTheBackendWrote) {
  const Response response = send("{\"name\":\"Ana\"}", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"stream":"contact-77","no":5})");
  EXPECT_EQ(header(response, "X-Stream"), "contact-88");
  EXPECT_EQ(header(response, "Twinstream-Mirror"), "done");
  ASSERT_EQ(upstream.requests.size(), 1U);
  EXPECT_EQ(upstream.requests[0].method, "POST");
  EXPECT_EQ(upstream.requests[0].target, "/contacts/42/rename?x=1");
  EXPECT_EQ(upstream.requests[0].body, "{\"name\":\"Ana\"}");
  EXPECT_EQ(upstream.requests[0].headers.get("Accept-Encoding"), "gzip");
  EXPECT_EQ(gateway.admitted, std::vector<std::string>{"contact"});
  EXPECT_EQ(gateway.carried, std::vector<std::string>{"contact-42"});
  EXPECT_EQ(gateway.permits_at_carry, 1);
  EXPECT_EQ(gateway.permits, 0);
}

TEST_F(CaptureBackend, TellsAPendingMirrorAndNothingWhenNothingIsMirrored) {
  gateway.carried_state = MirrorState::pending;
  EXPECT_EQ(header(send(), "Twinstream-Mirror"), "pending");
  gateway.carried_state = MirrorState::none;
  EXPECT_FALSE(send().headers.has("Twinstream-Mirror"));
}

TEST_F(CaptureBackend, TakesTheStreamFromTheResponse) {
  config.stream_from_response = true;
  config.stream = {Kind::json, "/stream"};
  EXPECT_EQ(send("not json", {{"Accept-Encoding", "gzip"}}).status, 200);
  EXPECT_FALSE(upstream.requests[0].headers.has("Accept-Encoding")) << "a compressed body cannot be read";
  config.stream = {Kind::header, "X-Stream"};
  EXPECT_EQ(send().status, 200);
  EXPECT_EQ(gateway.carried, (std::vector<std::string>{"contact-77", "contact-88"}));
  EXPECT_EQ(gateway.admitted, (std::vector<std::string>{"*", "*"}));
}

TEST_F(CaptureBackend, TakesTheStreamFromTheRequestBody) {
  config.stream = {Kind::json, "/stream"};
  EXPECT_EQ(send(R"({"stream":"order-1"})").status, 200);
  EXPECT_EQ(gateway.admitted, std::vector<std::string>{"order"});
  EXPECT_EQ(gateway.carried, std::vector<std::string>{"order-1"});
}

TEST_F(CaptureBackend, RefusalsOfTheBackendAreGivenBackAndNothingIsCarried) {
  for (const int status : {302, 400, 409, 500}) {
    upstream.answer = [status](const Request&) { return plain_response(status, "no"); };
    const Response response = send();
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, "no");
    EXPECT_FALSE(response.headers.has("Twinstream-Mirror"));
  }
  EXPECT_TRUE(gateway.carried.empty());
  EXPECT_EQ(gateway.permits, 0);
}

TEST_F(CaptureBackend, AnUnknownStreamLeavesTheAnswerAloneAndIsCounted) {
  config.stream_from_response = true;
  config.stream = {Kind::json, "/missing"};
  const Response response = send();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"stream":"contact-77","no":5})");
  EXPECT_FALSE(response.headers.has("Twinstream-Mirror"));
  upstream.answer = [](const Request&) { return plain_response(201, "no json"); };
  EXPECT_EQ(send().status, 201);
  EXPECT_TRUE(gateway.carried.empty());
  EXPECT_EQ(metrics.value("twinstream_capture_unknown_stream_total", {{"category", "*"}}), 2);
}

TEST_F(CaptureBackend, AHeldCategoryIsNotForwarded) {
  gateway.admission = Failure{FailureCode::unavailable, "the authority is changing", {}};
  const Response held = send();
  EXPECT_EQ(held.status, 503);
  EXPECT_TRUE(held.headers.has("Retry-After"));
  gateway.admission = Failure{FailureCode::rejected, "EventStore is the authority", {}};
  const Response refused = send();
  EXPECT_EQ(refused.status, 409);
  EXPECT_FALSE(refused.headers.has("Retry-After"));
  EXPECT_TRUE(upstream.requests.empty());
}

TEST_F(CaptureBackend, AFailedExchangeIsABadGatewayOrATimeout) {
  upstream.answer = [](const Request&) { return Failure{FailureCode::unavailable, "no connection", {}}; };
  EXPECT_EQ(send().status, 502);
  upstream.answer = [](const Request&) { return Failure{FailureCode::unknown_outcome, "answer lost", {}}; };
  const int status = send().status;
  EXPECT_TRUE(status == 502 || status == 504) << status;
  EXPECT_TRUE(gateway.carried.empty());
  EXPECT_EQ(gateway.permits, 0);
}

}  // namespace
}  // namespace twinstream::http
