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

/// Time that passes fifty times as fast.
class FastClock final : public Clock {
 public:
  static constexpr int factor = 50;

  Timestamp now() const override { return real_.now(); }
  std::chrono::nanoseconds monotonic() const override { return real_.monotonic() * factor; }
  std::unique_ptr<Timer> after(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay,
                               std::function<void()> callback) override {
    return real_.after(std::move(executor), delay / factor, std::move(callback));
  }

 private:
  SystemClock real_;
};

TEST_F(DeletionTest, AChangeThatIsCarriedLateDoesNotTakeTheNoteOfTheNextOneAway) {
  FastClock fast;
  bool down = true;
  bool restoring = false;
  FaultyLog follower(eventstore, fast, fast, context.get_executor(), [&](const FaultPoint& point) {
    return InjectedFault{down && point.operation == "soft_delete" ? Fault::refused : Fault::none};
  });
  FaultyLog authority(postgres, fast, fast, context.get_executor(), [&](const FaultPoint& point) {
    InjectedFault injected;
    if (point.operation != "restore") return injected;
    restoring = true;
    injected.before = std::chrono::seconds(25);
    return injected;
  });
  Config config;
  config.categories.push_back(category("contact", Phase::dual_write));
  engine = std::make_unique<Engine>(
      Engine::Parts{context.get_executor(), fast, system_random(), authority, follower, control, metrics, {}});
  ASSERT_TRUE(run(engine->open(config, true)).ok());
  ASSERT_TRUE(reaches(Phase::dual_write));
  ASSERT_TRUE(run(engine->log().append({"contact-1", ExpectedRevision::any(), {event()}})).ok());
  ASSERT_TRUE(run(engine->log().soft_delete("contact-1", ExpectedRevision::any())).ok());

  std::optional<Result<Done>> restored;
  boost::asio::co_spawn(context, keep(engine->log().restore("contact-1"), restored), boost::asio::detached);
  ASSERT_TRUE(eventually([&] { return restoring; }));
  down = false;
  ASSERT_TRUE(eventually([&] { return run(eventstore.head("contact-1"))->state == Head::State::soft_deleted; }));
  for (int i = 0; i < 50; ++i) context.run_one_for(std::chrono::milliseconds(1));
  ASSERT_FALSE(restored);
  EXPECT_EQ(run(control.load_state_changes()).value(), std::vector<std::string>{"contact-1"});

  ASSERT_TRUE(eventually([&] { return restored.has_value(); }));
  EXPECT_TRUE(eventually([&] { return run(control.load_state_changes())->empty(); }));
  EXPECT_EQ(run(eventstore.head("contact-1"))->state, Head::State::live);
  run(close());
  engine.reset();  // before the logs that it uses
}

}  // namespace
}  // namespace twinstream
