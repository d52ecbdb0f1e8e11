#include <gtest/gtest.h>

#include "proxy/core/json.h"

namespace twinstream {
namespace {

struct Fact {
  std::string given;
  std::string printed;
};

void expect_facts(const std::vector<Fact>& facts) {
  for (const Fact& fact : facts) {
    const auto canonical = canonical_json(fact.given);
    ASSERT_TRUE(canonical) << fact.given;
    EXPECT_TRUE(fits_jsonb(fact.given)) << fact.given;
    EXPECT_EQ(*canonical, fact.printed) << fact.given;
    EXPECT_EQ(canonical_json(*canonical), fact.printed) << "canonical text is its own canonical form";
  }
}

void expect_refused(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    EXPECT_FALSE(canonical_json(text)) << text;
    EXPECT_FALSE(fits_jsonb(text)) << text;
  }
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(CanonicalJson, WhitespaceIsThatOfPostgres) {
  expect_facts({{"  [ ]  ", "[]"},
                {"{ }", "{}"},
                {"[1,2 ,\t3]", "[1, 2, 3]"},
                {"\r\n{\"a\":[{},[]] }\n", "{\"a\": [{}, []]}"},
                {"[[],[[]],{\"a\":{}}]", "[[], [[]], {\"a\": {}}]"}});
}

TEST(CanonicalJson, KeysAreSortedByByteLengthThenBytes) {
  expect_facts({{R"({"bb":1,"a":2,"ccc":3,"aa":4})", R"({"a": 2, "aa": 4, "bb": 1, "ccc": 3})"},
                {R"({"é":1,"z":2,"aa":3})", R"({"z": 2, "aa": 3, "é": 1})"},
                {R"({"b":1,"":2})", R"({"": 2, "b": 1})"},
                {R"({"\n\n":1,"abc":2})", R"({"\n\n": 1, "abc": 2})"},
                {R"({"\u0062":1,"a":2})", R"({"a": 2, "b": 1})"}});
}

TEST(CanonicalJson, TheLastOfRepeatedKeysWins) {
  expect_facts({{R"({"a":1,"b":2,"a":3})", R"({"a": 3, "b": 2})"},
                {R"({"a":1,"a":2,"a":{"a":5,"a":6}})", R"({"a": {"a": 6}})"},
                {R"({"a":1,"\u0061":2})", R"({"a": 2})"}});
}

TEST(CanonicalJson, NestedObjectsAreSortedWhateverTheOrderAroundThem) {
  expect_facts(
      {{R"({"a":{"y":1,"x":[{"q":1,"p":{"n":1,"m":2}}]},"b":{"d":1,"c":2}})",
        R"({"a": {"x": [{"p": {"m": 2, "n": 1}, "q": 1}], "y": 1}, "b": {"c": 2, "d": 1}})"},
       {R"({"z":{"b":{"b":1,"a":2},"a":3},"y":[{"b":1,"a":2},{"a":1}],"x":{"k":{"l":1,"j":2}}})",
        R"({"x": {"k": {"j": 2, "l": 1}}, "y": [{"a": 2, "b": 1}, {"a": 1}], "z": {"a": 3, "b": {"a": 2, "b": 1}}})"},
       {R"([{"a":1,"b":{"d":1,"c":1}},{"bb":1,"a":1}])", R"([{"a": 1, "b": {"c": 1, "d": 1}}, {"a": 1, "bb": 1}])"}});
}

TEST(CanonicalJson, NumbersLoseTheirExponentAndKeepTheirScale) {
  expect_facts({{"1e2", "100"},
                {"1E-3", "0.001"},
                {"1.50e1", "15.0"},
                {"1.5e+3", "1500"},
                {"1.50", "1.50"},
                {"1.0", "1.0"},
                {"100e-1", "10.0"},
                {"0.00012e2", "0.012"},
                {"-12.5e-2", "-0.125"},
                {"12345678901234567890", "12345678901234567890"},
                {"0.1234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890"},
                {"-0", "0"},
                {"-0.0", "0.0"},
                {"-0e5", "0"},
                {"0e-3", "0.000"},
                {"-0.000e2", "0.0"},
                {"1e400", "1" + std::string(400, '0')},
                {"1e10000", "1" + std::string(10'000, '0')},
                {"1e131071", "1" + std::string(131'071, '0')}});
}

TEST(CanonicalJson, NumbersThatNumericCannotHoldAreRefused) {
  expect_refused({"1e131072", "1e999999999999999999999", "1e-16384", "1e-999999999", "-1e2147483648"});
}

TEST(CanonicalJson, NumberSyntaxIsStrict) {
  expect_refused({"01", "+1", "1.", ".5", "-", "1e", "1e+", "NaN", "Infinity", "0x1", "1a", "- 1", "1 2"});
}

TEST(CanonicalJson, StringsAreDecodedAndOnlyWhatMustBeIsEscaped) {
  expect_facts({{R"("\u20ac\u00e9")", R"("€é")"},
                {R"("\ud83d\ude00")", "\"\xF0\x9F\x98\x80\""},
                {R"("\/")", R"("/")"},
                {R"("\u0009")", R"("\t")"},
                {R"("\"\\\b\f\n\r\t")", R"("\"\\\b\f\n\r\t")"},
                {R"("\u0001\u001F\u000B")", R"("\u0001\u001f\u000b")"},
                {R"("\u007f\u2028<&")", "\"\x7f\xE2\x80\xA8<&\""},
                {R"("\u0022\u005c")", R"("\"\\")"}});
}

TEST(CanonicalJson, WhatJsonbCannotHoldIsRefused) {
  expect_refused({R"("\u0000")", R"({"\u0000":1})", R"("\ud83d")", R"("\ude00")", R"("\ud83d\ud83d")", R"("\ud83dx")",
                  R"("\ud83d\n")"});
}

TEST(CanonicalJson, MalformedTextIsRefused) {
  expect_refused({"",
                  " ",
                  "\xEF\xBB\xBF{}",
                  "[1,]",
                  "{\"a\":1,}",
                  "{} x",
                  "{}{}",
                  "{'a':1}",
                  "{a:1}",
                  "[",
                  "]",
                  "{",
                  "}",
                  "[}",
                  "{]",
                  "{\"a\"}",
                  "{\"a\":}",
                  "{\"a\" 1}",
                  "{,}",
                  "[,1]",
                  "[1 2]",
                  "\"",
                  "\"\\",
                  "\"\\x\"",
                  "\"\\u12\"",
                  "\"\\u12g4\"",
                  "\"a\nb\"",
                  "tru",
                  "nul",
                  "truefalse",
                  "True",
                  std::string("\0", 1),
                  std::string("[1]\0", 4),
                  std::string("\"\0\"", 3)});
}

TEST(CanonicalJson, TextMustBeUtf8) {
  expect_refused({"\"\xff\"", "\"\xc0\xaf\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                  "\"\xf0\x80\x80\x80\"", "\"\xe2\x82\"", "\"\x80\"", "{\"\xc3\":1}"});
}

TEST(CanonicalJson, ScalarsAreDocumentsToo) {
  expect_facts(
      {{"null", "null"}, {" \"x\" ", "\"x\""}, {"1", "1"}, {"true", "true"}, {"[false,null]", "[false, null]"}});
}

TEST(CanonicalJson, NumbersThatDifferOnlyInScaleStayDifferent) {
  EXPECT_NE(canonical_json("1.0"), canonical_json("1"));
  EXPECT_NE(canonical_json(R"({"a":null})"), canonical_json("{}"));
}

TEST(CanonicalJson, NestingHasABound) {
  EXPECT_TRUE(canonical_json(repeated("[", 4000) + repeated("]", 4000)));
  EXPECT_FALSE(canonical_json(repeated("[", 4001) + repeated("]", 4001)));
  EXPECT_FALSE(canonical_json(repeated("{\"a\":", 1'000'000)));
}

TEST(CanonicalJson, DeepUnsortedObjectsAreSortedAtEveryDepth) {
  constexpr std::size_t depth = 3999;
  const std::string given = repeated(R"({"b":)", depth) + "1" + repeated(R"(,"a":0})", depth);
  const std::string expected = repeated(R"({"a": 0, "b": )", depth) + "1" + repeated("}", depth);
  EXPECT_EQ(canonical_json(given), expected);
}

TEST(CanonicalJson, NumbersCannotBlowADocumentUp) {
  EXPECT_TRUE(canonical_json("[" + repeated("1e131071,", 400) + "1]"));
  EXPECT_FALSE(canonical_json("[" + repeated("1e131071,", 600) + "1]"));
}

TEST(CanonicalJson, ManyKeysAreSorted) {
  std::string given = "{", expected = "{";
  for (int i = 9999; i >= 1000; --i) given += (i == 9999 ? "\"" : ",\"") + std::to_string(i) + "\":1";
  for (int i = 1000; i <= 9999; ++i) expected += (i == 1000 ? "\"" : ", \"") + std::to_string(i) + "\": 1";
  EXPECT_EQ(canonical_json(given + "}"), expected + "}");
}

}  // namespace
}  // namespace twinstream
