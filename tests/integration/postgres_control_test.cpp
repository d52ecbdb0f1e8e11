// The schema, the control store and the lock of the serving process.

#include <gtest/gtest.h>

#include <thread>

#include "adapters/postgres/control_store.h"
#include "adapters/postgres/serve_lock.h"
#include "tests/integration/postgres_fixture.h"

namespace twinstream::test {
namespace {

TEST(Schema, SettingUpAgainAndAtTheSameTimeChangesNothing) {
  const auto config = fresh_config();
  const Cleanup cleanup(config);
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { done += initialise(config).ok(); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 4);
  const auto log = value_of(PostgresLog::open(config));
  ASSERT_TRUE(run(log->append({"s-1", ExpectedRevision::any(), {event()}})).ok());
  EXPECT_TRUE(initialise(config).ok());
  EXPECT_EQ(all_of(*log, "s-1").size(), 1u);
}

TEST(Schema, TheMappedLayoutLeavesTheTableAloneAndMakesNoEventTable) {
  const auto config = mapped_config();
  const Cleanup cleanup(config);
  value_of(initialise(config));
  EXPECT_TRUE(connect(config)
                  .script("select to_regclass('" + in_quotes(config.control_schema) + ".events') is null")
                  .boolean(0, 0));
}

TEST(Schema, ASchemaOfANewerReleaseIsLeftAlone) {
  const auto config = fresh_config();
  const Cleanup cleanup(config);
  value_of(initialise(config));
  connect(config).script("update " + in_quotes(config.control_schema) + ".schema_version set version = 99");
  const auto again = initialise(config);
  ASSERT_TRUE(again.failed_with(FailureCode::rejected));
  EXPECT_NE(again.failure().reason.find("newer"), std::string::npos);
}

class Control : public ::testing::Test {
 protected:
  void SetUp() override { value_of(initialise(config_)); }

  const PostgresConfig config_ = fresh_config();
  const Cleanup cleanup_{config_};
  PgControlStore store_{config_};
};

TEST_F(Control, CategoriesAreGuardedByTheirEpoch) {
  EXPECT_TRUE(value_of(run(store_.load_categories())).empty());
  CategoryState state{Phase::dual_write, false, 1, true, false};
  EXPECT_TRUE(run(store_.save_category("contact", state, 3)).failed_with(FailureCode::wrong_expected_revision));
  EXPECT_TRUE(run(store_.save_category("contact", state, 0)).ok());
  EXPECT_EQ(value_of(run(store_.load_categories())).at("contact"), state);
  const auto stale = run(store_.save_category("contact", state, 0));
  ASSERT_TRUE(stale.failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(stale.failure().actual, 1u);
  state = {Phase::retire, true, 2, true, true};
  EXPECT_TRUE(run(store_.save_category("contact", state, 1)).ok());
  PgControlStore other(config_);
  EXPECT_EQ(value_of(run(other.load_categories())).at("contact"), state);
}

TEST_F(Control, OfTwoWhoRaiseTheSameEpochOneWins) {
  std::vector<Awaitable<Result<Done>>> saves;
  PgControlStore other(config_);
  saves.push_back(store_.save_category("contact", {Phase::observe, false, 1, false, false}, 0));
  saves.push_back(other.save_category("contact", {Phase::observe, true, 1, false, false}, 0));
  const auto answers = run_together(std::move(saves));
  EXPECT_NE(answers[0].ok(), answers[1].ok());
}

TEST_F(Control, CursorsKeepAll64Bits) {
  EXPECT_EQ(value_of(run(store_.load_cursor("tail"))), std::nullopt);
  for (const Position position : {Position{1, 2}, Position::end()}) {
    EXPECT_TRUE(run(store_.save_cursor("tail", position)).ok());
    EXPECT_EQ(value_of(run(store_.load_cursor("tail"))), position);
  }
  EXPECT_EQ(value_of(run(store_.load_cursor("backfill:contact"))), std::nullopt);
  EXPECT_TRUE(run(store_.clear_cursor("tail")).ok());
  EXPECT_EQ(value_of(run(store_.load_cursor("tail"))), std::nullopt);
}

TEST_F(Control, TheFirstDivergenceOfAStreamIsKeptAndTheOldestComeFirst) {
  const auto time = *parse_rfc3339("2024-03-01T12:00:00.123456Z");
  const Divergence late{"b-1", 3, "refused", time + std::chrono::seconds(5)};
  const Divergence early{"a-1", 1, "unknown 'type'", time};
  for (const auto& divergence : {late, early, Divergence{"b-1", 9, "again", time}}) {
    EXPECT_TRUE(run(store_.save_divergence(divergence)).ok());
  }
  EXPECT_EQ(value_of(run(store_.load_divergences(10))), (std::vector{early, late}));
  EXPECT_EQ(value_of(run(store_.load_divergences(1))), (std::vector{early}));
  EXPECT_TRUE(run(store_.clear_divergence("a-1")).ok());
  EXPECT_EQ(value_of(run(store_.load_divergences(10))), (std::vector{late}));
}

TEST_F(Control, StateChangesAreNotedUntilTheyAreForgotten) {
  for (const char* stream : {"a-1", "b-1", "a-1"}) EXPECT_TRUE(run(store_.note_state_change(stream)).ok());
  EXPECT_EQ(value_of(run(store_.load_state_changes())), (std::vector<std::string>{"a-1", "b-1"}));
  EXPECT_TRUE(run(store_.forget_state_change("a-1")).ok());
  EXPECT_EQ(value_of(run(store_.load_state_changes())), (std::vector<std::string>{"b-1"}));
}

TEST_F(Control, TheLastCheckReplacesTheOneBefore) {
  EXPECT_EQ(value_of(run(store_.load_check())), std::nullopt);
  for (const std::string report : {R"({"equal": 1})", R"({"equal":  2})"}) {
    EXPECT_TRUE(run(store_.save_check(report)).ok());
    EXPECT_EQ(value_of(run(store_.load_check())), report);
  }
}

TEST(ServeLock, ASecondOneIsRefusedAndToldWhoServes) {
  const auto config = fresh_config();
  const auto first = value_of(ServeLock::acquire(config));
  EXPECT_TRUE(first->held());
  const auto second = ServeLock::acquire(config, std::chrono::milliseconds(50));
  ASSERT_TRUE(second.failed_with(FailureCode::rejected));
  EXPECT_NE(second.failure().reason.find("connected from 127.0.0.1 since 20"), std::string::npos)
      << second.failure().reason;
  EXPECT_TRUE(ServeLock::acquire(fresh_config(), std::chrono::milliseconds(50)).ok())
      << "another schema is another lock";
}

TEST(ServeLock, EndsWithItsHolder) {
  const auto config = fresh_config();
  value_of(ServeLock::acquire(config)).reset();
  EXPECT_TRUE(ServeLock::acquire(config).ok());
}

TEST(ServeLock, AKilledConnectionIsNoticedAndFreesTheLock) {
  auto config = fresh_config();
  config.url += "?application_name=" + config.control_schema;
  const auto first = value_of(ServeLock::acquire(config));
  auto killer_config = config;
  killer_config.url = cluster_url();
  connect(killer_config)
      .script("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = '" +
              config.control_schema + "'");
  EXPECT_FALSE(first->held());
  EXPECT_TRUE(ServeLock::acquire(config).ok());
  EXPECT_FALSE(first->held());
}

TEST(ServeLock, WaitsForAPredecessorWhoIsAboutToGo) {
  const auto config = fresh_config();
  auto first = value_of(ServeLock::acquire(config));
  Result<std::unique_ptr<ServeLock>> second = Failure{FailureCode::cancelled, "", {}};
  std::thread successor([&] { second = ServeLock::acquire(config, std::chrono::minutes(1)); });
  auto connection = connect(config);
  while (connection.script("select 1 from pg_locks where locktype = 'advisory' and not granted").empty()) {
  }
  first.reset();
  successor.join();
  EXPECT_TRUE(second.ok());
}

}  // namespace
}  // namespace twinstream::test
