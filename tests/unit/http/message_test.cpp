#include "proxy/http/message.h"

#include <gtest/gtest.h>

namespace twinstream::http {
namespace {

TEST(Fields, NamesAreComparedWithoutCase) {
  Fields fields;
  fields.add("X-One", "1");
  EXPECT_EQ(fields.get("x-oNE"), "1");
  EXPECT_TRUE(fields.has("X-ONE"));
  EXPECT_FALSE(fields.has("X-On"));
  EXPECT_FALSE(fields.has("X-One1"));
}

TEST(Fields, GetGivesTheFirst) {
  Fields fields;
  fields.add("A", "1");
  fields.add("a", "2");
  EXPECT_EQ(fields.get("A"), "1");
}

TEST(Fields, SetReplacesEveryFieldOfThatNameInPlace) {
  Fields fields;
  fields.add("A", "1");
  fields.add("B", "2");
  fields.add("a", "3");
  fields.set("A", "new");
  ASSERT_EQ(fields.items().size(), 2u);
  EXPECT_EQ(fields.items()[0].second, "new");
  EXPECT_EQ(fields.items()[1].first, "B");
  fields.set("C", "4");
  EXPECT_EQ(fields.get("c"), "4");
}

TEST(Fields, EraseRemovesEveryFieldOfThatName) {
  Fields fields;
  fields.add("A", "1");
  fields.add("B", "2");
  fields.add("a", "3");
  fields.erase("a");
  ASSERT_EQ(fields.items().size(), 1u);
  EXPECT_EQ(fields.items()[0].first, "B");
}

TEST(Request, TargetIsSplitAtTheFirstQuestionMark) {
  Request request;
  request.target = "/a/b?x=1?2";
  EXPECT_EQ(request.path(), "/a/b");
  EXPECT_EQ(request.query(), "x=1?2");
  request.target = "/a";
  EXPECT_EQ(request.path(), "/a");
  EXPECT_EQ(request.query(), "");
  request.target = "/a?";
  EXPECT_EQ(request.path(), "/a");
  EXPECT_EQ(request.query(), "");
}

TEST(ErrorResponse, IsJsonWithTheTextEscaped) {
  const Response response = error_response(409, "a \"quoted\"\nline");
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.headers.get("content-type"), "application/json");
  EXPECT_EQ(response.body, R"({"error":"a \"quoted\"\nline","status":409})");
}

TEST(PercentEncoding, DecodesBytesAndLeavesMalformedEscapes) {
  EXPECT_EQ(percent_decode("a%20b%2Fc%2f"), "a b/c/");
  EXPECT_EQ(percent_decode("%E2%82%AC"), "\xE2\x82\xAC");
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%2"), "%2");
  EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
}

TEST(PercentEncoding, EncodesEverythingThatIsNotUnreserved) {
  EXPECT_EQ(percent_encode_segment("aZ0-_.~"), "aZ0-_.~");
  EXPECT_EQ(percent_encode_segment("a/b c%"), "a%2Fb%20c%25");
  EXPECT_EQ(percent_encode_segment("\xC3\xA4"), "%C3%A4");
}

TEST(PercentEncoding, DecodingUndoesEncodingForEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode_segment(bytes)), bytes);
}

TEST(QueryValue, FindsTheFirstOfThatNameDecoded) {
  EXPECT_EQ(query_value("a=1&b=2&a=3", "a"), "1");
  EXPECT_EQ(query_value("a=1&b=x%20y+z", "b"), "x y z");
  EXPECT_EQ(query_value("na%6De=v", "name"), "v");
  EXPECT_EQ(query_value("flag", "flag"), "");
  EXPECT_EQ(query_value("flag=", "flag"), "");
  EXPECT_EQ(query_value("a=1=2", "a"), "1=2");
  EXPECT_EQ(query_value("ab=1", "a"), std::nullopt);
  EXPECT_EQ(query_value("", "a"), std::nullopt);
  EXPECT_EQ(query_value("&&a=1", "a"), "1");
}

}  // namespace
}  // namespace twinstream::http
