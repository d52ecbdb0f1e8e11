#include "proxy/http/negotiation.h"

#include "proxy/http/event_headers.h"
#include "tests/unit/http/door_fixture.h"

namespace twinstream::http {
namespace {

using namespace door_test;

std::optional<BodyType> type_of(const std::string& content_type) {
  Fields fields;
  fields.add("Content-Type", content_type);
  return body_type(fields);
}

TEST(BodyTypes, AreKnownByExactNameInBothFamilies) {
  EXPECT_EQ(type_of("application/json"), BodyType::json);
  EXPECT_EQ(type_of("application/octet-stream"), BodyType::binary);
  EXPECT_EQ(type_of("text/xml"), BodyType::xml);
  EXPECT_EQ(type_of("application/xml"), BodyType::xml);
  for (const std::string name : {"vnd.eventstore.events+json", "vnd.eventstore.event+json", "vnd.kurrent.events+json",
                                 "vnd.kurrent.event+json"}) {
    EXPECT_EQ(type_of("application/" + name), BodyType::batch) << name;
  }
  for (const std::string name : {"Application/JSON", "text/plain", "", "application/vnd.eventstore.events+xml"}) {
    EXPECT_EQ(type_of(name), std::nullopt) << name;
  }
  EXPECT_EQ(body_type(Fields{}), std::nullopt);
}

TEST(BodyTypes, MustBeInUtf8) {
  EXPECT_EQ(type_of("application/json; charset=utf-8"), BodyType::json);
  EXPECT_EQ(type_of("application/json;charset=\"UTF-8\""), BodyType::json);
  EXPECT_EQ(type_of("application/json; charset=iso-8859-1"), std::nullopt);
}

std::string chosen(const Headers& headers, std::span<const MediaType> offers, const std::string& target = "/x") {
  const auto type = negotiate(make_request("GET", target, headers), offers);
  return type ? std::string(type->name) : "none";
}

TEST(Negotiation, TakesTheBestRangeThatIsOffered) {
  EXPECT_EQ(chosen({}, feed_types()), "application/vnd.eventstore.streamdesc+json");
  EXPECT_EQ(chosen({{"Accept", "*/*"}}, feed_types()), "application/vnd.eventstore.streamdesc+json");
  EXPECT_EQ(chosen({{"Accept", "application/json"}}, feed_types()), "application/json");
  EXPECT_EQ(chosen({{"Accept", "APPLICATION/JSON"}}, feed_types()), "application/json");
  EXPECT_EQ(chosen({{"Accept", "application/vnd.kurrent.atom+json"}}, feed_types()),
            "application/vnd.kurrent.atom+json");
  EXPECT_EQ(chosen({{"Accept", "application/json;q=0.5, application/vnd.eventstore.atom+json;q=0.9"}}, feed_types()),
            "application/vnd.eventstore.atom+json");
  EXPECT_EQ(chosen({{"Accept", "application/atom+xml, application/json;q=0.1"}}, feed_types()), "application/json");
  EXPECT_EQ(chosen({{"Accept", "image/png"}}, feed_types()), "none");
  EXPECT_EQ(chosen({{"Accept", "application/json;q=0"}}, feed_types()), "none");
  EXPECT_EQ(chosen({{"Accept", "application/*"}}, event_types()), "application/vnd.eventstore.atom+json");
  EXPECT_EQ(chosen({{"Accept", "text/html"}}, write_types()), "none");
}

TEST(Negotiation, LetsTheFormatOfTheQueryDecide) {
  EXPECT_EQ(chosen({{"Accept", "image/png"}}, feed_types(), "/x?format=json"), "application/json");
  EXPECT_EQ(chosen({}, feed_types(), "/x?format=atomxj"), "application/vnd.eventstore.atom+json");
  EXPECT_EQ(chosen({}, feed_types(), "/x?format=xml"), "none");
  EXPECT_EQ(chosen({}, feed_types(), "/x?format=nonsense"), "none");
}

TEST(EventHeaders, AreLookedForUnderTheKurrentNameFirst) {
  Fields fields;
  fields.add("ES-EventType", "old");
  EXPECT_EQ(event_header(fields, "EventType"), "old");
  fields.add("Kurrent-EventType", "new");
  EXPECT_EQ(event_header(fields, "EventType"), "new");
}

TEST(EventHeaders, GiveExpectedVersions) {
  EXPECT_EQ(parse_expected_version("0"), ExpectedRevision::exact(0));
  EXPECT_EQ(parse_expected_version("41"), ExpectedRevision::exact(41));
  EXPECT_EQ(parse_expected_version("-1"), ExpectedRevision::no_stream());
  EXPECT_EQ(parse_expected_version("-2"), ExpectedRevision::any());
  EXPECT_EQ(parse_expected_version("-4"), ExpectedRevision::stream_exists());
  for (const std::string text : {"-3", "-5", "-6", "abc", "", "1.0", "99999999999999999999"}) {
    EXPECT_EQ(parse_expected_version(text), std::nullopt) << text;
  }
}

TEST(PublicBase, FollowsTheForwardingFields) {
  const auto base = [](const Headers& headers) { return public_base(make_request("GET", "/", headers).headers); };
  EXPECT_EQ(base({}), "http://db.example:2113");
  EXPECT_EQ(base({{"X-Forwarded-Host", "h.example:8080"}, {"X-Forwarded-Prefix", "p"}}), "http://h.example:8080/p");
  EXPECT_EQ(base({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Port", "8443"}}), "https://db.example:8443");
  EXPECT_EQ(base({{"X-Forwarded-Prefix", "/a/b/"}}), "http://db.example:2113/a/b");
  EXPECT_EQ(public_base(Fields{}), "http://localhost");
}

}  // namespace
}  // namespace twinstream::http
