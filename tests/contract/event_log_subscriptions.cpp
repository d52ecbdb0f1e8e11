#include <algorithm>
#include <map>
#include <thread>

#include "tests/contract/event_log_contract.h"

// Subscriptions: catching up, going live, resuming, closing.

namespace twinstream::contract {
namespace {

struct Collected {
  RecordedEvents events;  ///< of the stream asked for
  Position checkpoint;
  bool caught_up = false;
  std::optional<Failure> failure;
};

/// Takes pages until `count` events of `stream` came.
Awaitable<Collected> collect(Subscription* subscription, std::string stream, std::size_t count) {
  Collected collected;
  while (collected.events.size() < count) {
    auto page = co_await subscription->next();
    if (!page.ok()) {
      collected.failure = page.failure();
      break;
    }
    for (auto& recorded : page->events) {
      if (recorded.stream == stream && !recorded.event.type.starts_with('$')) {
        collected.events.push_back(std::move(recorded));
      }
    }
    EXPECT_LE(collected.checkpoint, page->checkpoint) << "a checkpoint went back";
    collected.checkpoint = page->checkpoint;
    collected.caught_up = page->caught_up;
  }
  co_return collected;
}

Awaitable<Collected> append_one_by_one(EventLog* log, std::string stream, Events events) {
  for (const Event& event : events) {
    const auto answer = co_await log->append({stream, ExpectedRevision::any(), {event}});
    EXPECT_TRUE(answer.ok());
  }
  co_return Collected{};
}

Awaitable<Result<SubscriptionPage>> until_caught_up(Subscription* subscription) {
  for (;;) {
    auto page = co_await subscription->next();
    if (!page.ok() || page->caught_up) co_return page;
  }
}

Awaitable<Result<SubscriptionPage>> until_failure(Subscription* subscription) {
  for (;;) {
    auto page = co_await subscription->next();
    if (!page.ok()) co_return page;
  }
}

Awaitable<Result<SubscriptionPage>> close_after_some_work(EventLog* log, Subscription* subscription) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE((co_await log->ping()).ok());
  subscription->close();
  co_return SubscriptionPage{};
}

void expect_revisions(const RecordedEvents& events, std::uint64_t first, std::uint64_t last) {
  ASSERT_EQ(events.size(), last - first + 1);
  for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].revision, first + i);
}

std::vector<Awaitable<Collected>> both(Awaitable<Collected> left, Awaitable<Collected> right) {
  std::vector<Awaitable<Collected>> operations;
  operations.push_back(std::move(left));
  operations.push_back(std::move(right));
  return operations;
}

}  // namespace

TEST_P(EventLogContract, ASubscriptionToAllDeliversWhatIsThereAndCatchesUp) {
  const auto start = tip();
  const auto stream = unique_stream();
  const auto written = write(stream, 10);
  auto subscription = log().subscribe_all(start);
  const auto collected = run(collect(subscription.get(), stream, 10));
  ASSERT_FALSE(collected.failure.has_value());
  expect_revisions(collected.events, 0, 9);
  for (std::size_t i = 0; i < 10; ++i) expect_same(written[i], collected.events[i]);
  if (!collected.caught_up) EXPECT_TRUE(run(until_caught_up(subscription.get())).ok());
}

TEST_P(EventLogContract, ASubscriptionToAllDeliversWhatIsWrittenWhileItWaits) {
  auto subscription = log().subscribe_all(tip());
  ASSERT_TRUE(run(until_caught_up(subscription.get())).ok());
  const auto stream = unique_stream();
  auto collected =
      run_together(both(collect(subscription.get(), stream, 20), append_one_by_one(&log(), stream, events(20))));
  expect_revisions(collected[0].events, 0, 19);
}

TEST_P(EventLogContract, ASubscriptionToAllStartsBehindItsPosition) {
  const auto stream = unique_stream();
  write(stream, 6);
  auto subscription = log().subscribe_all(read_all_of(stream)[3].position);
  const auto collected = run(collect(subscription.get(), stream, 2));
  expect_revisions(collected.events, 4, 5);
}

TEST_P(EventLogContract, ResumingAfterACheckpointLosesNothing) {
  const auto start = tip();
  const auto stream = unique_stream();
  std::map<std::uint64_t, EventId> delivered;
  Position checkpoint = start;
  for (int round = 1; round <= 4; ++round) {
    write(stream, 5);
    auto subscription = log().subscribe_all(checkpoint);
    const std::size_t target = static_cast<std::size_t>(5 * round) - delivered.size();
    const auto collected = run(collect(subscription.get(), stream, target));
    ASSERT_FALSE(collected.failure.has_value());
    for (const auto& recorded : collected.events) {
      const auto [place, added] = delivered.emplace(recorded.revision, recorded.event.id);
      EXPECT_EQ(place->second, recorded.event.id);
      if (!added) EXPECT_LT(checkpoint, recorded.position) << "delivered again although before the checkpoint";
    }
    checkpoint = collected.checkpoint;
  }
  auto rest = log().subscribe_all(checkpoint);
  write(stream, 1);
  const auto last = run(collect(rest.get(), stream, 21 - delivered.size()));
  for (const auto& recorded : last.events) delivered.emplace(recorded.revision, recorded.event.id);
  EXPECT_EQ(delivered.size(), 21u);
  EXPECT_EQ(delivered.rbegin()->first, 20u);
}

TEST_P(EventLogContract, ASubscriptionToAllCoversWhatItsCheckpointClaims) {
  const auto start = tip();
  const auto stream = unique_stream();
  write(stream, 10);
  auto subscription = log().subscribe_all(start);
  const auto collected = run(collect(subscription.get(), stream, 10));
  for (const auto& recorded : scan(collected.checkpoint, stream)) {
    EXPECT_LT(collected.checkpoint, recorded.position);
  }
  const auto covered = std::ranges::count_if(
      read_all_of(stream), [&](const auto& recorded) { return recorded.position <= collected.checkpoint; });
  EXPECT_LE(covered, 10);
  EXPECT_GE(collected.checkpoint, start);
}

TEST_P(EventLogContract, ASubscriptionToAStreamDeliversOnlyThatStream) {
  const auto stream = unique_stream();
  const auto other = unique_stream();
  write(other, 2);
  const auto written = write(stream, 4);
  write(other, 2);
  auto subscription = log().subscribe_stream(stream, std::nullopt);
  const auto page = run(collect(subscription.get(), stream, 4));
  expect_revisions(page.events, 0, 3);
  for (std::size_t i = 0; i < 4; ++i) expect_same(written[i], page.events[i]);
  auto again = log().subscribe_stream(stream, std::nullopt);
  EXPECT_TRUE(run(collect(again.get(), stream, 1)).events.front().stream == stream);
}

TEST_P(EventLogContract, ASubscriptionToAStreamStartsBehindItsRevision) {
  const auto stream = unique_stream();
  write(stream, 4);
  auto subscription = log().subscribe_stream(stream, 1);
  expect_revisions(run(collect(subscription.get(), stream, 2)).events, 2, 3);
}

TEST_P(EventLogContract, ASubscriptionWaitsForAStreamThatDoesNotExistYet) {
  const auto stream = unique_stream();
  auto subscription = log().subscribe_stream(stream, std::nullopt);
  ASSERT_TRUE(run(until_caught_up(subscription.get())).ok());
  auto collected =
      run_together(both(collect(subscription.get(), stream, 5), append_one_by_one(&log(), stream, events(5))));
  expect_revisions(collected[0].events, 0, 4);
}

TEST_P(EventLogContract, ASubscriptionToAStreamGoesOnAfterASoftDelete) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  write(stream, 2);
  auto subscription = log().subscribe_stream(stream, std::nullopt);
  expect_revisions(run(collect(subscription.get(), stream, 2)).events, 0, 1);
  soft_delete(stream);
  write(stream, 1);
  expect_revisions(run(collect(subscription.get(), stream, 1)).events, 2, 2);
}

TEST_P(EventLogContract, AnIdleSubscriptionAnswersAllTheSame) {
  const auto stream = unique_stream();
  auto subscription = log().subscribe_stream(stream, std::nullopt);
  ASSERT_TRUE(run(until_caught_up(subscription.get())).ok());
  const auto idle = run(subscription->next());
  ASSERT_TRUE(idle.ok()) << idle.failure().reason;
  EXPECT_TRUE(idle->events.empty());
}

TEST_P(EventLogContract, ClosingASubscriptionCancelsAWaitingNext) {
  for (const bool all : {true, false}) {
    auto subscription = all ? log().subscribe_all(tip()) : log().subscribe_stream(unique_stream(), std::nullopt);
    std::vector<Awaitable<Result<SubscriptionPage>>> operations;
    operations.push_back(until_failure(subscription.get()));
    operations.push_back(close_after_some_work(&log(), subscription.get()));
    const auto answers = run_together(std::move(operations));
    EXPECT_TRUE(answers[0].failed_with(FailureCode::cancelled)) << answers[0].failure().reason;
  }
}

TEST_P(EventLogContract, ASubscriptionMayBeClosedFromAnotherThread) {
  auto subscription = log().subscribe_all(tip());
  std::thread closer([&] {
    EXPECT_TRUE(run(log().ping()).ok());
    subscription->close();
  });
  const auto answer = run(until_failure(subscription.get()));
  closer.join();
  EXPECT_TRUE(answer.failed_with(FailureCode::cancelled));
}

TEST_P(EventLogContract, AClosedSubscriptionStaysClosed) {
  auto subscription = log().subscribe_all(Position::start());
  subscription->close();
  EXPECT_TRUE(run(subscription->next()).failed_with(FailureCode::cancelled));
  subscription->close();
  EXPECT_TRUE(run(subscription->next()).failed_with(FailureCode::cancelled));
}

TEST_P(EventLogContract, ASubscriptionMayBeDroppedUnused) {
  EXPECT_NE(log().subscribe_all(Position::start()), nullptr);
  EXPECT_NE(log().subscribe_stream(unique_stream(), 3), nullptr);
}

}  // namespace twinstream::contract
