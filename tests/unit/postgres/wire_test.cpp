#include "adapters/postgres/wire.h"

#include <gtest/gtest.h>

namespace twinstream::postgres {
namespace {

using namespace std::chrono_literals;
using Type = BinaryArray::Type;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

TEST(Wire, IntegersAreBigEndian) {
  EXPECT_EQ(binary_integer(258), bytes({0, 0, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(binary_integer(-2), bytes({255, 255, 255, 255, 255, 255, 255, 254}));
}

TEST(Wire, TimesCountMicrosecondsFromTheYear2000) {
  EXPECT_EQ(binary_timestamp(*parse_rfc3339("2000-01-01T00:00:00.000001Z")), binary_integer(1));
  EXPECT_EQ(binary_timestamp(*parse_rfc3339("1999-12-31T23:59:59Z")), binary_integer(-1'000'000));
}

TEST(Wire, AnArrayHasItsHeaderAndElements) {
  BinaryArray array(Type::text);
  array.add(std::string_view("hi"));
  array.add(std::string_view(""));
  EXPECT_EQ(array.take(), bytes({0, 0, 0, 1, 0,   0,   0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1,  // header
                                 0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0}));
}

TEST(Wire, AnArrayWithNullSaysSo) {
  BinaryArray array(Type::int4);
  array.add(std::int32_t{7});
  array.add_null();
  EXPECT_EQ(array.take(), bytes({0, 0, 0, 1, 0, 0, 0, 1, 0,   0,   0,   23, 0, 0, 0, 2, 0, 0, 0, 1,  //
                                 0, 0, 0, 4, 0, 0, 0, 7, 255, 255, 255, 255}));
}

TEST(Wire, AnEmptyArrayHasNoDimension) {
  EXPECT_EQ(BinaryArray(Type::int8).take(), bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20}));
}

TEST(Wire, TakingAnArrayEmptiesIt) {
  BinaryArray array(Type::boolean);
  array.add(true);
  array.take();
  EXPECT_EQ(array.size(), 0u);
  EXPECT_EQ(array.take(), BinaryArray(Type::boolean).take());
}

TEST(Wire, ReadsBytea) {
  EXPECT_EQ(parse_bytea("\\x00ff41"), bytes({0, 255, 'A'}));
  EXPECT_EQ(parse_bytea("\\x"), "");
  for (const char* other : {"", "00", "\\x0", "\\xzz", "\\xFF"}) EXPECT_EQ(parse_bytea(other), std::nullopt) << other;
}

TEST(Wire, ReadsTimestampsAsUtc) {
  const auto expected = parse_rfc3339("2024-03-01T12:00:00.123456Z");
  EXPECT_EQ(parse_timestamp("2024-03-01 12:00:00.123456+00"), expected);
  EXPECT_EQ(parse_timestamp("2024-03-01 12:00:00.123456"), expected);
  EXPECT_EQ(parse_timestamp("2024-03-01 12:00:00+00"), parse_rfc3339("2024-03-01T12:00:00Z"));
  for (const char* other : {"infinity", "-infinity", "0044-03-15 12:00:00+00 BC", ""}) {
    EXPECT_EQ(parse_timestamp(other), std::nullopt) << other;
  }
}

TEST(Wire, QuotesNamesAndLiterals) {
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_table("public.Events"), "\"public\".\"Events\"");
  EXPECT_EQ(quote_table("events"), "\"events\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
}

}  // namespace
}  // namespace twinstream::postgres
