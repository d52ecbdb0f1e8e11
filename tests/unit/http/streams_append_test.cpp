#include "proxy/http/json_pointer.h"
#include "proxy/http/streams_api.h"
#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

const std::string guid_1 = "0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e01";
const std::string id_2 = "0d7f6f0e-5a0f-4d2e-9a57-3c9b4f2a1e02";
const std::string batch_type = "application/vnd.eventstore.events+json";

class StreamsAppend : public testing::Test {
 protected:
  Response send(std::string method, std::string target, Headers headers = {}, std::string body = {}) {
    return run(api.handle(make_request(std::move(method), std::move(target), std::move(headers), std::move(body))));
  }
  Response post(std::string body, Headers headers, std::string target = "/streams/invoice-7") {
    return send("POST", std::move(target), std::move(headers), std::move(body));
  }
  Response post_batch(std::string body, std::string version = "-2") {
    return post(std::move(body), {{"Content-Type", batch_type}, {"ES-ExpectedVersion", std::move(version)}});
  }
  Response post_json(std::string body, std::string id = guid_1, Headers more = {}) {
    Headers headers{{"Content-Type", "application/json"}, {"ES-EventType", "Paid"}, {"ES-EventId", std::move(id)}};
    headers.insert(headers.end(), more.begin(), more.end());
    return post(std::move(body), std::move(headers));
  }
  std::vector<RecordedEvent> events() { return log.events("invoice-7"); }

  ScriptedLog log;
  StreamsApi api{log, {}};
};

const std::string two_in_a_body = R"([{"eventId":")" + guid_1 +
                               R"(","eventType":"InvoiceOpened","data":{"no":7,"total":120},"metadata":{"by":"ana"}},
 {"eventId":")" + id_2 + R"(","eventType":"LineAdded","data":{"sku":"K-9"}}])";

void expect_refusal(const Response& response, int status, std::string_view reason, std::string_view text) {
  EXPECT_EQ(response.status, status) << text;
  EXPECT_EQ(response.reason, reason) << text;
  EXPECT_NE(response.body.find(text), std::string::npos) << response.body;
}

TEST_F(StreamsAppend, ABatchOnANewStreamAnswersCreatedWithTheFirstEventsPlace) {
  const Response response = post_batch(two_in_a_body, "-1");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.reason, "Created");
  EXPECT_EQ(header(response, "Location"), "http://db.example:2113/streams/invoice-7/0");
  EXPECT_EQ(header(response, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(response.body, "");
  ASSERT_EQ(events().size(), 2U);
  EXPECT_EQ(events()[0].event.id.to_string(), guid_1);
  EXPECT_EQ(events()[0].event.type, "InvoiceOpened");
  EXPECT_EQ(events()[0].event.data, "{\n  \"no\": 7,\n  \"total\": 120\n}");
  EXPECT_EQ(events()[0].event.metadata, "{\n  \"by\": \"ana\"\n}");
  EXPECT_EQ(events()[1].event.metadata, "");
}

TEST_F(StreamsAppend, RepeatingARequestGivesTheSameAnswerAndWritesNothing) {
  const Response first = post_batch(two_in_a_body, "-1");
  const Response second = post_batch(two_in_a_body, "-1");
  EXPECT_EQ(second.status, 201);
  EXPECT_EQ(header(second, "Location"), header(first, "Location"));
  EXPECT_EQ(events().size(), 2U);
  const Response single = post_json("{}", id_2);
  EXPECT_EQ(single.status, 201);
  EXPECT_EQ(header(single, "Location"), "http://db.example:2113/streams/invoice-7/1");
  EXPECT_EQ(events().size(), 2U);
}

TEST_F(StreamsAppend, DataOfAJsonRequestIsKeptByteForByte) {
  const std::string data = " {\"amount\":1.10,\"big\":12345678901234567890 ,\"a\":1e2}\n";
  EXPECT_EQ(post_json(data).status, 201);
  ASSERT_EQ(events().size(), 1U);
  EXPECT_EQ(events()[0].event.data, data);
  EXPECT_EQ(events()[0].event.type, "Paid");
  EXPECT_EQ(events()[0].event.content_type, ContentType::json);
}

TEST_F(StreamsAppend, NumbersInABatchKeepTheirDigits) {
  const std::string body =
      R"([{"eventId":")" + guid_1 + R"(","eventType":"T","data":{"n":12345678901234567890,"m":1.10,"e":1E3}}])";
  EXPECT_EQ(post_batch(body).status, 201);
  EXPECT_EQ(events()[0].event.data, "{\n  \"n\": 12345678901234567890,\n  \"m\": 1.10,\n  \"e\": 1E3\n}");
}

TEST_F(StreamsAppend, BinaryAndXmlAreStoredAsSentAndAreNoJson) {
  const std::string bytes("\x00\xff{", 3);
  Headers headers{{"Content-Type", "application/octet-stream"}, {"ES-EventType", "Raw"}, {"ES-EventId", guid_1}};
  EXPECT_EQ(post(bytes, headers).status, 201);
  headers[0].second = "text/xml";
  headers[2].second = id_2;
  EXPECT_EQ(post("<a/>", headers).status, 201);
  ASSERT_EQ(events().size(), 2U);
  EXPECT_EQ(events()[0].event.data, bytes);
  EXPECT_EQ(events()[0].event.content_type, ContentType::binary);
  EXPECT_EQ(events()[1].event.data, "<a/>");
  EXPECT_EQ(events()[1].event.content_type, ContentType::binary);
}

TEST_F(StreamsAppend, JsonThatIsNotJsonIsRefusedWithItsPlace) {
  expect_refusal(post_json("{\"a\": tru}"), 400, "Bad Request", "byte 6");
  expect_refusal(post_json(""), 400, "Bad Request", "byte 0");
  expect_refusal(post_batch("[{\"eventId\":}]"), 400, "Bad Request", "byte 12");
  EXPECT_TRUE(log.appends.empty());
}

struct BatchValue {
  std::string value;
  std::string stored;
  bool json;
};

TEST_F(StreamsAppend, ValuesOfABatchBecomeBytesAsTheReferenceMakesThem) {
  const std::vector<BatchValue> values{{R"({"a":1})", "{\n  \"a\": 1\n}", true},
                                       {"[1]", "[\n  1\n]", true},
                                       {R"("{\"a\":1}")", "{\n  \"a\": 1\n}", true},
                                       {R"("{a}")", "{a}", false},
                                       {R"("plain é")", "plain é", false},
                                       {"5", "", false},
                                       {"true", "", false},
                                       {"null", "", false}};
  int number = 0;
  for (const auto& [value, stored, json] : values) {
    const std::string id = EventId::derive(std::to_string(++number)).to_string();
    const std::string body = R"([{"EVENTID":")" + id + R"(","EventType":"T","DATA":)" + value + "}]";
    ASSERT_EQ(post_batch(body).status, 201) << value;
    EXPECT_EQ(events().back().event.data, stored) << value;
    EXPECT_EQ(events().back().event.content_type, json ? ContentType::json : ContentType::binary) << value;
  }
  const std::string with_metadata = R"([{"eventId":")" + guid_1 + R"(","eventType":"T","metadata":{"m":1}}])";
  ASSERT_EQ(post_batch(with_metadata).status, 201);
  EXPECT_EQ(events().back().event.data, "");
  EXPECT_EQ(events().back().event.content_type, ContentType::json);
}

TEST_F(StreamsAppend, BatchesThatAreNoArraysOfEventsAreRefusedAndWriteNothing) {
  const std::vector<std::pair<std::string, std::string>> bodies{
      {R"({"eventId":")" + guid_1 + R"(","eventType":"T"})", "Write request body invalid."},
      {"[]", "Write request body invalid."},
      {"", "Write request body invalid."},
      {"[1]", "Write request body invalid."},
      {"[[]]", "Write request body invalid."},
      {R"([{"eventType":"T"}])", "Empty eventId provided."},
      {R"([{"eventId":"00000000-0000-0000-0000-000000000000","eventType":"T"}])", "Empty eventId provided."},
      {R"([{"eventId":"nonsense","eventType":"T"}])", "not a UUID"},
      {R"([{"eventId":")" + guid_1 + R"("}])", "Empty eventType provided."},
      {R"([{"eventId":")" + guid_1 + R"(","eventType":"T"},{"eventId":")" + id_2 + R"("}])", "Empty eventType provided."},
  };
  for (const auto& [body, text] : bodies) expect_refusal(post_batch(body), 400, "Bad Request", text);
  EXPECT_TRUE(log.appends.empty());
}

TEST_F(StreamsAppend, RequestFaultsAreAnsweredInTheOrderOfTheReference) {
  const Headers none;
  const Headers json{{"Content-Type", "application/json"}};
  Headers typed = json;
  typed.emplace_back("ES-EventType", "T");
  Headers bad_id = typed;
  bad_id.emplace_back("ES-EventId", "zzz");
  Headers good_id = typed;
  good_id.emplace_back("ES-EventId", guid_1);
  Headers bad_version = good_id;
  bad_version.emplace_back("ES-ExpectedVersion", "abc");
  Headers bad_leader = good_id;
  bad_leader.emplace_back("ES-RequireMaster", "maybe");
  expect_refusal(post("{", none), 415, "Invalid or missing Content-Type", "");
  expect_refusal(post("{", {{"Content-Type", "application/json; charset=latin1"}}), 415,
                 "Invalid or missing Content-Type", "");
  Headers no_answer = good_id;
  no_answer.emplace_back("Accept", "text/html");
  expect_refusal(post("{", no_answer), 406, "Requested URI is not available in requested format", "");
  expect_refusal(post("{", good_id, "/streams/"), 400, "Bad Request", "stream name");
  expect_refusal(post("{", json), 400, "Bad Request", "ES-EventType");
  expect_refusal(post("{", bad_id), 400, "Bad Request", "ES-EventId header in wrong format.");
  EXPECT_EQ(post("{", typed).status, 307);
  expect_refusal(post("{", bad_version), 400, "Bad Request", "ES-ExpectedVersion header in wrong format.");
  expect_refusal(post("{", bad_leader), 400, "Bad Request", "ES-RequireLeader");
  expect_refusal(post("{", good_id), 400, "Bad Request", "not JSON at byte 1");
  EXPECT_EQ(header(post("{", json), "Content-Type"), "text/plain");
  EXPECT_TRUE(log.appends.empty());
}

TEST_F(StreamsAppend, TheNilIdAndVersionsBeyondTheTableAreRefused) {
  expect_refusal(post_json("{}", "00000000-0000-0000-0000-000000000000"), 400, "Bad Request", "ES-EventId");
  for (const std::string version : {"-3", "-6", "1.5", ""}) {
    expect_refusal(post_json("{}", guid_1, {{"ES-ExpectedVersion", version}}), 400, "Bad Request", "ES-ExpectedVersion");
  }
}

TEST_F(StreamsAppend, ARawBodyWithoutAnIdIsSentToAUrlWhereRepeatingIsSafe) {
  const Headers headers{{"Content-Type", "application/json"}, {"ES-EventType", "InvoicePaid"}};
  const Response redirect = post("{\"paid\":120}", headers);
  EXPECT_EQ(redirect.status, 307);
  EXPECT_EQ(redirect.body, "Forwarding to idempotent URI");
  const std::string base = "http://db.example:2113";
  const std::string location = header(redirect, "Location");
  ASSERT_EQ(location.find(base + "/streams/invoice-7/incoming/"), 0U) << location;
  const std::string path = location.substr(base.size());

  const Response first = post("{\"paid\":120}", headers, path);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(header(first, "Location"), base + "/streams/invoice-7/0");
  const Response again = post("{\"paid\":120}", headers, path);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(header(again, "Location"), base + "/streams/invoice-7/0");
  EXPECT_EQ(events().size(), 1U);
}

TEST_F(StreamsAppend, TheIdempotentUrlRefusesWhatTheReferenceRefuses) {
  const std::string path = "/streams/invoice-7/incoming/";
  const Headers json{{"Content-Type", "application/json"}, {"ES-EventType", "T"}};
  EXPECT_EQ(post("{}", json, path + "not-a-guid").status, 400);
  EXPECT_EQ(post(two_in_a_body, {{"Content-Type", batch_type}}, path + guid_1).status, 415);
  EXPECT_EQ(post("x", {{"Content-Type", "application/octet-stream"}, {"ES-EventType", "T"}}, path + guid_1).status, 415);
  expect_refusal(post("{}", {{"Content-Type", "application/json"}}, path + guid_1), 400, "Bad Request",
                 "Empty eventType provided.");
  EXPECT_EQ(send("GET", path + guid_1).status, 405);
  EXPECT_TRUE(log.appends.empty());
}

TEST_F(StreamsAppend, AVersionConflictTellsTheCurrentVersionUnderBothNames) {
  ASSERT_EQ(post_batch(two_in_a_body, "-1").status, 201);
  const Response conflict = post_json("{}", EventId::random().to_string(), {{"ES-ExpectedVersion", "0"}});
  EXPECT_EQ(conflict.status, 400);
  EXPECT_EQ(conflict.reason, "Wrong expected EventNumber");
  EXPECT_EQ(header(conflict, "ES-CurrentVersion"), "1");
  EXPECT_EQ(header(conflict, "Kurrent-CurrentVersion"), "1");
  EXPECT_EQ(conflict.body, "");
  for (const std::string version : {"5", "-4"}) {
    const Response missing = post("{}",
                                  {{"Content-Type", "application/json"},
                                   {"Kurrent-EventType", "T"},
                                   {"Kurrent-EventId", guid_1},
                                   {"Kurrent-ExpectedVersion", version}},
                                  "/streams/none-1");
    EXPECT_EQ(header(missing, "ES-CurrentVersion"), "-1");
  }
}

struct Outcome {
  FailureCode code;
  int status;
  std::string reason;
};

TEST_F(StreamsAppend, EveryFailureOfTheLogHasItsAnswer) {
  const std::vector<Outcome> outcomes{{FailureCode::wrong_expected_revision, 400, "Wrong expected EventNumber"},
                                      {FailureCode::stream_deleted, 410, "Stream deleted"},
                                      {FailureCode::stream_not_found, 404, "Not Found"},
                                      {FailureCode::id_conflict, 409, ""},
                                      {FailureCode::rejected, 400, "Bad Request"},
                                      {FailureCode::unavailable, 503, "Server Is Not Ready"},
                                      {FailureCode::unknown_outcome, 500, "Write timeout"},
                                      {FailureCode::cancelled, 503, "Server Is Not Ready"}};
  for (const auto& [code, status, reason] : outcomes) {
    log.next_failure = Failure{code, "because of this", {}};
    const Response response = post_json("{}");
    EXPECT_EQ(response.status, status) << to_string(code);
    EXPECT_EQ(response.reason, reason) << to_string(code);
    EXPECT_EQ(response.headers.has("Retry-After"), status == 503) << to_string(code);
  }
  log.next_failure = Failure{FailureCode::unknown_outcome, "lost", {}};
  EXPECT_NE(post_json("{}").body.find("is safe"), std::string::npos);
  log.next_failure = Failure{FailureCode::rejected, "because of this", {}};
  EXPECT_EQ(post_json("{}").body, "because of this");
  log.next_failure = Failure{FailureCode::id_conflict, "id is taken", {}};
  EXPECT_EQ(json_at(post_json("{}").body, "/error"), "\"id is taken\"");
}

TEST_F(StreamsAppend, TheMirrorsStateIsToldWithoutTurningSuccessIntoAnError) {
  EXPECT_FALSE(post_json("{}", EventId::random().to_string()).headers.has("Twinstream-Mirror"));
  log.mirror = MirrorState::pending;
  const Response pending = post_json("{}", EventId::random().to_string());
  EXPECT_EQ(pending.status, 201);
  EXPECT_EQ(header(pending, "Twinstream-Mirror"), "pending");
  log.mirror = MirrorState::done;
  EXPECT_EQ(header(post_json("{}", EventId::random().to_string()), "Twinstream-Mirror"), "done");
}

TEST_F(StreamsAppend, AnEventOverFourMebibytesIsRefusedAndNotWritten) {
  const std::string fits = '"' + std::string(4 * 1024 * 1024 - 2, 'x') + '"';
  EXPECT_EQ(post_json(fits).status, 201);
  expect_refusal(post_json(' ' + fits), 413, "Too large events received. Limit is 4mb", "");
  EXPECT_EQ(log.appends.size(), 1U);
}

TEST_F(StreamsAppend, NestingCannotBlowUpABatch) {
  const auto element = [](std::size_t depth) {
    return R"({"eventType":"T","eventId":")" + EventId::random().to_string() + R"(","data":)" +
           std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  expect_refusal(post_batch("[" + element(3000) + "]"), 413, "Too large events received. Limit is 4mb", "");
  std::string many = element(1000);
  for (int i = 0; i < 20; ++i) many += "," + element(1000);
  expect_refusal(post_batch("[" + many + "]"), 413, "Too large batch received. Limit is 32mb", "");
  EXPECT_EQ(post_batch("[" + element(100) + "]").status, 201);
}

TEST_F(StreamsAppend, NamesAreDecodedFromAndEncodedIntoUrls) {
  const Response response =
      post("{}", {{"Content-Type", "application/json"}, {"ES-EventType", "T"}, {"ES-EventId", guid_1}},
           "/streams/caf%C3%A9%2F1%40b");
  EXPECT_EQ(header(response, "Location"), "http://db.example:2113/streams/caf%C3%A9%2F1%40b/0");
  EXPECT_EQ(log.events("café/1@b").size(), 1U);
}

TEST_F(StreamsAppend, SoftAndHardDeletesEndAsTheReferenceSays) {
  ASSERT_EQ(post_batch(two_in_a_body).status, 201);
  const Response soft = send("DELETE", "/streams/invoice-7");
  EXPECT_EQ(soft.status, 204);
  EXPECT_EQ(soft.reason, "Stream deleted");
  EXPECT_EQ(soft.body, "");
  EXPECT_EQ(send("DELETE", "/streams/invoice-7").status, 204);
  EXPECT_EQ(send("GET", "/streams/invoice-7/0").status, 404);
  const Response revived = post_json("{}", EventId::random().to_string());
  EXPECT_EQ(header(revived, "Location"), "http://db.example:2113/streams/invoice-7/2");

  const Response conflict = send("DELETE", "/streams/invoice-7", {{"ES-ExpectedVersion", "0"}});
  EXPECT_EQ(conflict.status, 400);
  EXPECT_EQ(header(conflict, "ES-CurrentVersion"), "2");
  EXPECT_EQ(send("DELETE", "/streams/invoice-7", {{"ES-HardDelete", "maybe"}}).status, 400);
  EXPECT_EQ(send("DELETE", "/streams/invoice-7", {{"Accept", "text/html"}}).status, 406);
  EXPECT_EQ(send("DELETE", "/streams/invoice-7", {{"ES-HardDelete", "True"}}).status, 204);
  expect_refusal(send("DELETE", "/streams/invoice-7"), 410, "Stream deleted", "");
  expect_refusal(post_json("{}", id_2), 410, "Stream deleted", "");
  expect_refusal(send("GET", "/streams/invoice-7/0"), 410, "Deleted", "");

  const Response missing = send("DELETE", "/streams/never-1");
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(header(missing, "ES-CurrentVersion"), "-1");
  EXPECT_EQ(send("DELETE", "/streams/never-1", {{"Kurrent-HardDelete", "true"}}).status, 204);
}

TEST_F(StreamsAppend, TrailingSlashesAreRedirectedForEver) {
  for (const std::string method : {"POST", "GET", "DELETE"}) {
    const Response response = send(method, "/streams/invoice-7/?embed=body");
    EXPECT_EQ(response.status, 307) << method;
    EXPECT_EQ(header(response, "Location"), "http://db.example:2113/streams/invoice-7");
    EXPECT_EQ(header(response, "Cache-Control"), "max-age=31536000, public");
    EXPECT_EQ(response.body, "Moved Permanently");
  }
}

TEST_F(StreamsAppend, WrongMethodsAndPathsAreTold) {
  for (const std::string method : {"HEAD", "PUT", "PATCH"}) {
    const Response response = send(method, "/streams/invoice-7");
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(header(response, "Access-Control-Allow-Methods"), "POST, DELETE, GET, OPTIONS");
    EXPECT_EQ(send(method, "/streams/invoice-7/").status, 405) << method;
  }
  EXPECT_EQ(send("POST", "/streams/invoice-7/3").status, 405);
  EXPECT_EQ(send("OPTIONS", "/streams/invoice-7").status, 200);
  for (const std::string path : {"/streams", "/streams/", "/streams/a/1/sideways/5", "/streams/a/1/forward/5/6",
                                 "/streams/$all", "/streams/%24all/head/backward/5", "/streams/a/metadata"}) {
    EXPECT_EQ(send("GET", path).status, 404) << path;
  }
}

}  // namespace
}  // namespace twinstream::http
