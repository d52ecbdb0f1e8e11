#include "proxy/http/append_mapping.h"
#include "proxy/http/json_pointer.h"
#include "proxy/http/json_text.h"
#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

using Kind = ValueSource::Kind;

const std::string id_1 = "0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01";

class CaptureAppend : public testing::Test {
 protected:
  CaptureAppend() {
    config.method = "POST";
    config.pattern = "/contacts/{id}/events";
    config.stream = {Kind::text, "contact-{id}"};
    config.type = {Kind::json, "/type"};
    config.data = {Kind::json, "/payload"};
    upstream.answer = [](const Request&) { return plain_response(204); };
  }

  Response send(std::string body, Headers headers = {}, std::string target = "/contacts/42/events") {
    Config whole;
    whole.backend.emplace();
    whole.routes.push_back(config);
    auto table = RouteTable::compile(whole);
    EXPECT_TRUE(table.ok()) << table.failure().reason;
    Request request = make_request("POST", std::move(target), std::move(headers), std::move(body));
    auto match = table->find("POST", request.path());
    EXPECT_TRUE(match);
    return run(capture_append({gateway, &upstream, metrics}, match->route, match->parameters, std::move(request)));
  }
  std::string error_of(const Response& response) {
    return decode_json_string(json_at(response.body, "/error").value_or("\"\"")).value();
  }
  std::string at(const Response& response, const std::string& pointer) {
    return std::string(json_at(response.body, pointer).value_or("(nothing)"));
  }
  std::vector<RecordedEvent> events() { return gateway.chosen.events("contact-42"); }

  RouteConfig config;
  FakeGateway gateway;
  FakeUpstream upstream;
  Metrics metrics;
};

TEST_F(CaptureAppend, WritesTheEventAndTellsStreamRevisionAndId) {
  const Response response = send(R"({"type":"renamed","payload":{"name":"Ana"}})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(header(response, "Content-Type"), "application/json");
  EXPECT_EQ(header(response, "ETag"), "\"0\"");
  EXPECT_EQ(at(response, "/stream"), "\"contact-42\"");
  EXPECT_EQ(at(response, "/revision"), "0");
  ASSERT_EQ(events().size(), 1U);
  EXPECT_EQ(at(response, "/id"), '"' + events()[0].event.id.to_string() + '"');
  EXPECT_EQ(events()[0].event.type, "renamed");
  EXPECT_EQ(events()[0].event.content_type, ContentType::json);
  EXPECT_EQ(events()[0].event.metadata, "");
  config.success_status = 202;
  EXPECT_EQ(send(R"({"type":"renamed","payload":1})").status, 202);
}

TEST_F(CaptureAppend, DataFromAPointerIsTheExactSourceText) {
  const std::string payload = R"({ "big":12345678901234567890, "m" : 1.10,"e":1E2,"s":"\u00e9"})";
  EXPECT_EQ(send("{\"type\":\"t\",\"payload\": " + payload + " }").status, 201);
  EXPECT_EQ(events()[0].event.data, payload);
  EXPECT_EQ(send(R"({"type":"t","payload":"just text"})").status, 201);
  EXPECT_EQ(events()[1].event.data, "\"just text\"");
}

TEST_F(CaptureAppend, DataFromTheBodyIsTheBytesAsSent) {
  config.type = {Kind::literal, "note"};
  config.data = {Kind::body, ""};
  const std::string body = " {\"a\": 1.10 }\n";
  EXPECT_EQ(send(body, {{"Content-Type", "application/json"}}).status, 201);
  EXPECT_EQ(events()[0].event.data, body);
  EXPECT_EQ(events()[0].event.content_type, ContentType::json);
  const std::string bytes("\x00\xff", 2);
  EXPECT_EQ(send(bytes, {{"Content-Type", "application/octet-stream"}}).status, 201);
  EXPECT_EQ(events()[1].event.data, bytes);
  EXPECT_EQ(events()[1].event.content_type, ContentType::binary);
  EXPECT_EQ(send("{}", {{"Content-Type", "application/vnd.x+json; v=1"}}).status, 201);
  EXPECT_EQ(events()[2].event.content_type, ContentType::json);
}

TEST_F(CaptureAppend, ABodyThatIsNotJsonIsRefusedWithItsPlace) {
  const Response pointer = send("{\"type\": t}");
  EXPECT_EQ(pointer.status, 400);
  EXPECT_EQ(error_of(pointer), "the body is not JSON at byte 9");
  config.type = {Kind::literal, "note"};
  config.data = {Kind::body, ""};
  EXPECT_EQ(error_of(send("", {{"Content-Type", "application/json"}})), "the body is not JSON at byte 0");
  EXPECT_TRUE(gateway.chosen.appends.empty());
}

TEST_F(CaptureAppend, TakesValuesFromEverywhereTheyCanBe) {
  config.stream = {Kind::path, "id"};
  config.type = {Kind::header, "X-Type"};
  config.id = {Kind::query, "id"};
  config.data = {Kind::literal, "{\"fixed\":true}"};
  config.metadata = {Kind::body, ""};
  const Response response = send("<xml/>", {{"X-Type", "seen"}}, "/contacts/caf%C3%A9-%2F1/events?id=" + id_1 + "&x=1");
  ASSERT_EQ(response.status, 201) << response.body;
  const auto stored = gateway.chosen.events("café-/1");
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].event.type, "seen");
  EXPECT_EQ(stored[0].event.id.to_string(), id_1);
  EXPECT_EQ(stored[0].event.data, "{\"fixed\":true}");
  EXPECT_EQ(stored[0].event.content_type, ContentType::json);
  EXPECT_EQ(stored[0].event.metadata, "<xml/>");
  config.data = {Kind::text, "id is {id}"};
  EXPECT_EQ(send("", {{"X-Type", "seen"}}).status, 201);
  EXPECT_EQ(gateway.chosen.events("42")[0].event.data, "id is 42");
  EXPECT_EQ(gateway.chosen.events("42")[0].event.content_type, ContentType::binary);
}

TEST_F(CaptureAppend, MissingValuesAreToldWithTheFieldAndWhereItWasLookedFor) {
  EXPECT_EQ(error_of(send("{\"payload\":1}")), "type (JSON pointer /type) is missing");
  EXPECT_EQ(error_of(send("{\"type\":null,\"payload\":1}")), "type (JSON pointer /type) is missing");
  EXPECT_EQ(error_of(send("{\"type\":\"\",\"payload\":1}")), "type (JSON pointer /type) is missing");
  EXPECT_EQ(error_of(send("{\"type\":\"t\"}")), "data (JSON pointer /payload) is missing");
  config.type = {Kind::header, "X-Type"};
  EXPECT_EQ(error_of(send("{\"payload\":1}")), "type (header X-Type) is missing");
  config.stream = {Kind::query, "stream"};
  const Response response = send("{\"payload\":1}");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(error_of(response), "stream (query parameter stream) is missing");
}

TEST_F(CaptureAppend, MetadataFromAPointerIsTheExactTextAndMayBeAbsent) {
  config.metadata = {Kind::json, "/meta"};
  EXPECT_EQ(send(R"({"type":"t","payload":1,"meta":{"n": 1.10}})").status, 201);
  EXPECT_EQ(send(R"({"type":"t","payload":1})").status, 201);
  EXPECT_EQ(send(R"({"type":"t","payload":1,"meta":null})").status, 201);
  EXPECT_EQ(events()[0].event.metadata, R"({"n": 1.10})");
  EXPECT_EQ(events()[1].event.metadata, "");
  EXPECT_EQ(events()[2].event.metadata, "");
}

TEST_F(CaptureAppend, AnIdempotencyKeyMakesRepeatingSafe) {
  const Headers key{{"Idempotency-Key", "order-17"}};
  const std::string body = R"({"type":"t","payload":1})";
  const Response first = send(body, key);
  const Response again = send(body, key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(events().size(), 1U);
  EXPECT_NE(send(body, {{"Idempotency-Key", "order-18"}}).body, first.body);
  const Response elsewhere = send(body, key, "/contacts/43/events");
  EXPECT_NE(at(elsewhere, "/id"), at(first, "/id"));
  EXPECT_EQ(send(body).status, 201);
  EXPECT_EQ(send(body).status, 201);
  EXPECT_EQ(events().size(), 4U);
}

TEST_F(CaptureAppend, TheRoutesIdBeatsTheIdempotencyKey) {
  config.id = {Kind::json, "/id"};
  const Headers key{{"Idempotency-Key", "k"}};
  EXPECT_EQ(at(send(R"({"type":"t","payload":1,"id":")" + id_1 + "\"}", key), "/id"), '"' + id_1 + '"');
  EXPECT_EQ(send(R"({"type":"t","payload":1})", key).status, 201);
  EXPECT_EQ(send(R"({"type":"t","payload":1})", key).status, 201);
  EXPECT_EQ(events().size(), 2U);
  EXPECT_EQ(error_of(send(R"({"type":"t","payload":1,"id":"17"})")), "id (JSON pointer /id) must be a UUID");
}

TEST_F(CaptureAppend, AnArrayOfEventsIsOneAtomicAppend) {
  config.events = {Kind::json, "/events"};
  config.data = {Kind::json, "/data"};
  config.expected_revision = {Kind::json, "/expected"};
  const std::string body =
      R"({"expected":"none","events":[{"type":"a","data":{"n":1.10}},{"type":"b","data":[12345678901234567890]}]})";
  const Response response = send(body, {{"Idempotency-Key", "k"}});
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(at(response, "/revision"), "1");
  ASSERT_EQ(events().size(), 2U);
  EXPECT_EQ(at(response, "/ids/0"), '"' + events()[0].event.id.to_string() + '"');
  EXPECT_EQ(at(response, "/ids/1"), '"' + events()[1].event.id.to_string() + '"');
  EXPECT_EQ(at(response, "/id"), "(nothing)");
  EXPECT_EQ(events()[0].event.data, "{\"n\":1.10}");
  EXPECT_EQ(events()[1].event.data, "[12345678901234567890]");
  EXPECT_NE(events()[0].event.id, events()[1].event.id);
  EXPECT_EQ(send(body, {{"Idempotency-Key", "k"}}).body, response.body);
  EXPECT_EQ(gateway.chosen.appends.size(), 2U);
  EXPECT_EQ(events().size(), 2U);
  config.data = {Kind::body, ""};
  EXPECT_EQ(send(R"({"events":[ {"type":"a", "n":1} ]})").status, 201);
  EXPECT_EQ(events().back().event.data, R"({"type":"a", "n":1})");
}

TEST_F(CaptureAppend, ArraysThatAreNoneOrHaveFaultsWriteNothing) {
  config.events = {Kind::json, "/events"};
  config.data = {Kind::json, "/data"};
  EXPECT_EQ(error_of(send("{}")), "events (JSON pointer /events) must be an array");
  EXPECT_EQ(error_of(send(R"({"events":{"a":1}})")), "events (JSON pointer /events) must be an array");
  EXPECT_EQ(error_of(send(R"({"events":[]})")), "events (JSON pointer /events) is empty");
  EXPECT_EQ(error_of(send(R"({"events":[{"type":"a","data":1},{"data":1}]})")),
            "event 1: type (JSON pointer /type) is missing");
  std::string many = "{\"events\":[0";
  for (int i = 0; i < 10'000; ++i) many += ",0";
  EXPECT_EQ(error_of(send(many + "]}")), "events (JSON pointer /events) has more than 10000");
  EXPECT_TRUE(gateway.chosen.appends.empty());
}

TEST(ExpectedRevisions, CountFromTheBaseAndMayBeQuoted) {
  const auto exact = [](std::uint64_t revision) { return std::optional(ExpectedRevision::exact(revision)); };
  EXPECT_EQ(parse_expected_revision("5", 0), exact(5));
  EXPECT_EQ(parse_expected_revision("5", 1), exact(4));
  EXPECT_EQ(parse_expected_revision("\"5\"", 0), exact(5));
  EXPECT_EQ(parse_expected_revision("-1", 0), ExpectedRevision::no_stream());
  EXPECT_EQ(parse_expected_revision("0", 1), ExpectedRevision::no_stream());
  EXPECT_EQ(parse_expected_revision("none", 1), ExpectedRevision::no_stream());
  EXPECT_EQ(parse_expected_revision("any", 0), ExpectedRevision::any());
  EXPECT_EQ(parse_expected_revision("exists", 0), ExpectedRevision::stream_exists());
  EXPECT_EQ(parse_expected_revision("*", 0), ExpectedRevision::stream_exists());
  EXPECT_EQ(parse_expected_revision(" 9223372036854775807 ", 0), exact(9223372036854775807U));
  for (const std::string text :
       {"", "x", "-2", "5.0", "W/\"5\"", "99999999999999999999", "\"", "-9223372036854775808"}) {
    EXPECT_EQ(parse_expected_revision(text, 0), std::nullopt) << text;
  }
  EXPECT_EQ(parse_expected_revision("-1", 1), std::nullopt);
}

TEST_F(CaptureAppend, TheExpectedRevisionIsCheckedAndConflictsAreInTheClientsBase) {
  config.expected_revision = {Kind::header, "If-Match"};
  config.revision_base = 1;
  const std::string body = R"({"type":"t","payload":1})";
  const Response first = send(body, {{"If-Match", "\"0\""}});
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(at(first, "/revision"), "1");
  EXPECT_EQ(header(first, "ETag"), "\"1\"");
  EXPECT_EQ(send(body, {{"If-Match", header(first, "ETag")}}).status, 201);

  const Response conflict = send(body, {{"If-Match", "\"1\""}});
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(at(conflict, "/error"), "\"wrong expected revision\"");
  EXPECT_EQ(at(conflict, "/stream"), "\"contact-42\"");
  EXPECT_EQ(at(conflict, "/expected"), "1");
  EXPECT_EQ(at(conflict, "/actual"), "2");
  const Response absent = send(body, {{"If-Match", "*"}}, "/contacts/none/events");
  EXPECT_EQ(at(absent, "/expected"), "\"exists\"");
  EXPECT_EQ(at(absent, "/actual"), "null");
  EXPECT_EQ(at(send(body, {{"If-Match", "none"}}), "/expected"), "\"none\"");
  EXPECT_EQ(error_of(send(body, {{"If-Match", "abc"}})),
            "expected_revision (header If-Match) must be a number, any, none or exists");
  EXPECT_EQ(send(body).status, 201);
}

TEST_F(CaptureAppend, EveryFailureOfTheLogHasItsAnswer) {
  struct Outcome {
    FailureCode code;
    int status;
  };
  const std::vector<Outcome> outcomes{{FailureCode::wrong_expected_revision, 409},
                                      {FailureCode::stream_deleted, 410},
                                      {FailureCode::stream_not_found, 404},
                                      {FailureCode::id_conflict, 409},
                                      {FailureCode::rejected, 400},
                                      {FailureCode::unavailable, 503},
                                      {FailureCode::unknown_outcome, 503},
                                      {FailureCode::cancelled, 503}};
  for (const auto& [code, status] : outcomes) {
    gateway.chosen.next_failure = Failure{code, "because of this", {}};
    const Response response = send(R"({"type":"t","payload":1})");
    EXPECT_EQ(response.status, status) << to_string(code);
    EXPECT_EQ(response.headers.has("Retry-After"), status == 503) << to_string(code);
    EXPECT_FALSE(error_of(response).empty()) << to_string(code);
  }
  gateway.chosen.next_failure = Failure{FailureCode::unknown_outcome, "lost", {}};
  EXPECT_NE(error_of(send(R"({"type":"t","payload":1})")).find("Idempotency-Key is safe"), std::string::npos);
}

TEST_F(CaptureAppend, TheMirrorsStateIsTold) {
  gateway.chosen.mirror = MirrorState::pending;
  const Response pending = send(R"({"type":"t","payload":1})");
  EXPECT_EQ(pending.status, 201);
  EXPECT_EQ(header(pending, "Twinstream-Mirror"), "pending");
  gateway.chosen.mirror = MirrorState::none;
  EXPECT_FALSE(send(R"({"type":"t","payload":1})").headers.has("Twinstream-Mirror"));
}

TEST_F(CaptureAppend, TheBackendIsAskedWithTheClientsHeadersAndAllowsByASuccess) {
  config.authorize = "/auth/contacts/{id}";
  const Response response = send(R"({"type":"t","payload":1})",
                                 {{"Authorization", "Bearer x"},
                                  {"Content-Type", "application/json"},
                                  {"Content-Length", "24"},
                                  {"If-Match", "3"},
                                  {"Cookie", "s=1"}},
                                 "/contacts/a%2Fb/events?q=1");
  EXPECT_EQ(response.status, 201);
  ASSERT_EQ(upstream.requests.size(), 1U);
  const Request& question = upstream.requests[0];
  EXPECT_EQ(question.method, "GET");
  EXPECT_EQ(question.target, "/auth/contacts/a%2Fb");
  EXPECT_EQ(question.body, "");
  EXPECT_EQ(question.headers.get("Authorization"), "Bearer x");
  EXPECT_EQ(question.headers.get("Cookie"), "s=1");
  EXPECT_EQ(question.headers.get("X-Original-Method"), "POST");
  EXPECT_EQ(question.headers.get("X-Original-URI"), "/contacts/a%2Fb/events?q=1");
  for (const std::string name : {"Content-Length", "Content-Type", "If-Match"}) {
    EXPECT_FALSE(question.headers.has(name)) << name;
  }
}

TEST_F(CaptureAppend, WhatTheBackendRefusesIsNotWrittenAndItsAnswerIsTheClients) {
  config.authorize = "/auth";
  upstream.answer = [](const Request&) {
    Response refusal = plain_response(403, "not yours");
    refusal.headers.add("X-Reason", "owner");
    return refusal;
  };
  const Response refused = send(R"({"type":"t","payload":1})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body, "not yours");
  EXPECT_EQ(header(refused, "X-Reason"), "owner");
  for (const int status : {302, 304, 500}) {
    upstream.answer = [status](const Request&) { return plain_response(status); };
    EXPECT_EQ(send(R"({"type":"t","payload":1})").status, status);
  }
  upstream.answer = [](const Request&) { return Failure{FailureCode::unavailable, "no connection", {}}; };
  EXPECT_EQ(send(R"({"type":"t","payload":1})").status, 502);
  EXPECT_TRUE(gateway.chosen.appends.empty());
}

}  // namespace
}  // namespace twinstream::http
