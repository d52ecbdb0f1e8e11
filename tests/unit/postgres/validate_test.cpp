#include "adapters/postgres/validate.h"

#include <gtest/gtest.h>

#include "tests/unit/postgres/shapes.h"

namespace twinstream::postgres {
namespace {

using namespace std::string_literals;

const std::string key = "550e8400-e29b-41d4-a716-446655440000";

Event event(std::string data = "{}") {
  Event made;
  made.id = EventId::random();
  made.type = "happened";
  made.data = std::move(data);
  return made;
}

std::string complaint(const Shape& shape, Event event, const std::string& stream = "contact-" + key) {
  const auto failure = unfit(shape, {stream, ExpectedRevision::any(), {std::move(event)}});
  return failure ? failure->reason : "";
}

TEST(Validate, TheManagedTableHoldsAnyBytes) {
  const Shape shape = managed_shape(config_of());
  EXPECT_EQ(complaint(shape, event("\0\xff\xfe"s)), "");
  Event binary = event("x");
  binary.content_type = ContentType::binary;
  binary.metadata = "\0"s;
  EXPECT_EQ(complaint(shape, binary), "");
}

TEST(Validate, NamesAndTypesMustBeTextThatPostgresHolds) {
  const Shape shape = managed_shape(config_of());
  EXPECT_NE(complaint(shape, event(), "a\0b"s).find("zero byte"), std::string::npos);
  EXPECT_NE(complaint(shape, event(), "a\xff").find("UTF-8"), std::string::npos);
  Event bad = event();
  bad.type = "t\0"s;
  EXPECT_NE(complaint(shape, bad).find("type has a zero byte"), std::string::npos);
}

TEST(Validate, NamesMustReadBackAsTheyWereWritten) {
  const Shape shape = mapped_jsonb();
  EXPECT_EQ(complaint(shape, event()), "");
  EXPECT_NE(complaint(shape, event(), "contact").find("does not fit the template"), std::string::npos);
  EXPECT_NE(complaint(shape, event(), "contact-42").find("UUID"), std::string::npos);
  EXPECT_NE(complaint(shape, event(), "contact-550E8400-e29b-41d4-a716-446655440000").find("lower case"),
            std::string::npos);
  EXPECT_NE(complaint(shape, event(), "averylongkind-" + key).find("10 characters"), std::string::npos);
}

TEST(Validate, NumbersMustBeCanonicalAndInRange) {
  Shape shape = mapped_jsonb();
  shape.stream[1] = {"key", "integer", false, {}};
  EXPECT_TRUE(stream_key(shape, "contact-42").ok());
  EXPECT_TRUE(stream_key(shape, "contact--42").ok());
  for (const char* key_text : {"007", "+1", "1 ", "2147483648", "x", "-0"}) {
    EXPECT_TRUE(stream_key(shape, "contact-"s + key_text).failed_with(FailureCode::rejected)) << key_text;
  }
}

TEST(Validate, JsonbTakesOnlyWhatItCanHold) {
  const Shape shape = mapped_jsonb();
  for (const auto& data : {"not json"s, ""s, "{} x"s, R"("\u0000")"s, R"("\ud800")"s, "\"\xff\""s, "\"a\0\""s}) {
    EXPECT_NE(complaint(shape, event(data)), "") << data;
  }
  for (const auto& data : {"1"s, "null"s, R"({"a": [1.50, "ä"]})"s})
    EXPECT_EQ(complaint(shape, event(data)), "") << data;
  Event binary = event("{}");
  binary.content_type = ContentType::binary;
  EXPECT_NE(complaint(shape, binary).find("binary"), std::string::npos);
}

TEST(Validate, JsonTakesAnyJsonText) {
  Shape shape = mapped_jsonb();
  shape.data_storage = Storage::json;
  EXPECT_EQ(complaint(shape, event(R"({"a": 1, "a": "\u0000"})")), "");
  EXPECT_NE(complaint(shape, event("{")), "");
}

TEST(Validate, MetadataMayBeEmptyButMustFit) {
  Shape shape = mapped_jsonb();
  Event with = event();
  with.metadata = "no json";
  EXPECT_NE(complaint(shape, with).find("metadata"), std::string::npos);
  shape.metadata.reset();
  with.metadata = "{}";
  EXPECT_NE(complaint(shape, with).find("metadata_column"), std::string::npos);
  EXPECT_EQ(complaint(shape, event()), "");
}

TEST(Validate, OneAppendMustNotRepeatAnId) {
  const Event twice = event();
  const auto failure = unfit(managed_shape(config_of()), {"s", ExpectedRevision::any(), {twice, twice}});
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, FailureCode::id_conflict);
}

}  // namespace
}  // namespace twinstream::postgres
