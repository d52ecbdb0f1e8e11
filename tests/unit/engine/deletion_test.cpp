#include <boost/asio/detached.hpp>

#include "adapters/memory/faulty_log.h"
#include "tests/unit/engine/engine_fixture.h"

namespace twinstream {
namespace {

/// Deletions while something else is under way or fails.
using DeletionTest = EngineFixture;

TEST_F(DeletionTest, AStreamCountsAsCarriedOnlyWithItsDeletionState) {
  write(postgres, "contact-1", 2);
  ASSERT_TRUE(run(postgres.soft_delete("contact-1", ExpectedRevision::any())).ok());
  bool refuses = true;
  int refused = 0;
  FaultyLog follower(eventstore, clock, clock, context.get_executor(), [&](const FaultPoint& point) {
    const bool hit = refuses && point.operation == "soft_delete";
    refused += hit;
    return InjectedFault{hit ? Fault::refused : Fault::none};
  });
  Mirror mirror(context.get_executor(), clock, system_random(), postgres, follower,
                translation_between(postgres, follower), control, metrics);
  std::optional<Carried> carried;
  mirror.carry("contact-1", 1, {}, [&](Carried how) { carried = how; });
  ASSERT_TRUE(eventually([&] { return refused > 0; }));
  EXPECT_FALSE(carried);  // a cursor that went on now would not come back for the deletion after a crash
  EXPECT_FALSE(mirror.has("contact-1", 1));
  refuses = false;
  ASSERT_TRUE(eventually([&] { return carried && mirror.idle(); }));
  EXPECT_EQ(*carried, Carried::done);
  EXPECT_EQ(run(eventstore.head("contact-1"))->state, Head::State::soft_deleted);
}

TEST_F(DeletionTest, ADeletionWaitsForAppendsOfItsStreamThatAreUnderWay) {
  bool answered = false;
  std::optional<bool> deleted_after_the_answer;
  FaultyLog authority(postgres, clock, clock, context.get_executor(), [&](const FaultPoint& point) {
    InjectedFault injected;
    if (point.operation == "append") injected.after = std::chrono::milliseconds(300);
    if (point.operation == "soft_delete") deleted_after_the_answer = answered;
    return injected;
  });
  Config config;
  config.categories.push_back(category("contact", Phase::dual_write));
  engine = std::make_unique<Engine>(Engine::Parts{context.get_executor(), clock, system_random(), authority, eventstore,
                                                  control, metrics, {}});
  ASSERT_TRUE(run(engine->open(config, true)).ok());
  ASSERT_TRUE(reaches(Phase::dual_write));
  ASSERT_TRUE(run(engine->log().append({"contact-1", ExpectedRevision::any(), {event()}})).ok());
  auto append = [&]() -> Awaitable<void> {
    EXPECT_TRUE((co_await engine->log().append({"contact-1", ExpectedRevision::any(), {event()}})).ok());
    answered = true;
  };
  boost::asio::co_spawn(context, append(), boost::asio::detached);
  ASSERT_TRUE(eventually([&] { return run(postgres.head("contact-1"))->next_revision() == 2; }));
  ASSERT_TRUE(run(engine->log().soft_delete("contact-1", ExpectedRevision::any())).ok());
  EXPECT_EQ(deleted_after_the_answer, true);
  EXPECT_TRUE(eventually([&] { return *run(eventstore.head("contact-1")) == *run(postgres.head("contact-1")); }));
  run(close());
  engine.reset();  // before the log that it uses
}

}  // namespace
}  // namespace twinstream
