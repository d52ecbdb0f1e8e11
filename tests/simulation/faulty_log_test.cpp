#include "adapters/memory/faulty_log.h"

#include <gtest/gtest.h>

#include "tests/simulation/simulator.h"

namespace twinstream::simulation {
namespace {

/// A faulty log over a memory log in a world of its own, where the next operation meets the fault that the test wants.
class FaultyLogTest : public ::testing::Test {
 protected:
  template <class T>
  T run(Awaitable<T> operation) {
    std::optional<T> answer;
    boost::asio::co_spawn(world.outside(), keep(std::move(operation), &answer), boost::asio::detached);
    while (!answer && world.step(nullptr)) {
    }
    return std::move(answer.value());
  }

  Result<Appended> append(Fault fault, Event event) {
    next_fault = {fault, std::chrono::milliseconds(5), std::chrono::milliseconds(5)};
    return run(log.append({"account-1", ExpectedRevision::any(), {std::move(event)}}));
  }

  Event event() {
    Event made;
    made.id = world.dice.event_id();
    made.type = "Changed";
    made.data = "{}";
    return made;
  }

  std::size_t stored() { return world.postgres.store().all_events().size(); }
  void let_time_pass() {
    while (world.step(nullptr)) {
    }
  }

  World world{1, false, {}};
  InjectedFault next_fault;
  FaultyLog log{world.postgres, world.clock, world.clock, world.outside(),
                [this](const FaultPoint&) { return std::exchange(next_fault, {}); }};

 private:
  template <class T>
  static Awaitable<void> keep(Awaitable<T> operation, std::optional<T>* answer) {
    answer->emplace(co_await std::move(operation));
  }
};

TEST_F(FaultyLogTest, PassesEverythingThroughWithoutAFault) {
  const auto answer = append(Fault::none, event());
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->revision, 0u);
  EXPECT_TRUE(run(log.read_stream({"account-1", Direction::forwards, 0, 10, false})).ok());
  EXPECT_EQ(run(log.head("account-1"))->revision, 0u);
}

TEST_F(FaultyLogTest, ARefusedWriteIsNeverDone) {
  EXPECT_TRUE(append(Fault::refused, event()).failed_with(FailureCode::unavailable));
  let_time_pass();
  EXPECT_EQ(stored(), 0u);
}

TEST_F(FaultyLogTest, AnUnansweredWriteIsNotDone) {
  EXPECT_TRUE(append(Fault::unanswered, event()).failed_with(FailureCode::unknown_outcome));
  let_time_pass();
  EXPECT_EQ(stored(), 0u);
}

TEST_F(FaultyLogTest, AWriteWhoseAnswerIsLostIsDone) {
  EXPECT_TRUE(append(Fault::answer_lost, event()).failed_with(FailureCode::unknown_outcome));
  EXPECT_EQ(stored(), 1u);
}

TEST_F(FaultyLogTest, ALateWriteIsDoneAfterItsAnswer) {
  EXPECT_TRUE(append(Fault::late, event()).failed_with(FailureCode::unknown_outcome));
  EXPECT_EQ(stored(), 0u);
  let_time_pass();
  EXPECT_EQ(stored(), 1u);
}

TEST_F(FaultyLogTest, AWriteDoneTwiceIsThereOnce) {
  const auto answer = append(Fault::twice, event());
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->duplicate) << "the answer is that of the second time";
  EXPECT_EQ(stored(), 1u);
}

TEST_F(FaultyLogTest, AReadThatFailsIsUnavailable) {
  for (const Fault fault : {Fault::refused, Fault::unanswered, Fault::answer_lost, Fault::late}) {
    next_fault.fault = fault;
    EXPECT_TRUE(run(log.head("account-1")).failed_with(FailureCode::unavailable));
  }
}

TEST_F(FaultyLogTest, ABrokenSubscriptionStaysBroken) {
  auto subscription = log.subscribe_all(Position::start());
  next_fault.fault = Fault::refused;
  EXPECT_TRUE(run(subscription->next()).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(run(subscription->next()).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(run(log.subscribe_all(Position::start())->next()).ok());
}

TEST_F(FaultyLogTest, APageWhoseCheckpointIsHeldBackComesAgainAfterAResume) {
  ASSERT_TRUE(append(Fault::none, event()).ok());
  auto subscription = log.subscribe_all(Position::start());
  next_fault.fault = Fault::answer_lost;
  const auto page = run(subscription->next());
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->events.size(), 1u);
  EXPECT_LT(page->checkpoint, page->events[0].position);
  const auto again = run(log.subscribe_all(page->checkpoint)->next());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->events.size(), 1u);
}

}  // namespace
}  // namespace twinstream::simulation
