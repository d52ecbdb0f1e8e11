// The SQL that is made for a table shape.

#include <gtest/gtest.h>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/batch.h"
#include "adapters/postgres/quick_function.h"
#include "adapters/postgres/statements.h"
#include "adapters/postgres/wire.h"
#include "tests/unit/postgres/shapes.h"

namespace twinstream::postgres {
namespace {

Shape mapped_unique() {
  Shape shape = mapped_jsonb();
  shape.revision_indexes = {"events_stream_version"};
  shape.id_indexes = {"events_id"};
  return shape;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Sql, TheAppendFunctionIsNamedAfterItsText) {
  const auto managed = append_function(managed_shape(config_of()));
  EXPECT_EQ(managed.name, append_function(managed_shape(config_of())).name);
  EXPECT_NE(managed.name, append_function(mapped_jsonb()).name);
  Shape other = mapped_jsonb();
  other.where = "not archived";
  EXPECT_NE(append_function(mapped_jsonb()).name, append_function(other).name);
  EXPECT_TRUE(contains(managed.name, "\"twinstream\".\"append_"));
}

TEST(Sql, NoPlaceholderIsLeftInTheFunctions) {
  for (const auto& shape : {managed_shape(config_of()), mapped_unique()}) {
    EXPECT_EQ(append_function(shape).create.find('@'), std::string::npos);
    EXPECT_EQ(quick_function(shape).value().create.find('@'), std::string::npos);
  }
}

TEST(Sql, TheQuickFunctionNeedsUniqueIndexesAndAllRows) {
  EXPECT_TRUE(quick_function(managed_shape(config_of())));
  for (const auto missing : {&Shape::id_indexes, &Shape::revision_indexes}) {
    Shape shape = mapped_unique();
    (shape.*missing).clear();
    EXPECT_FALSE(quick_function(shape));
  }
  Shape part = mapped_unique();
  part.where = "not archived";
  EXPECT_FALSE(quick_function(part));
}

TEST(Sql, NamesAreQuotedEverywhere) {
  Shape shape = mapped_jsonb();
  shape.table = quote_table("Odd Schema.select");
  shape.type = {"Type\"x", "text", false, {}};
  const std::string create = append_function(shape).create;
  EXPECT_TRUE(contains(create, "\"Odd Schema\".\"select\""));
  EXPECT_TRUE(contains(create, "\"Type\"\"x\""));
  EXPECT_TRUE(contains(Statements(shape).forwards, "e.\"Type\"\"x\"::text"));
}

TEST(Sql, RevisionsCountFromTheTablesBase) {
  const Statements statements(mapped_jsonb());
  EXPECT_TRUE(contains(statements.head, "e.\"version\"::bigint - 1"));
  EXPECT_TRUE(contains(statements.stream_range, "e.\"version\" >= $3::bigint + 1"));
}

TEST(Sql, TheWhereAndNullableKeysRestrictEveryRead) {
  Shape shape = mapped_jsonb();
  shape.where = "not archived";
  shape.stream[0].nullable = true;
  const Statements statements(shape);
  for (const auto* sql : {&statements.head, &statements.forwards, &statements.all_forwards, &statements.in_ranges,
                          &statements.heads_first, &statements.predecessors, &statements.places}) {
    EXPECT_TRUE(contains(*sql, "e.\"kind\" is not null and (not archived)")) << *sql;
  }
  EXPECT_FALSE(contains(statements.highest, "archived")) << "the fence is about all rows";
}

TEST(Sql, WithoutAnIndexIdsAreLookedUpInTheirStreamOnly) {
  Shape shape = mapped_jsonb();
  EXPECT_TRUE(contains(append_function(shape).create, "on e.\"event_id\" = i.tw_id::uuid"));
  shape.id_indexed = false;
  EXPECT_FALSE(contains(append_function(shape).create, "on e.\"event_id\" ="));
}

TEST(Sql, ABatchNamesEachStreamOnce) {
  const Shape shape = managed_shape(config_of());
  Event event;
  event.id = EventId::random();
  const AppendRequest first{"a", ExpectedRevision::any(), {event}};
  const AppendRequest second{"b", ExpectedRevision::no_stream(), {}};
  const AppendRequest third{"a", ExpectedRevision::exact(7), {event, event}};
  const auto parameters = encode_batch(shape, {&first, &second, &third});
  ASSERT_EQ(parameters.size(), 14u);
  BinaryArray streams(BinaryArray::Type::text);
  streams.add(std::string_view("a"));
  streams.add(std::string_view("b"));
  EXPECT_EQ(parameters[0], streams.take());
  BinaryArray stream_of_request(BinaryArray::Type::int4), kinds(BinaryArray::Type::int4),
      expected(BinaryArray::Type::int8);
  for (const std::int32_t stream : {1, 2, 1}) stream_of_request.add(stream);
  for (const std::int32_t kind : {kind_any, kind_no_stream, kind_exact}) kinds.add(kind);
  for (const std::int64_t revision : {-1, -1, 7}) expected.add(revision);
  EXPECT_EQ(parameters[2], stream_of_request.take());
  EXPECT_EQ(parameters[3], kinds.take());
  EXPECT_EQ(parameters[4], expected.take());
}

}  // namespace
}  // namespace twinstream::postgres
