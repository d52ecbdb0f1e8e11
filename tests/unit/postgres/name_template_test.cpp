#include "adapters/postgres/name_template.h"

#include <gtest/gtest.h>

namespace twinstream::postgres {
namespace {

using Values = std::vector<std::string>;

NameTemplate made(const std::string& text, const Values& columns) { return NameTemplate::make(text, columns).value(); }

std::string why_not(const std::string& text, const Values& columns) {
  const auto result = NameTemplate::make(text, columns);
  return result.ok() ? "" : result.failure().reason;
}

TEST(NameTemplate, OneColumnWithoutTemplateIsTheNameItself) {
  const auto name = made("", {"stream"});
  EXPECT_TRUE(name.is_plain_column());
  EXPECT_EQ(name.name({"any-thing {x}"}), "any-thing {x}");
  EXPECT_EQ(name.values("any-thing {x}"), Values{"any-thing {x}"});
}

TEST(NameTemplate, LiteralTextSurroundsAColumn) {
  const auto name = made("contact-{id}-v1", {"id"});
  EXPECT_FALSE(name.is_plain_column());
  EXPECT_EQ(name.name({"42"}), "contact-42-v1");
  EXPECT_EQ(name.values("contact-42-v1"), Values{"42"});
  EXPECT_EQ(name.values("contact-a-v1-v1"), Values{"a-v1"});
}

TEST(NameTemplate, NamesOfAnotherFormDoNotFit) {
  const auto name = made("contact-{id}-v1", {"id"});
  for (const char* other : {"", "contact-", "contact-42", "order-42-v1", "contact--v1", "contact-v1", "42"}) {
    EXPECT_EQ(name.values(other), std::nullopt) << other;
  }
}

TEST(NameTemplate, ColumnsAreSplitAtTheFirstSeparator) {
  const auto name = made("{type}-{id}", {"type", "id"});
  EXPECT_EQ(name.values("contact-7"), (Values{"contact", "7"}));
  EXPECT_EQ(name.values("contact-7-8"), (Values{"contact", "7-8"}));
  EXPECT_EQ(name.values("-7"), std::nullopt);
  EXPECT_EQ(name.values("contact-"), std::nullopt);
  EXPECT_EQ(name.values("contact"), std::nullopt);
}

TEST(NameTemplate, ColumnsMayStandInAnotherOrderThanTheyAreListed) {
  const auto name = made("{b}/{a}.x", {"a", "b"});
  EXPECT_EQ(name.name({"1", "2"}), "2/1.x");
  EXPECT_EQ(name.values("2/1.x"), (Values{"1", "2"}));
}

TEST(NameTemplate, WhatItMakesItReadsBack) {
  const auto name = made("t:{a}::{b}-{c}", {"a", "b", "c"});
  for (const Values& values : {Values{"1", "2", "3"}, Values{"ä", "b b", "-"}, Values{"x", "y:z", "::"}}) {
    EXPECT_EQ(name.values(name.name(values)), values);
  }
}

TEST(NameTemplate, SaysWhatIsWrongWithATemplate) {
  EXPECT_NE(why_not("", {}).find("stream_columns"), std::string::npos);
  EXPECT_NE(why_not("", {"a", "b"}).find("template"), std::string::npos);
  EXPECT_NE(why_not("x-{a}", {"a", "b"}).find("every one"), std::string::npos);
  EXPECT_NE(why_not("{a}-{c}", {"a", "b"}).find("{c}"), std::string::npos);
  EXPECT_NE(why_not("{a}{b}", {"a", "b"}).find("between two columns"), std::string::npos);
  EXPECT_NE(why_not("{a}-{a}", {"a"}).find("twice"), std::string::npos);
  EXPECT_NE(why_not("{a", {"a"}).find("no }"), std::string::npos);
}

TEST(NameTemplate, SqlQuotesItsLiterals) {
  EXPECT_EQ(made("it's {a}-{b}", {"a", "b"}).sql({"e.\"a\"::text", "e.\"b\"::text"}),
            "('it''s ' || e.\"a\"::text || '-' || e.\"b\"::text)");
  EXPECT_EQ(made("", {"s"}).sql({"e.\"s\"::text"}), "(e.\"s\"::text)");
}

}  // namespace
}  // namespace twinstream::postgres
