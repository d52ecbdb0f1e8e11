#include "proxy/engine/dual_log.h"

#include "tests/unit/engine/engine_fixture.h"

namespace twinstream {
namespace {

/// Several categories, and what their phases mean for positions, the whole log and system streams.
class DualLogTest : public EngineFixture {
 protected:
  void open_all(std::vector<CategoryConfig> categories) {
    Config config;
    config.categories = categories;
    engine = std::make_unique<Engine>(Engine::Parts{context.get_executor(), clock, system_random(), postgres,
                                                    eventstore, control, metrics, {}});
    ASSERT_TRUE(run(engine->open(config, true)).ok());
    ASSERT_TRUE(in_force(categories));
  }

  void apply(std::vector<CategoryConfig> categories) {
    Config config;
    config.categories = categories;
    ASSERT_TRUE(engine->apply(config).ok());
    ASSERT_TRUE(in_force(categories));
  }

  bool in_force(const std::vector<CategoryConfig>& wanted) {
    return eventually([&] {
      for (const auto& found : engine->status().categories) {
        for (const auto& category : wanted) {
          if (category.name == found.name && category.phase != found.state.phase) return false;
        }
      }
      return true;
    });
  }

  static CategoryConfig retired(std::string name, bool rollback) {
    auto config = category(std::move(name), Phase::retire);
    config.rollback = rollback;
    return config;
  }

  EventLog& log() { return engine->log(); }

  Result<Appended> append(const std::string& stream) {
    return run(log().append({stream, ExpectedRevision::any(), {event()}}));
  }

  /// `stream@revision` of everything after a position, system streams left out.
  std::vector<std::string> after(Position position) {
    auto page = run(log().read_all({Direction::forwards, position, 1000}));
    EXPECT_TRUE(page.ok()) << page.failure().reason;
    std::vector<std::string> found;
    if (!page.ok()) return found;
    for (const auto& recorded : page->events) {
      if (!is_system_stream(recorded.stream)) found.push_back(recorded.stream + "@" + std::to_string(recorded.revision));
    }
    return found;
  }

  std::vector<std::string> next_events(Subscription& subscription) {
    for (;;) {
      auto page = run(subscription.next());
      if (!page.ok()) return {page.failure().reason};
      std::vector<std::string> found;
      for (const auto& recorded : page->events) {
        found.push_back(recorded.stream + "@" + std::to_string(recorded.revision));
      }
      if (!found.empty()) return found;
    }
  }
};

using Names = std::vector<std::string>;

TEST_F(DualLogTest, APositionFromAnAppendAnEventOrTheTipResumesTheWholeLog) {
  open_all({category("contact", Phase::dual_write)});
  const auto first = append("contact-1");
  const auto tip = run(log().tip());
  ASSERT_TRUE(append("order-1").ok());
  ASSERT_TRUE(append("contact-1").ok());
  const auto page = run(log().read_stream({"contact-1", Direction::forwards, 0, 1, false}));
  for (const Position position : {first->position, *tip, page->events[0].position}) {
    EXPECT_EQ(after(position), (Names{"order-1@0", "contact-1@1"}));
    EXPECT_EQ(next_events(*log().subscribe_all(position)).front(), "order-1@0");
  }
}

TEST_F(DualLogTest, TheWholeLogIsPostgresWhileItFollowsWhatIsRetired) {
  open_all({retired("contact", true), category("order", Phase::dual_write)});
  const auto tip = run(log().tip());
  ASSERT_TRUE(append("order-1").ok());
  const auto appended = append("contact-1");
  EXPECT_EQ(appended->position, Position::start()) << "a position of EventStore, which does not answer";
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  EXPECT_EQ(after(*tip), (Names{"order-1@0", "contact-1@0"}));
  const auto page = run(log().read_stream({"contact-1", Direction::forwards, 0, 1, false}));
  EXPECT_EQ(page->events[0].position, Position::start());
}

TEST_F(DualLogTest, TheWholeLogIsEventStoreOnceEverythingIsRetired) {
  open_all({retired("contact", true), retired("*", false)});
  const auto first = append("contact-1");
  ASSERT_TRUE(append("order-1").ok());
  EXPECT_EQ(after(first->position), (Names{"order-1@0"}));
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  EXPECT_EQ(after(first->position), (Names{"order-1@0"}));
}

TEST_F(DualLogTest, TheWholeLogIsEventStoreWhenItIsAWholeFollowerOfTheRest) {
  write(postgres, "order-1", 2);
  open_all({retired("contact", false), category("*", Phase::read_switch)});
  ASSERT_TRUE(append("contact-1").ok());
  EXPECT_EQ(after(Position::start()), (Names{"order-1@0", "order-1@1", "contact-1@0"}));
}

TEST_F(DualLogTest, TheWholeLogIsRefusedWhenEachStoreLacksSomething) {
  open_all({retired("contact", false), category("order", Phase::dual_write)});
  EXPECT_TRUE(run(log().read_all({Direction::forwards, Position::start(), 10})).failed_with(FailureCode::rejected));
  EXPECT_TRUE(run(log().tip()).failed_with(FailureCode::rejected));
  auto subscription = log().subscribe_all(Position::start());
  EXPECT_TRUE(run(subscription->next()).failed_with(FailureCode::rejected));
  EXPECT_TRUE(append("contact-1").ok());
}

TEST_F(DualLogTest, APositionOfTheOtherStoreIsRefusedAndASubscriptionEndsWhenTheOtherStoreAnswers) {
  open_all({category("*", Phase::read_switch)});
  const auto of_postgres = append("contact-1");
  auto subscription = log().subscribe_all(of_postgres->position);
  apply({retired("*", true)});
  const auto ended = run(subscription->next());
  EXPECT_TRUE(ended.failed_with(FailureCode::unavailable));
  const auto refused = run(log().read_all({Direction::forwards, of_postgres->position, 10}));
  ASSERT_TRUE(refused.failed_with(FailureCode::rejected));
  EXPECT_NE(refused.failure().reason.find("one of PostgreSQL"), std::string::npos) << refused.failure().reason;
  const auto of_eventstore = append("contact-1");
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  apply({category("*", Phase::read_switch)});
  EXPECT_TRUE(run(log().read_all({Direction::forwards, of_eventstore->position, 10})).failed_with(FailureCode::rejected));
}

TEST_F(DualLogTest, ASubscriptionToAStreamGoesOnThroughAChangeOfAuthority) {
  open_all({category("contact", Phase::read_switch)});
  ASSERT_TRUE(append("contact-1").ok());
  auto subscription = log().subscribe_stream("contact-1", std::nullopt);
  EXPECT_EQ(next_events(*subscription), Names{"contact-1@0"});
  apply({retired("contact", false)});
  ASSERT_TRUE(append("contact-1").ok());
  EXPECT_EQ(next_events(*subscription), Names{"contact-1@1"});
}

TEST_F(DualLogTest, EventsOfEitherStoreLookTheSameToASubscriber) {
  open_all({category("*", Phase::read_switch)});
  Event with_metadata = event();
  with_metadata.metadata = R"({"by":"test"})";
  ASSERT_TRUE(run(log().append({"contact-1", ExpectedRevision::any(), {with_metadata}})).ok());
  const auto written = run(postgres.read_stream({"contact-1", Direction::forwards, 0, 1, false}))->events[0].event;
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  apply({retired("*", false)});
  auto stream = run(log().subscribe_stream("contact-1", std::nullopt)->next());
  ASSERT_EQ(stream->events.size(), 1u);
  EXPECT_EQ(stream->events[0].event.created, written.created);
  EXPECT_EQ(stream->events[0].event.metadata, written.metadata);
  auto whole = run(log().subscribe_all(Position::start())->next());
  ASSERT_EQ(whole->events.size(), 1u);
  EXPECT_EQ(whole->events[0].event.created, written.created);
  EXPECT_EQ(whole->events[0].event.metadata, written.metadata);
}

TEST_F(DualLogTest, SystemStreamsAreRefusedWhilePostgresHasAPart) {
  for (const auto& [phase, rollback] : {std::pair(Phase::dual_write, true), std::pair(Phase::retire, true)}) {
    auto config = category("contact", phase);
    config.rollback = rollback;
    if (engine) apply({config}); else open_all({config});
    const auto refused = append("$$contact-1");
    ASSERT_TRUE(refused.failed_with(FailureCode::rejected));
    EXPECT_NE(refused.failure().reason.find("$$contact-1"), std::string::npos);
    EXPECT_TRUE(run(log().soft_delete("$$contact-1", ExpectedRevision::any())).failed_with(FailureCode::rejected));
    EXPECT_TRUE(run(log().read_stream({"$$contact-1", Direction::backwards, {}, 1, false}))
                    .failed_with(FailureCode::stream_not_found));
    EXPECT_EQ(run(log().head("$settings"))->state, Head::State::none);
  }
}

TEST_F(DualLogTest, MetadataOfARetiredCategoryLivesInEventStore) {
  open_all({retired("contact", false)});
  ASSERT_TRUE(append("contact-1").ok());
  ASSERT_TRUE(append("$$contact-1").ok());
  EXPECT_EQ(run(log().read_stream({"$$contact-1", Direction::backwards, {}, 1, false}))->events.size(), 1u);
  EXPECT_TRUE(append("$$order-1").failed_with(FailureCode::rejected)) << "PostgreSQL is the authority of its category";
}

TEST_F(DualLogTest, AnEventThatWouldNotFitWithItsTimeIsRefusedByBothStores) {
  open_all({category("transaction", Phase::dual_write)});
  auto large = event();
  large.metadata.clear();
  large.type = "t";
  large.data.assign(eventstore.traits().max_append_bytes - 2, ' ');
  large.data.replace(0, 2, "{}");
  EXPECT_TRUE(run(log().append({"transaction-1", ExpectedRevision::any(), {large}})).failed_with(FailureCode::rejected));
  EXPECT_TRUE(run(log().append_together({{"transaction-1", ExpectedRevision::any(), {large}},
                                         {"transaction-2", ExpectedRevision::any(), {event()}}}, {}))
                  .failed_with(FailureCode::rejected));
  EXPECT_EQ(run(postgres.head("transaction-1"))->state, Head::State::none);
  large.data.resize(large.data.size() - 64);
  ASSERT_TRUE(run(log().append({"transaction-1", ExpectedRevision::any(), {large}})).ok());
  EXPECT_TRUE(eventually([&] { return run(eventstore.head("transaction-1"))->revision == 0u; }));
}

TEST_F(DualLogTest, AnAppendToSeveralStreamsIsMirroredStreamByStream) {
  auto waiting = category("contact", Phase::dual_write);
  waiting.ack = Ack::both;
  open_all({waiting, category("order", Phase::dual_write)});
  const auto answers = run(log().append_together({{"contact-1", ExpectedRevision::no_stream(), {event(), event()}},
                                                  {"order-1", ExpectedRevision::no_stream(), {event()}}}));
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ((*answers)[0].mirror, MirrorState::done);
  EXPECT_EQ((*answers)[1].mirror, MirrorState::pending);
  EXPECT_EQ(ids(eventstore, "contact-1").size(), 2u);
  EXPECT_TRUE(eventually([&] { return same("order-1"); }));
  EXPECT_EQ(after((*answers)[0].position), (Names{"order-1@0"}));
}

TEST_F(DualLogTest, AnAppendToSeveralStreamsThatTheAuthorityRefusesReachesNeitherStore) {
  open_all({category("*", Phase::dual_write)});
  ASSERT_TRUE(append("contact-1").ok());
  ASSERT_TRUE(eventually([&] { return same("contact-1"); }));
  const auto refused = run(log().append_together({{"order-1", ExpectedRevision::any(), {event()}},
                                                  {"contact-1", ExpectedRevision::no_stream(), {event()}}}));
  ASSERT_TRUE(refused.failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(refused.failure().request, 1u);
  EXPECT_TRUE(ids(postgres, "order-1").empty());
  EXPECT_TRUE(ids(eventstore, "order-1").empty());
}

TEST_F(DualLogTest, StreamsOfDifferentAuthoritiesAreNotAppendedTogether) {
  open_all({retired("contact", true), category("order", Phase::dual_write)});
  const auto refused = run(log().append_together({{"order-1", ExpectedRevision::any(), {event()}},
                                                  {"contact-1", ExpectedRevision::any(), {event()}}}));
  ASSERT_TRUE(refused.failed_with(FailureCode::rejected));
  EXPECT_NE(refused.failure().reason.find("different stores"), std::string::npos) << refused.failure().reason;
  EXPECT_TRUE(ids(postgres, "order-1").empty());
  ASSERT_TRUE(run(log().append_together({{"contact-1", ExpectedRevision::any(), {event()}},
                                         {"contact-2", ExpectedRevision::any(), {event()}}})).ok());
  EXPECT_EQ(ids(eventstore, "contact-2").size(), 1u);
  EXPECT_TRUE(eventually([&] { return same("contact-1") && same("contact-2"); }));
}

}  // namespace
}  // namespace twinstream
