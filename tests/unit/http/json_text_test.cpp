#include "proxy/http/json_text.h"

#include <gtest/gtest.h>

#include "proxy/http/json_pointer.h"

namespace twinstream::http {
namespace {

struct Misfit {
  std::string text;
  std::size_t at;
};

TEST(JsonError, NamesTheByteAtWhichTheFirstMisfitBegins) {
  const std::vector<Misfit> misfits{{"", 0},           {"  ", 2},    {"{\"a\": tru}", 6}, {"{\"a\" 1}", 5},
                                    {"[1,,2]", 3},     {"[1 2]", 3}, {"{\"a\":1}x", 7},   {"[1,]", 3},
                                    {"{\"a\":1,}", 7}, {"{,}", 1},   {"\"abc", 0},        {"[1.]", 1},
                                    {"[1:2]", 2},      {"1,", 1},    {"[\"\x80\"]", 1},   {"{\"a\"::1}", 5},
                                    {"nul", 0},        {"[01]", 2},  {"{\"a\":1]", 6},    {"[", 1}};
  for (const auto& [text, at] : misfits) EXPECT_EQ(json_error(text), at) << text;
}

TEST(JsonError, HasNothingToSayAboutJson) {
  for (const std::string text : {"null", " {} ", "[1,2]", "-0.10e+5", "\"\\ud83d\"", "{\"a\":{\"b\":[true,false]}}"}) {
    EXPECT_EQ(json_error(text), std::nullopt) << text;
  }
}

TEST(JsonChildren, AreTheExactTextsOfMembersAndElements) {
  const auto members = json_children(R"( {"a" : 1.10 , "b":{"c": [1, 2]},"d":"x,y"} )", 10);
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 3U);
  EXPECT_EQ((*members)[0].key, "\"a\"");
  EXPECT_EQ((*members)[0].value, "1.10");
  EXPECT_EQ((*members)[1].value, R"({"c": [1, 2]})");
  EXPECT_EQ((*members)[2].value, "\"x,y\"");
  const auto elements = json_children("[[1],2,{}]", 10);
  ASSERT_TRUE(elements);
  EXPECT_EQ((*elements)[0].value, "[1]");
  EXPECT_EQ((*elements)[2].value, "{}");
  EXPECT_TRUE((*elements)[2].key.empty());
}

TEST(JsonChildren, AreRefusedBeyondTheLimitAndForScalars) {
  EXPECT_TRUE(json_children("[1,2]", 2));
  EXPECT_FALSE(json_children("[1,2,3]", 2));
  EXPECT_FALSE(json_children("7", 2));
  EXPECT_FALSE(json_children("[1", 2));
}

TEST(IndentJson, KeepsDigitsOrderAndEscapes) {
  EXPECT_EQ(pretty_json(R"({"b":12345678901234567890,"a":[1.10,{}],"e":[],"s":"é\u0041"})"),
            "{\n  \"b\": 12345678901234567890,\n  \"a\": [\n    1.10,\n    {}\n  ],\n  \"e\": [],\n"
            "  \"s\": \"é\\u0041\"\n}");
  EXPECT_EQ(pretty_json(" 1e5 "), "1e5");
  EXPECT_EQ(pretty_json(pretty_json("[[],[1,[2]]]")), pretty_json("[[],[1,[2]]]"));
}

TEST(IndentJson, DoesNotBlowUpWhatIsNestedDeeply) {
  const std::string deep = std::string(3000, '[') + std::string(3000, ']');
  EXPECT_EQ(indent_json(deep, 1'000'000), std::nullopt);
  EXPECT_EQ(pretty_json(deep), deep);
  EXPECT_EQ(indent_json("[1]", 7), "[\n  1\n]");
  EXPECT_EQ(indent_json("[1]", 6), std::nullopt);
}

TEST(QuoteJson, EscapesControlsAndReplacesWhatIsNoUtf8) {
  EXPECT_EQ(quote_json("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(quote_json("\xff"
                       "é"),
            "\"\xEF\xBF\xBDé\"");
  EXPECT_TRUE(is_json(quote_json(std::string("\0\x7f\xed\xa0\x80", 5))));
}

TEST(DecodeJsonString, UndoesEscapesAndRefusesLoneSurrogates) {
  EXPECT_EQ(decode_json_string(R"("a\u00e9\n\/")"), "aé\n/");
  EXPECT_EQ(decode_json_string(R"("\ud83d\ude00")"), "😀");
  EXPECT_EQ(decode_json_string(R"("\ud83d")"), std::nullopt);
}

TEST(JsonAt, FollowsPointersToTheExactSourceText) {
  const std::string text =
      R"({"a":{"b":[10,{"c": 12345678901234567890 }]},"a/b":1.10,"m~n":"x","":"empty","é":[],"\u0061x":5})";
  EXPECT_EQ(json_at(text, "/a/b/1/c"), "12345678901234567890");
  EXPECT_EQ(json_at(text, "/a/b"), R"([10,{"c": 12345678901234567890 }])");
  EXPECT_EQ(json_at(text, "/a/b/0"), "10");
  EXPECT_EQ(json_at(text, "/a~1b"), "1.10");
  EXPECT_EQ(json_at(text, "/m~0n"), "\"x\"");
  EXPECT_EQ(json_at(text, "/"), "\"empty\"");
  EXPECT_EQ(json_at(text, "/é"), "[]");
  EXPECT_EQ(json_at(text, "/ax"), "5");
  EXPECT_EQ(json_at(text, ""), text);
  EXPECT_EQ(json_at(" 7 ", ""), "7");
}

TEST(JsonAt, FindsNothingOffThePath) {
  const std::string text = R"({"a":{"b":[10]},"x":1})";
  for (const std::string pointer : {"/b", "/a/c", "/a/b/1", "/a/b/00", "/a/b/-", "/x/y", "/a/b/0/z"}) {
    EXPECT_EQ(json_at(text, pointer), std::nullopt) << pointer;
  }
}

TEST(JsonAt, TakesTheLastOfEqualNames) {
  EXPECT_EQ(json_at(R"({"a":1,"a":{"b":2}})", "/a/b"), "2");
  EXPECT_EQ(json_at(R"({"a":{"b":2},"a":1})", "/a/b"), std::nullopt);
  EXPECT_EQ(json_at(R"({"a":{"b":2},"a":{}})", "/a/b"), std::nullopt);
}

TEST(FirstJsonDifference, IsNothingForEqualValuesHoweverTheyAreWritten) {
  EXPECT_EQ(first_json_difference(R"({"b":1,"a":[1, 2]})", R"({ "a":[1,2],"b":1 })"), std::nullopt);
  EXPECT_EQ(first_json_difference(R"("\u0041")", "\"A\""), std::nullopt);
}

TEST(FirstJsonDifference, IsThePointerOfTheFirstPlace) {
  struct Case {
    std::string left, right, pointer;
  };
  const std::vector<Case> cases{
      {R"({"a":1,"b":{"c":[1,2,3]}})", R"({"a":1,"b":{"c":[1,5,3]}})", "/b/c/1"},
      {"[1,2]", "[1]", "/1"},
      {"[12,5]", "[123,5]", "/0"},
      {R"({"a":1,"b":2})", R"({"a":1})", "/b"},
      {R"({"a":12})", R"({"a":123})", "/a"},
      {R"({"x/y":{"~":1}})", R"({"x/y":{"~":2}})", "/x~1y/~0"},
      {R"({"n":12345678901234567890})", R"({"n":12345678901234567891})", "/n"},
      {R"({"n":1.10})", R"({"n":1.1})", "/n"},
      {"[]", "{}", "the whole value"},
      {"no json", "[]", "the whole value"},
  };
  for (const auto& [left, right, pointer] : cases) {
    EXPECT_EQ(first_json_difference(left, right), pointer) << left << " " << right;
    EXPECT_EQ(first_json_difference(right, left), pointer) << right << " " << left;
  }
}

TEST(FirstJsonDifference, IsBoundedAndNeverShowsValues) {
  const std::string key(5000, 'k');
  const auto found = first_json_difference("{\"" + key + "\":\"secret\"}", "{\"" + key + "\":\"other\"}");
  ASSERT_TRUE(found);
  EXPECT_LT(found->size(), 300U);
  EXPECT_EQ(found->find("secret"), std::string::npos);
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  JsonWriter out;
  out.begin_object().key("a").begin_array().number(1).null().begin_object().end_object().end_array();
  out.key("b").string("x").key("c").begin_array().end_array().end_object();
  EXPECT_EQ(out.take(), R"({"a":[1,null,{}],"b":"x","c":[]})");
}

}  // namespace
}  // namespace twinstream::http
