#include "proxy/engine/checker.h"

#include "tests/unit/engine/engine_fixture.h"

namespace twinstream {
namespace {

/// The checker is scored against planted faults: each class of fault is put between two otherwise equal stores.
class CheckerTest : public EngineFixture {
 protected:
  CheckReport check() {
    Checker checker(context.get_executor(), clock, postgres, eventstore, comparison);
    CheckOptions options;
    options.patience = std::chrono::milliseconds(0);
    options.streams_in_memory = streams_in_memory;
    return run(checker.run(std::move(options)));
  }

  void both(const std::string& stream, std::vector<Event> ours, std::vector<Event> theirs) {
    const Translation translation = translation_between(postgres, eventstore);
    for (Event& event : ours) event.created = *parse_rfc3339("2024-03-01T12:00:00.000001Z");
    for (Event& event : theirs) {
      if (!event.created) event.created = *parse_rfc3339("2024-03-01T12:00:00.000001Z");
      event = translation.translate({stream, 0, {}, event});
    }
    if (!ours.empty()) ASSERT_TRUE(run(postgres.append({stream, ExpectedRevision::any(), ours})).ok());
    if (!theirs.empty()) ASSERT_TRUE(run(eventstore.append({stream, ExpectedRevision::any(), theirs})).ok());
  }

  void expect_different(const std::string& part) {
    const CheckReport report = check();
    EXPECT_EQ(report.exit_code(), 1) << report.to_text();
    EXPECT_EQ(report.equal + report.different + report.missing + report.extra + report.unknown, report.streams);
    ASSERT_EQ(report.differences.size(), 1u) << report.to_text();
    EXPECT_EQ(report.differences.front().stream, "contact-1");
    EXPECT_NE(report.differences.front().what.find(part), std::string::npos) << report.differences.front().what;
  }

  Comparison comparison = comparison_of(postgres, eventstore);
  std::size_t streams_in_memory = 1000;
  Event a = event("a");
  Event b = event("b");
};

TEST_F(CheckerTest, EqualStoresAreEqualAndSystemEventsAreAccountedFor) {
  both("contact-1", {a, b}, {a, b});
  const Event c = event();
  both("contact-2", {c}, {c});
  write(eventstore, "$system-1");
  const CheckReport report = check();
  EXPECT_EQ(report.exit_code(), 0) << report.to_text();
  EXPECT_EQ(report.streams, 2u);
  EXPECT_EQ(report.equal, 2u);
  EXPECT_EQ(report.skipped.at("system events in eventstore"), 1u);
}

TEST_F(CheckerTest, ManyStreamsAreComparedInPasses) {
  for (int i = 0; i < 100; ++i) {
    const Event one = event();
    both("contact-" + std::to_string(i), {one}, {one});
  }
  streams_in_memory = 20;
  const CheckReport report = check();
  EXPECT_EQ(report.exit_code(), 0) << report.to_text();
  EXPECT_EQ(report.streams, 100u);
}

TEST_F(CheckerTest, SeesAMissingStream) {
  both("contact-1", {a, b}, {});
  expect_different("postgres only");
}

TEST_F(CheckerTest, SeesAnExtraStream) {
  both("contact-1", {}, {a});
  expect_different("eventstore only");
}

TEST_F(CheckerTest, SeesAMissingLastEvent) {
  both("contact-1", {a, b}, {a});
  expect_different("2 events in postgres and 1 in eventstore");
}

TEST_F(CheckerTest, SeesAnExtraEvent) {
  both("contact-1", {a}, {a, b});
  expect_different("1 events in postgres and 2 in eventstore");
}

TEST_F(CheckerTest, SeesTheOrderChanged) {
  both("contact-1", {a, b}, {b, a});
  expect_different("event id");
}

TEST_F(CheckerTest, SeesAnotherId) {
  Event other = a;
  other.id = EventId::random();
  both("contact-1", {a}, {other});
  expect_different("event id");
}

TEST_F(CheckerTest, SeesAnotherType) {
  Event other = a;
  other.type = "c";
  both("contact-1", {a}, {other});
  expect_different("type");
}

TEST_F(CheckerTest, SeesOtherData) {
  Event other = a;
  other.data += " ";
  both("contact-1", {a}, {other});
  expect_different("data");
}

TEST_F(CheckerTest, SeesOtherMetadata) {
  Event other = a;
  other.metadata = R"({"x":1})";
  both("contact-1", {a}, {other});
  expect_different("metadata");
}

TEST_F(CheckerTest, SeesAnotherTime) {
  Event other = a;
  other.created = *parse_rfc3339("2024-03-01T12:00:00.000002Z");
  both("contact-1", {a}, {other});
  expect_different("time");
}

TEST_F(CheckerTest, SeesASoftDeleteAtEventStoreOnly) {
  both("contact-1", {a}, {a});
  ASSERT_TRUE(run(eventstore.soft_delete("contact-1", ExpectedRevision::any())).ok());
  expect_different("soft-deleted in eventstore");
}

TEST_F(CheckerTest, SeesASoftDeleteInPostgresOnly) {
  both("contact-1", {a}, {a});
  ASSERT_TRUE(run(postgres.soft_delete("contact-1", ExpectedRevision::any())).ok());
  expect_different("soft-deleted in postgres");
}

TEST_F(CheckerTest, ComparesJsonByValueWhereAStoreNormalisesIt) {
  Event other = a;
  a.data = R"({"b":1,"a":2})";
  other.data = R"({ "a": 2, "b": 1 })";
  both("contact-1", {a}, {other});
  comparison.exact_bytes = false;
  EXPECT_EQ(check().exit_code(), 0);
}

}  // namespace
}  // namespace twinstream
