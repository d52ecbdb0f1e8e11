#include "tests/unit/engine/engine_fixture.h"

namespace twinstream {
namespace {

using PhasesTest = EngineFixture;

AppendRequest one(const std::string& stream, Event event) { return {stream, ExpectedRevision::any(), {std::move(event)}}; }

TEST_F(PhasesTest, ALiveEventBringsTheWholeHistoryOfItsStreamAlong) {
  write(postgres, "contact-1", 3);
  open(category("contact", Phase::dual_write));
  ASSERT_TRUE(reaches(Phase::dual_write));
  auto appended = run(engine->log().append(one("contact-1", event())));
  ASSERT_TRUE(appended.ok());
  EXPECT_EQ(*appended->revision, 3u);
  EXPECT_TRUE(eventually([&] { return ids(eventstore, "contact-1").size() == 4; }));
  EXPECT_TRUE(same("contact-1"));
}

TEST_F(PhasesTest, NothingIsMirroredWhileObserving) {
  open(category("contact", Phase::observe));
  ASSERT_TRUE(run(engine->log().append(one("contact-1", event()))).ok());
  EXPECT_EQ(ids(postgres, "contact-1").size(), 1u);
  EXPECT_TRUE(ids(eventstore, "contact-1").empty());
}

TEST_F(PhasesTest, WritesThatBypassTheProxyAreFoundByTheTail) {
  open(category("contact", Phase::dual_write));
  ASSERT_TRUE(reaches(Phase::dual_write));
  write(postgres, "contact-7", 2);
  EXPECT_TRUE(eventually([&] { return ids(eventstore, "contact-7").size() == 2; }));
}

TEST_F(PhasesTest, WalksFromObserveToRetireAndBackUnderTheSameStreams) {
  write(postgres, "contact-1", 3);
  write(postgres, "contact-2", 600);
  open(category("contact", Phase::retire));
  ASSERT_TRUE(reaches(Phase::retire));
  EXPECT_TRUE(same("contact-1"));
  EXPECT_TRUE(same("contact-2"));
  const auto state = engine->status().categories.front().state;
  EXPECT_TRUE(state.eventstore_is_authority);
  EXPECT_EQ(state.epoch, 1u);

  auto appended = run(engine->log().append(one("contact-1", event())));
  ASSERT_TRUE(appended.ok());
  EXPECT_EQ(ids(eventstore, "contact-1").size(), 4u);
  EXPECT_EQ(engine->status().categories.front().written, 1u);
  EXPECT_TRUE(eventually([&] { return ids(postgres, "contact-1").size() == 4; }));

  wish(category("contact", Phase::observe));
  ASSERT_TRUE(reaches(Phase::observe));
  EXPECT_FALSE(engine->status().categories.front().state.eventstore_is_authority);
  EXPECT_EQ(engine->status().categories.front().state.epoch, 2u);
  EXPECT_TRUE(same("contact-1"));
}

TEST_F(PhasesTest, WithoutRollbackPostgresIsBroughtUpOnTheWayBack) {
  write(postgres, "contact-1", 2);
  auto config = category("contact", Phase::retire);
  config.rollback = false;
  open(config);
  ASSERT_TRUE(reaches(Phase::retire));
  ASSERT_TRUE(run(engine->log().append(one("contact-1", event()))).ok());
  ASSERT_TRUE(run(engine->log().append(one("contact-9", event()))).ok());
  EXPECT_EQ(ids(postgres, "contact-1").size(), 2u);
  config.phase = Phase::read_switch;
  wish(config);
  ASSERT_TRUE(reaches(Phase::read_switch));
  EXPECT_TRUE(same("contact-1"));
  EXPECT_TRUE(same("contact-9"));
}

TEST_F(PhasesTest, AStreamThatWasWrittenSeparatelyKeepsTheReadSwitchClosedAndSaysWhy) {
  write(postgres, "contact-1", 2);
  write(eventstore, "contact-1", 1);
  write(postgres, "contact-2", 2);
  open(category("contact", Phase::read_switch));
  ASSERT_TRUE(eventually([&] {
    const auto status = engine->status();
    return !status.divergences.empty() && !status.categories.front().waiting_for.empty() &&
           status.categories.front().state.backfilled;
  }));
  EXPECT_EQ(engine->status().categories.front().state.phase, Phase::backfill);
  EXPECT_EQ(engine->status().divergences.front().stream, "contact-1");
  EXPECT_TRUE(same("contact-2"));
  auto stored = run(control.load_divergences(10));
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->size(), 1u);
}

TEST_F(PhasesTest, TheStateInForceSurvivesARestart) {
  write(postgres, "contact-1", 2);
  open(category("contact", Phase::retire));
  ASSERT_TRUE(reaches(Phase::retire));
  restart(category("contact", Phase::retire));
  EXPECT_EQ(engine->status().categories.front().state.phase, Phase::retire);
  ASSERT_TRUE(run(engine->log().append(one("contact-1", event()))).ok());
  EXPECT_EQ(ids(eventstore, "contact-1").size(), 3u);
}

TEST_F(PhasesTest, TheTailOfPostgresRunsAgainAfterTheWayBackInAProcessThatStartedRetired) {
  open(category("contact", Phase::retire));
  ASSERT_TRUE(reaches(Phase::retire));
  restart(category("contact", Phase::retire));
  wish(category("contact", Phase::read_switch));
  ASSERT_TRUE(reaches(Phase::read_switch));
  write(postgres, "contact-5", 2);  // past the proxy: only the tail can know of it
  EXPECT_TRUE(eventually([&] { return ids(eventstore, "contact-5").size() == 2; }));
}

TEST_F(PhasesTest, ARetiredCategoryCannotBeTakenOutOfTheFile) {
  open(category("contact", Phase::retire));
  ASSERT_TRUE(reaches(Phase::retire));
  auto applied = engine->apply(Config{});
  ASSERT_FALSE(applied.ok());
  EXPECT_NE(applied.failure().reason.find("contact"), std::string::npos);
}

TEST_F(PhasesTest, ABackendWriteIsRefusedOnceEventStoreDecides) {
  open(category("contact", Phase::retire));
  ASSERT_TRUE(reaches(Phase::retire));
  auto admitted = run(engine->admit_backend_write("contact"));
  EXPECT_TRUE(admitted.failed_with(FailureCode::rejected));
}

TEST_F(PhasesTest, ABackendWriteIsCarriedAfterwards) {
  open(category("contact", Phase::dual_write));
  ASSERT_TRUE(reaches(Phase::dual_write));
  auto permit = run(engine->admit_backend_write("contact"));
  ASSERT_TRUE(permit.ok());
  write(postgres, "contact-3", 2);
  EXPECT_NE(run(engine->carry("contact-3")), MirrorState::none);
  EXPECT_TRUE(eventually([&] { return same("contact-3"); }));
}

TEST_F(PhasesTest, SoftDeletesRestoresAndTombstonesReachTheFollower) {
  open(category("contact", Phase::dual_write));
  ASSERT_TRUE(reaches(Phase::dual_write));
  for (const char* stream : {"contact-1", "contact-2", "contact-3"}) {
    ASSERT_TRUE(run(engine->log().append(one(stream, event()))).ok());
  }
  EventLog& log = engine->log();
  ASSERT_TRUE(run(log.soft_delete("contact-1", ExpectedRevision::any())).ok());
  EXPECT_EQ(run(eventstore.head("contact-1"))->state, Head::State::soft_deleted);
  ASSERT_TRUE(run(log.append(one("contact-1", event()))).ok());
  EXPECT_TRUE(eventually([&] { return *run(eventstore.head("contact-1")) == *run(postgres.head("contact-1")); }));
  EXPECT_EQ(run(eventstore.head("contact-1"))->first_visible, 1u);

  ASSERT_TRUE(run(log.soft_delete("contact-2", ExpectedRevision::any())).ok());
  ASSERT_TRUE(run(log.restore("contact-2")).ok());
  EXPECT_EQ(run(eventstore.head("contact-2")).value(), run(postgres.head("contact-2")).value());
  EXPECT_EQ(run(eventstore.head("contact-2"))->state, Head::State::live);

  ASSERT_TRUE(run(log.tombstone("contact-3", ExpectedRevision::any())).ok());
  EXPECT_EQ(run(eventstore.head("contact-3"))->state, Head::State::tombstoned);
  EXPECT_TRUE(eventually([&] { return run(control.load_state_changes())->empty(); }));
}

TEST_F(PhasesTest, ADeletionThatACrashInterruptedIsCarriedAtTheNextStart) {
  open(category("contact", Phase::dual_write));
  ASSERT_TRUE(reaches(Phase::dual_write));
  ASSERT_TRUE(run(engine->log().append(one("contact-1", event()))).ok());
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  ASSERT_TRUE(run(control.note_state_change("contact-1")).ok());
  ASSERT_TRUE(run(postgres.soft_delete("contact-1", ExpectedRevision::any())).ok());
  restart(category("contact", Phase::dual_write));
  EXPECT_TRUE(eventually([&] { return run(eventstore.head("contact-1"))->state == Head::State::soft_deleted; }));
  EXPECT_TRUE(eventually([&] { return run(control.load_state_changes())->empty(); }));
}

TEST_F(PhasesTest, TheTimeAtWhichAnEventHappenedTravelsInItsMetadata) {
  open(category("contact", Phase::dual_write));
  ASSERT_TRUE(reaches(Phase::dual_write));
  Event written = event();
  written.metadata = R"({"user":"ann"})";
  written.created = *parse_rfc3339("2024-03-01T12:00:00.123456Z");
  ASSERT_TRUE(run(engine->log().append(one("contact-1", written))).ok());
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  auto page = run(eventstore.read_stream({"contact-1", Direction::forwards, 0, 10, false}));
  EXPECT_EQ(page->events.front().event.metadata,
            R"({"user":"ann","$originalCreated":"2024-03-01T12:00:00.123456Z"})");
}

TEST_F(PhasesTest, ReadsComeFromEventStoreAfterTheSwitch) {
  write(postgres, "contact-1", 3);
  auto config = category("contact", Phase::read_switch);
  config.reads.from = ReadSource::eventstore;
  open(config);
  ASSERT_TRUE(reaches(Phase::read_switch));
  EXPECT_EQ(engine->read_source("contact-1"), ReadSource::eventstore);
  for (int i = 0; i < 20; ++i) {
    auto appended = run(engine->log().append(one("contact-1", event())));
    ASSERT_TRUE(appended.ok());
    auto page = run(engine->log().read_stream({"contact-1", Direction::backwards, {}, 1, false}));
    ASSERT_TRUE(page.ok());
    EXPECT_EQ(page->events.front().revision, *appended->revision);  // its own write, never an older state
  }
  auto whole = run(engine->log().read_stream({"contact-1", Direction::forwards, 0, 10, false}));
  auto original = run(postgres.read_stream({"contact-1", Direction::forwards, 0, 10, false}));
  for (std::size_t i = 0; i < whole->events.size(); ++i) {
    EXPECT_EQ(whole->events[i].event.created, original->events[i].event.created);
    EXPECT_EQ(whole->events[i].event.metadata.find("$originalCreated"), std::string::npos);
  }
  const auto reads = engine->status().categories.front().reads;
  EXPECT_GT(reads[static_cast<int>(ReadSource::eventstore)], 0u);
}

}  // namespace
}  // namespace twinstream
