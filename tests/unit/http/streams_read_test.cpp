#include <algorithm>

#include "proxy/http/json_pointer.h"
#include "proxy/http/json_text.h"
#include "proxy/http/streams_api.h"
#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

const std::string atom = "application/vnd.eventstore.atom+json";
const std::string base = "http://db.example:2113/streams/x";

std::string at(const Response& response, const std::string& pointer) {
  return std::string(json_at(response.body, pointer).value_or("(nothing)"));
}

/// The uri of a link of the feed, without the stream's own URL; "(none)" when there is no such link.
std::string link(const Response& response, const std::string& relation) {
  const std::string array = at(response, "/links");
  const auto links = json_children(array, 100);
  for (const auto& each : *links) {
    if (json_at(each.value, "/relation") != '"' + relation + '"') continue;
    const std::string uri = decode_json_string(*json_at(each.value, "/uri")).value();
    return uri.starts_with(base) ? uri.substr(base.size()) : uri;
  }
  return "(none)";
}

/// The numbers of the entries, in order.
std::string numbers(const Response& response) {
  std::string text;
  const std::string array = at(response, "/entries");
  const auto entries = json_children(array, 5000);
  for (const auto& entry : *entries) {
    const std::string title = decode_json_string(*json_at(entry.value, "/title")).value();
    text += (text.empty() ? "" : " ") + title.substr(0, title.find('@'));
  }
  return text;
}

class StreamsRead : public testing::Test {
 protected:
  Response get(std::string target, Headers headers = {{"Accept", atom}}) {
    return run(api.handle(make_request("GET", std::move(target), std::move(headers))));
  }
  void fill(int count, const std::string& stream = "x") {
    for (int i = 0; i < count; ++i) log.add(stream, json_event(i, "T" + stream));
  }

  ScriptedLog log;
  StreamsApi api{log, {}};
};

TEST_F(StreamsRead, TheHeadFeedOfTwentyFiveEventsHasTheLinksOfTheReference) {
  fill(25);
  const Response feed = get("/streams/x");
  EXPECT_EQ(feed.status, 200);
  EXPECT_EQ(header(feed, "Content-Type"), atom + "; charset=utf-8");
  EXPECT_EQ(header(feed, "Vary"), "Accept");
  EXPECT_EQ(header(feed, "Cache-Control"), "max-age=0, no-cache, must-revalidate");
  EXPECT_EQ(numbers(feed), "24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5");
  EXPECT_EQ(link(feed, "self"), "");
  EXPECT_EQ(link(feed, "first"), "/head/backward/20");
  EXPECT_EQ(link(feed, "next"), "/4/backward/20");
  EXPECT_EQ(link(feed, "last"), "/0/forward/20");
  EXPECT_EQ(link(feed, "previous"), "/25/forward/20");
  EXPECT_EQ(link(feed, "metadata"), "/metadata");
  EXPECT_EQ(at(feed, "/headOfStream"), "true");
  EXPECT_EQ(at(feed, "/selfUrl"), '"' + base + '"');
  EXPECT_EQ(at(feed, "/title"), "\"Event stream 'x'\"");
  EXPECT_EQ(at(feed, "/streamId"), "\"x\"");
  EXPECT_EQ(at(feed, "/author/name"), "\"EventStore\"");
  EXPECT_EQ(at(feed, "/updated"), "\"2024-03-01T12:00:24Z\"");
  EXPECT_EQ(header(feed, "ETag"), '"' + decode_json_string(at(feed, "/eTag")).value() + '"');
}

TEST_F(StreamsRead, APollerBehindTheHeadGetsAnEmptyPageWithoutPrevious) {
  fill(25);
  const Response feed = get("/streams/x/25/forward/20");
  EXPECT_EQ(feed.status, 200);
  EXPECT_EQ(at(feed, "/entries"), "[]");
  EXPECT_EQ(at(feed, "/updated"), "\"0001-01-01T00:00:00Z\"");
  EXPECT_EQ(at(feed, "/eTag"), "null");
  EXPECT_EQ(at(feed, "/selfUrl"), "null");
  EXPECT_EQ(link(feed, "previous"), "(none)");
  EXPECT_EQ(link(feed, "next"), "/24/backward/20");
  EXPECT_EQ(link(feed, "last"), "/0/forward/20");
  EXPECT_EQ(header(feed, "Cache-Control"), "max-age=0, no-cache, must-revalidate");
}

TEST_F(StreamsRead, FollowingTheLinksVisitsEveryEventOnceInBothDirections) {
  fill(25);
  EXPECT_EQ(numbers(get("/streams/x/4/backward/20")), "4 3 2 1 0");
  EXPECT_EQ(link(get("/streams/x/4/backward/20"), "next"), "(none)");
  EXPECT_EQ(link(get("/streams/x/4/backward/20"), "previous"), "/5/forward/20");
  const Response oldest = get("/streams/x/0/forward/20");
  EXPECT_EQ(link(oldest, "next"), "(none)");
  EXPECT_EQ(link(oldest, "last"), "(none)");
  EXPECT_EQ(link(oldest, "previous"), "/20/forward/20");
  EXPECT_EQ(numbers(get("/streams/x/20/forward/20")), "24 23 22 21 20");
  EXPECT_EQ(link(get("/streams/x/20/forward/20"), "previous"), "/25/forward/20");
}

TEST_F(StreamsRead, LargePagesAreWholeInBothDirections) {
  fill(1201);
  const auto count_of = [&](const Response& feed) {
    const std::string array = at(feed, "/entries");
    return json_children(array, 5000)->size();
  };
  const Response forwards = get("/streams/x/100/forward/1000");
  EXPECT_EQ(count_of(forwards), 1000U);
  EXPECT_EQ(at(forwards, "/entries/0/title"), "\"1099@x\"");
  EXPECT_EQ(at(forwards, "/entries/999/title"), "\"100@x\"");
  const Response backwards = get("/streams/x/head/backward/1300");
  EXPECT_EQ(count_of(backwards), 1201U);
  EXPECT_EQ(at(backwards, "/entries/0/title"), "\"1200@x\"");
  EXPECT_EQ(at(backwards, "/entries/1200/title"), "\"0@x\"");
  EXPECT_EQ(count_of(get("/streams/x/1100/backward/1000")), 1000U);
}

TEST_F(StreamsRead, APageOfTooManyBytesIsRefused) {
  Event large = json_event(0);
  large.data = '"' + std::string(4'000'000, 'x') + '"';
  for (int i = 0; i < 20; ++i) {
    large.id = EventId::random();
    log.add("x", large);
  }
  EXPECT_EQ(get("/streams/x").status, 400);
  EXPECT_NE(get("/streams/x").body.find("ask for fewer"), std::string::npos);
  EXPECT_EQ(get("/streams/x/0/forward/2").status, 200);
}

TEST_F(StreamsRead, ForwardPagesSayWhetherTheyReachTheEnd) {
  fill(25);
  EXPECT_EQ(at(get("/streams/x/0/forward/24"), "/headOfStream"), "false");
  EXPECT_EQ(at(get("/streams/x/0/forward/25"), "/headOfStream"), "true");
  EXPECT_EQ(at(get("/streams/x/0/forward/26"), "/headOfStream"), "true");
  const Response page = get("/streams/x/0/forward/5");
  EXPECT_EQ(numbers(page), "4 3 2 1 0");
  EXPECT_EQ(at(page, "/updated"), "\"2024-03-01T12:00:00Z\"");
  EXPECT_EQ(header(page, "Cache-Control"), "max-age=31536000, private");
  EXPECT_EQ(header(page, "ETag"), "(none)");
}

TEST_F(StreamsRead, BackwardPagesByNumberMayBeKept) {
  fill(25);
  const Response page = get("/streams/x/10/backward/5");
  EXPECT_EQ(numbers(page), "10 9 8 7 6");
  EXPECT_EQ(at(page, "/headOfStream"), "false");
  EXPECT_EQ(at(page, "/eTag"), "null");
  EXPECT_EQ(header(page, "Cache-Control"), "max-age=31536000, private");
  EXPECT_EQ(header(page, "ETag"), "(none)");
  EXPECT_EQ(get("/streams/x/10/5").body, page.body);
  const Response beyond = get("/streams/x/30/backward/5");
  EXPECT_EQ(beyond.status, 200);
  EXPECT_EQ(at(beyond, "/entries"), "[]");
  EXPECT_EQ(link(beyond, "next"), "/25/backward/5");
  EXPECT_EQ(link(beyond, "previous"), "/25/forward/5");
  EXPECT_EQ(header(beyond, "Cache-Control"), "max-age=0, no-cache, must-revalidate");
  EXPECT_EQ(numbers(get("/streams/x/26/backward/5")), "24 23 22");
}

TEST_F(StreamsRead, HiddenEventsLeaveHolesAtTheLowerEnd) {
  fill(5);
  ASSERT_TRUE(log.store().soft_delete("x", ExpectedRevision::any()).ok());
  log.add("x", json_event(5));
  log.add("x", json_event(6));
  EXPECT_EQ(numbers(get("/streams/x")), "6 5");
  EXPECT_EQ(link(get("/streams/x"), "next"), "(none)");
  const Response below = get("/streams/x/0/forward/3");
  EXPECT_EQ(numbers(below), "");
  EXPECT_EQ(at(below, "/headOfStream"), "false");
  EXPECT_EQ(link(below, "previous"), "/3/forward/3");
  EXPECT_EQ(numbers(get("/streams/x/3/forward/3")), "5");
  const Response backwards = get("/streams/x/3/backward/2");
  EXPECT_EQ(numbers(backwards), "");
  EXPECT_EQ(link(backwards, "next"), "(none)");
  EXPECT_EQ(get("/streams/x/4").status, 404);
  EXPECT_EQ(get("/streams/x/5").status, 200);
}

TEST_F(StreamsRead, AMatchingTagSavesTheBodyUntilTheStreamGrows) {
  fill(3);
  const std::string tag = header(get("/streams/x"), "ETag");
  const Headers conditional{{"Accept", atom}, {"If-None-Match", tag}};
  const Response unchanged = get("/streams/x", conditional);
  EXPECT_EQ(unchanged.status, 304);
  EXPECT_EQ(unchanged.reason, "Not Modified");
  EXPECT_EQ(unchanged.body, "");
  EXPECT_FALSE(unchanged.headers.has("ETag"));
  EXPECT_FALSE(unchanged.headers.has("Cache-Control"));
  EXPECT_EQ(get("/streams/x/0/forward/1", conditional).status, 304);
  EXPECT_EQ(get("/streams/x", {{"Accept", "application/json"}, {"If-None-Match", tag}}).status, 200);
  EXPECT_EQ(get("/streams/x", {{"Accept", atom}, {"If-None-Match", "W/" + tag}}).status, 200);
  log.add("x", json_event(3));
  EXPECT_EQ(get("/streams/x", conditional).status, 200);
}

TEST_F(StreamsRead, FeedsHaveTheTypeThatWasAskedFor) {
  fill(2);
  EXPECT_EQ(header(get("/streams/x", {{"Accept", "application/json"}}), "Content-Type"),
            "application/json; charset=utf-8");
  EXPECT_EQ(get("/streams/x", {{"Accept", "image/png"}}).status, 406);
  EXPECT_EQ(get("/streams/x", {{"Accept", "image/png"}}).body, "");
  const Response xml = get("/streams/x", {{"Accept", "application/atom+xml"}});
  EXPECT_EQ(xml.status, 406);
  EXPECT_NE(xml.body.find("XML is not served"), std::string::npos);
  EXPECT_EQ(get("/streams/x?format=atomxj", {}).status, 200);
}

TEST_F(StreamsRead, WhoeverDoesNotSayWhatTheyWantGetsADescription) {
  fill(2);
  for (const Headers& headers : {Headers{}, Headers{{"Accept", "*/*"}}}) {
    const Response response = get("/streams/x", headers);
    EXPECT_EQ(response.status, 406);
    EXPECT_EQ(response.reason, "Description Document");
    EXPECT_EQ(at(response, "/_links/stream/href"), "\"/streams/x\"");
    EXPECT_NE(at(response, "/_links/self"), "(nothing)");
  }
  const Headers wanted{{"Accept", "application/vnd.eventstore.streamdesc+json"}};
  EXPECT_EQ(get("/streams/x", wanted).status, 200);
  EXPECT_EQ(get("/streams/never", wanted).status, 200);
  const Response forward = get("/streams/x/0/forward/5", {{"Accept", "*/*"}});
  EXPECT_EQ(forward.status, 200);
  EXPECT_EQ(numbers(forward), "1 0");
}

TEST_F(StreamsRead, EntriesWithoutEmbeddingArePlain) {
  fill(1);
  const Response feed = get("/streams/x");
  const std::string entry = "/entries/0";
  EXPECT_EQ(at(feed, entry + "/title"), "\"0@x\"");
  EXPECT_EQ(at(feed, entry + "/id"), '"' + base + "/0\"");
  EXPECT_EQ(at(feed, entry + "/summary"), "\"Tx\"");
  EXPECT_EQ(at(feed, entry + "/retryCount"), "null");
  EXPECT_EQ(at(feed, entry + "/content"), "null");
  EXPECT_EQ(at(feed, entry + "/links/0/relation"), "\"edit\"");
  EXPECT_EQ(at(feed, entry + "/links/1/relation"), "\"alternate\"");
  EXPECT_EQ(at(feed, entry + "/links/1/type"), "null");
  EXPECT_EQ(at(feed, entry + "/eventId"), "(nothing)");
  EXPECT_EQ(get("/streams/x?embed=PrettyBody").body, feed.body);
}

TEST_F(StreamsRead, EmbeddingGivesDataAsTextOrAsContent) {
  Event event = json_event(1);
  event.data = R"({"n":12345678901234567890,"m":1.10})";
  event.metadata = R"({"by":"ana"})";
  log.add("x", event);
  const Response rich = get("/streams/x?embed=rich");
  EXPECT_EQ(at(rich, "/entries/0/eventType"), "\"Happened\"");
  EXPECT_EQ(at(rich, "/entries/0/eventId"), '"' + event.id.to_string() + '"');
  EXPECT_EQ(at(rich, "/entries/0/eventNumber"), "0");
  EXPECT_EQ(at(rich, "/entries/0/positionEventNumber"), "0");
  EXPECT_EQ(at(rich, "/entries/0/positionStreamId"), "\"x\"");
  EXPECT_EQ(at(rich, "/entries/0/isJson"), "true");
  EXPECT_EQ(at(rich, "/entries/0/isMetaData"), "false");
  EXPECT_EQ(at(rich, "/entries/0/data"), "null");
  EXPECT_EQ(at(rich, "/entries/0/metaData"), "null");

  const Response body = get("/streams/x?embed=Body");
  EXPECT_EQ(decode_json_string(at(body, "/entries/0/data")), event.data);
  EXPECT_EQ(decode_json_string(at(body, "/entries/0/metaData")), event.metadata);
  EXPECT_EQ(at(body, "/entries/0/isMetaData"), "true");
  EXPECT_EQ(at(body, "/entries/0/linkMetaData"), "null");

  const Response pretty = get("/streams/x?embed=pretty");
  EXPECT_EQ(decode_json_string(at(pretty, "/entries/0/data")), pretty_json(event.data));

  const Response content = get("/streams/x?embed=content");
  EXPECT_EQ(at(content, "/entries/0/content/data/n"), "12345678901234567890");
  EXPECT_EQ(at(content, "/entries/0/content/data/m"), "1.10");
  EXPECT_EQ(at(content, "/entries/0/content/metadata/by"), "\"ana\"");
  EXPECT_EQ(at(content, "/entries/0/content/eventStreamId"), "\"x\"");
  EXPECT_EQ(at(content, "/entries/0/eventId"), "(nothing)");
}

TEST_F(StreamsRead, TryHarderShowsTextOfEventsThatAreNoJson) {
  Event event = json_event(1);
  event.content_type = ContentType::binary;
  event.data = R"({"a":1})";
  log.add("x", event);
  event.id = EventId::random();
  event.data = std::string("\x00\xff", 2);
  log.add("x", event);
  const Response body = get("/streams/x?embed=body");
  EXPECT_EQ(at(body, "/entries/1/data"), "null");
  EXPECT_EQ(at(body, "/entries/1/isJson"), "false");
  const Response harder = get("/streams/x?embed=tryharder");
  EXPECT_EQ(decode_json_string(at(harder, "/entries/1/data")), "{\n  \"a\": 1\n}");
  EXPECT_EQ(at(harder, "/entries/1/isJson"), "true");
  EXPECT_EQ(at(harder, "/entries/0/data"), "null");
}

TEST_F(StreamsRead, OneEventComesInEveryRepresentation) {
  Event event = json_event(1, "LineAdded");
  event.data = R"({"sku":"K-9","n":1.10})";
  log.add("x", event);
  const auto as = [&](const std::string& type) { return get("/streams/x/0", {{"Accept", type}}); };
  const Response data = as("application/json");
  EXPECT_EQ(data.body, "{\n  \"sku\": \"K-9\",\n  \"n\": 1.10\n}");
  EXPECT_EQ(header(data, "Cache-Control"), "max-age=31536000, private");
  EXPECT_EQ(header(data, "ETag"), "(none)");
  EXPECT_EQ(as("application/octet-stream").body, event.data);
  EXPECT_EQ(header(as("application/octet-stream"), "Content-Type"), "application/octet-stream");
  const Response envelope = as("application/vnd.kurrent.event+json");
  EXPECT_EQ(header(envelope, "Content-Type"), "application/vnd.kurrent.event+json; charset=utf-8");
  EXPECT_EQ(at(envelope, "/eventType"), "\"LineAdded\"");
  EXPECT_EQ(at(envelope, "/data/n"), "1.10");
  EXPECT_EQ(at(envelope, "/metadata"), "\"\"");
  const Response entry = as(atom);
  EXPECT_EQ(at(entry, "/title"), "\"0@x\"");
  EXPECT_EQ(at(entry, "/content/data/sku"), "\"K-9\"");
  EXPECT_EQ(get("/streams/x/0", {}).body, entry.body);
  const Response head = get("/streams/x/head");
  EXPECT_EQ(head.body, entry.body);
  EXPECT_EQ(header(head, "ETag").substr(0, 3), "\"0;");
}

TEST_F(StreamsRead, DataThatIsNoJsonIsAJsonString) {
  Event event = json_event(1);
  event.content_type = ContentType::binary;
  event.data = "say \"hi\"";
  log.add("x", event);
  EXPECT_EQ(get("/streams/x/0", {{"Accept", "application/json"}}).body, R"("say \"hi\"")");
  EXPECT_EQ(at(get("/streams/x/0"), "/content"), "null");
}

TEST_F(StreamsRead, BadNumbersAndCountsAreTold) {
  fill(1);
  for (const std::string path : {"/head/forward/5", "/abc/backward/5", "/0/forward/0", "/0/forward/-1", "/-1/forward/5",
                                 "/0/forward/x", "/0/forward/4097", "/99999999999999999999", "/1.0", "/-0"}) {
    EXPECT_EQ(get("/streams/x" + path).status, 400) << path;
  }
  EXPECT_EQ(get("/streams/x/abc").body, "'abc' is not valid event number");
  EXPECT_EQ(get("/streams/x/0/forward/0").body, "'0' is not valid count. Should be positive integer");
  EXPECT_EQ(get("/streams/x/9223372036854775807/forward/4096").status, 200);
  EXPECT_EQ(get("/streams/x/9223372036854775807/backward/4096").status, 200);
}

TEST_F(StreamsRead, BadHeadersAreTold) {
  fill(1);
  EXPECT_EQ(get("/streams/x", {{"Accept", atom}, {"ES-ResolveLinkTos", "maybe"}}).status, 400);
  EXPECT_EQ(get("/streams/x", {{"Accept", atom}, {"ES-RequireMaster", "maybe"}}).status, 400);
  for (const std::string seconds : {"0", "-1", "x"}) {
    EXPECT_EQ(get("/streams/x/0/forward/5", {{"Accept", atom}, {"ES-LongPoll", seconds}}).status, 400) << seconds;
  }
  EXPECT_EQ(get("/streams/x/0/forward/5", {{"Accept", atom}, {"ES-LongPoll", "3"}}).status, 200);
}

TEST_F(StreamsRead, MissingAndFailedReadsHaveTheirAnswers) {
  EXPECT_EQ(get("/streams/none").status, 404);
  EXPECT_EQ(get("/streams/none").body, "");
  fill(1);
  EXPECT_EQ(get("/streams/x/999").status, 404);
  log.next_failure = Failure{FailureCode::unavailable, "down", {}};
  const Response down = get("/streams/x");
  EXPECT_EQ(down.status, 503);
  EXPECT_TRUE(down.headers.has("Retry-After"));
  ASSERT_TRUE(log.store().tombstone("x", ExpectedRevision::any()).ok());
  EXPECT_EQ(get("/streams/x").status, 410);
  EXPECT_EQ(get("/streams/x").reason, "Deleted");
}

TEST_F(StreamsRead, LinksShowTheirTargetUnlessTheClientDeclines) {
  fill(2, "y");
  Event link_event = json_event(9, "$>");
  link_event.content_type = ContentType::binary;
  link_event.data = "1@y";
  log.add("z", link_event);
  const Response feed = get("/streams/z/0/forward/1?embed=rich");
  EXPECT_EQ(at(feed, "/entries/0/title"), "\"1@y\"");
  EXPECT_EQ(at(feed, "/entries/0/summary"), "\"$>\"");
  EXPECT_EQ(at(feed, "/entries/0/eventType"), "\"Ty\"");
  EXPECT_EQ(at(feed, "/entries/0/positionStreamId"), "\"z\"");
  EXPECT_EQ(at(get("/streams/z/0", {{"Accept", "application/json"}}), "/n"), "1");
  const Response plain = get("/streams/z/0/forward/1?embed=rich", {{"Accept", atom}, {"ES-ResolveLinkTos", "false"}});
  EXPECT_EQ(at(plain, "/entries/0/title"), "\"0@z\"");
  EXPECT_EQ(at(plain, "/entries/0/eventType"), "\"$>\"");

  ASSERT_TRUE(log.store().tombstone("y", ExpectedRevision::any()).ok());
  const Response lost = get("/streams/z/0/forward/1?embed=rich");
  EXPECT_EQ(at(lost, "/entries/0/title"), "\"1@y\"");
  EXPECT_EQ(at(lost, "/entries/0/eventType"), "(nothing)");
  EXPECT_EQ(get("/streams/z/0").status, 404);
}

TEST_F(StreamsRead, OriginalTimesAreGivenBackOnlyWhenWanted) {
  Event event = json_event(1);
  event.metadata = R"({"by":"ana","$originalCreated":"2019-05-06T07:08:09.250000Z"})";
  log.add("x", event);
  EXPECT_EQ(at(get("/streams/x?embed=body"), "/entries/0/updated"), "\"2024-03-01T12:00:01Z\"");
  const StreamsApi restoring(log, {"/events", true});
  const Response feed = run(restoring.handle(make_request("GET", "/events/x?embed=body", {{"Accept", atom}})));
  EXPECT_EQ(at(feed, "/entries/0/updated"), "\"2019-05-06T07:08:09.25Z\"");
  EXPECT_EQ(decode_json_string(at(feed, "/entries/0/metaData")), R"({"by":"ana"})");
  EXPECT_EQ(at(feed, "/id"), "\"http://db.example:2113/events/x\"");
}

TEST_F(StreamsRead, OnlyItsOwnPathsAreServed) {
  EXPECT_TRUE(api.serves("/streams"));
  EXPECT_TRUE(api.serves("/streams/x"));
  EXPECT_FALSE(api.serves("/streamsX"));
  EXPECT_FALSE(api.serves("/contacts"));
  EXPECT_FALSE(StreamsApi(log, {"", false}).serves("/streams"));
}

}  // namespace
}  // namespace twinstream::http
