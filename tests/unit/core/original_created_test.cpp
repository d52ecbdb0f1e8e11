#include <gtest/gtest.h>

#include "proxy/core/json.h"

namespace twinstream {
namespace {

const Timestamp noon = *parse_rfc3339("2024-03-01T12:00:00.123456Z");
const std::string member = R"("$originalCreated":"2024-03-01T12:00:00.123456Z")";

TEST(JsonObject, IsToldFromEveryOtherValue) {
  for (const char* text : {"{}", " { \"a\" : [ ] } ", R"({"a":"\u0000"})", R"({"a":"\ud83d"})", R"({"a":1,"a":1})"}) {
    EXPECT_TRUE(is_json_object(text)) << text;
  }
  for (const char* text : {"", "[]", "[{}]", "1", "\"{}\"", "null", "{", "{}x", "{\"a\":01}", "{\"\xff\":1}"}) {
    EXPECT_FALSE(is_json_object(text)) << text;
  }
}

TEST(OriginalCreated, IsPutAtTheEndOfTheObject) {
  EXPECT_EQ(with_original_created(R"({"a":1})", noon), R"({"a":1,)" + member + "}");
  EXPECT_EQ(with_original_created("{}", noon), "{" + member + "}");
  EXPECT_EQ(with_original_created("", noon), "{" + member + "}");
  EXPECT_EQ(with_original_created("{\"a\": {\"b\": []} }\n", noon), "{\"a\": {\"b\": []} ," + member + "}\n");
}

TEST(OriginalCreated, IsNotPutIntoAnythingElse) {
  for (const char* text : {"[]", "null", "\"text\"", "{", "{}{}", "not json", "{\"a\":\"\xff\"}", " "}) {
    EXPECT_FALSE(with_original_created(text, noon)) << text;
  }
}

TEST(OriginalCreated, StrippingGivesBackEveryByteThatWasGiven) {
  for (const std::string metadata :
       {"{}", "{ }", " {\n}\n", "{\"a\":1}", "{\"a\":1 }", "{ \"a\" : 1 , \"b\" : [ 1, 2 ] }\n",
        "{\"$originalCreated\":5}", "{\"$originalCreated\":\"2001-01-01T00:00:00.000000Z\"}",
        "{\"x\":{\"$originalCreated\":\"2001-01-01T00:00:00.000000Z\"}}", "{\"a\":\"}\"}", "{\"a\":\"\\\"}\"}",
        "{\"\":\"\",\"a\":1,\"a\":2}", "{\"n\":1e400,\"u\":\"\\u0000\\ud83d\"}"}) {
    const auto carried = with_original_created(metadata, noon);
    ASSERT_TRUE(carried) << metadata;
    const StrippedMetadata stripped = strip_original_created(*carried);
    EXPECT_EQ(stripped.metadata, metadata);
    EXPECT_EQ(stripped.created, noon);
  }
}

TEST(OriginalCreated, MetadataThatWasEmptyComesBackAsAnEmptyObject) {
  const StrippedMetadata stripped = strip_original_created(*with_original_created("", noon));
  EXPECT_EQ(stripped.metadata, "{}");
  EXPECT_EQ(stripped.created, noon);
}

TEST(OriginalCreated, IsFoundAfterTheObjectWasReformatted) {
  const std::string time = R"("$originalCreated" : "2024-03-01T12:00:00.123456Z")";
  EXPECT_EQ(strip_original_created("{ " + time + " , \"a\": 1 }").metadata, "{  \"a\": 1 }");
  EXPECT_EQ(strip_original_created("{\"a\": 1, " + time + ", \"b\": 2}").metadata, "{\"a\": 1, \"b\": 2}");
  EXPECT_EQ(strip_original_created("{\"a\": 1, " + time + ", \"b\": 2}").created, noon);
  EXPECT_EQ(strip_original_created("{ " + time + " }").metadata, "{  }");
}

TEST(OriginalCreated, WhatIsNotOursIsLeftAlone) {
  for (const std::string metadata :
       {"", "{}", "{\"a\":1}", "[]", "{", "{\"$originalCreated\":\"yesterday\"}", "{\"$originalCreated\":null}",
        "{\"a\":{\"$originalCreated\":\"2024-03-01T12:00:00.123456Z\"}}", "[\"$originalCreated\"]",
        "{\"a\":\"$originalCreated\"}"}) {
    const StrippedMetadata stripped = strip_original_created(metadata);
    EXPECT_EQ(stripped.metadata, metadata);
    EXPECT_FALSE(stripped.created) << metadata;
  }
}

TEST(OriginalCreated, ATimeThatItsTextCannotHoldIsNotCarried) {
  const Timestamp far = std::chrono::sys_days{std::chrono::year{12000} / 1 / 1};
  EXPECT_FALSE(with_original_created("{}", far));
}

}  // namespace
}  // namespace twinstream
