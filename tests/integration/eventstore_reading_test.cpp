#include <algorithm>

#include "tests/integration/eventstore_support.h"

// Reads and subscriptions against a server that breaks off.

namespace twinstream::testing {
namespace {

class EventStoreReading : public WithEventStore {
 protected:
  /// Takes pages until `count` events came.
  static Awaitable<Result<std::vector<RecordedEvent>>> take(Subscription* subscription, std::size_t count) {
    std::vector<RecordedEvent> events;
    while (events.size() < count) {
      auto page = co_await subscription->next();
      if (!page) co_return page.failure();
      events.insert(events.end(), page->events.begin(), page->events.end());
    }
    co_return events;
  }

  static Awaitable<Result<SubscriptionPage>> until_caught_up(Subscription* subscription) {
    for (;;) {
      auto page = co_await subscription->next();
      if (!page || page->caught_up) co_return page;
    }
  }

  static std::vector<std::uint64_t> revisions(const std::vector<RecordedEvent>& events) {
    std::vector<std::uint64_t> result;
    for (const auto& event : events) result.push_back(event.revision);
    return result;
  }
};

TEST_F(EventStoreReading, AReadThatBreaksOffIsTriedAgain) {
  connect();
  server.write("s");
  server.on_call = [failures = std::make_shared<std::atomic<int>>(2)](const std::string& method) {
    if (method != "Read" || failures->fetch_sub(1) <= 0) return Reaction::normal();
    return Reaction{.kind = Reaction::Kind::end_call, .code = 14, .message = "gone"};
  };
  const auto page = caller.run(log->read_stream(forwards("s")));
  ASSERT_TRUE(page.ok()) << page.failure().reason;
  EXPECT_EQ(page->events.size(), 1u);
}

TEST_F(EventStoreReading, AReadOfAServerThatStaysAwayIsUnavailable) {
  connect(std::chrono::milliseconds(300));
  server.stop();
  EXPECT_TRUE(caller.run(log->read_stream(forwards("s"))).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(caller.run(log->read_all({})).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(caller.run(log->head("s")).failed_with(FailureCode::unavailable));
}

TEST_F(EventStoreReading, AReadGivesTimesTypesAndPositions) {
  connect();
  server.write("s", "Kind");
  const auto page = caller.run(log->read_stream(forwards("s")));
  ASSERT_TRUE(page.ok());
  const auto& recorded = page->events.at(0);
  EXPECT_EQ(recorded.event.type, "Kind");
  EXPECT_EQ(to_rfc3339(*recorded.event.created), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(recorded.position, (Position{100, 100}));
  EXPECT_EQ(page->head, (Head{Head::State::live, 0, 0}));
}

TEST_F(EventStoreReading, ASubscriptionGoesOnWhereItBrokeOff) {
  connect();
  for (int i = 0; i < 10; ++i) server.write("s");
  auto all = log->subscribe_all(Position::start());
  auto stream = log->subscribe_stream("s", std::nullopt);
  auto first = caller.run(take(all.get(), 10));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(caller.run(take(stream.get(), 10)).ok());
  for (const int code : {14, 10, 2}) {
    server.break_subscriptions(code);
    server.write("s");
  }
  const auto more = caller.run(take(all.get(), 3));
  ASSERT_TRUE(more.ok()) << more.failure().reason;
  EXPECT_EQ(revisions(*more), (std::vector<std::uint64_t>{10, 11, 12}));
  const auto of_stream = caller.run(take(stream.get(), 3));
  ASSERT_TRUE(of_stream.ok()) << of_stream.failure().reason;
  EXPECT_EQ(revisions(*of_stream), (std::vector<std::uint64_t>{10, 11, 12}));
}

TEST_F(EventStoreReading, ASubscriptionFromTheEndLosesNothingWhenItBreaksOffAtOnce) {
  connect();
  for (int i = 0; i < 3; ++i) server.write("s");
  auto subscription = log->subscribe_all(Position::end());
  ASSERT_TRUE(caller.run(until_caught_up(subscription.get())).ok());
  server.break_subscriptions(14);
  server.write("s");
  server.write("s");
  const auto events = caller.run(take(subscription.get(), 2));
  ASSERT_TRUE(events.ok()) << events.failure().reason;
  EXPECT_EQ(revisions(*events), (std::vector<std::uint64_t>{3, 4}));
}

TEST_F(EventStoreReading, ASubscriberThatDoesNotReadHoldsTheServerBack) {
  connect();
  constexpr std::size_t total = 4'000;
  for (std::size_t i = 0; i < total; ++i) server.write("s", "Written", 20'000);
  auto subscription = log->subscribe_all(Position::start());
  const auto first = caller.run(take(subscription.get(), 1));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(caller.run(log->ping()).ok());
  EXPECT_LT(server.events_sent(), total / 2) << "80 MB must not be buffered";
  const auto rest = caller.run(take(subscription.get(), total - first->size()));
  ASSERT_TRUE(rest.ok()) << rest.failure().reason;
  EXPECT_EQ(first->size() + rest->size(), total);
  EXPECT_TRUE(
      std::is_sorted(rest->begin(), rest->end(), [](const auto& a, const auto& b) { return a.revision < b.revision; }));
  EXPECT_TRUE(caller.run(until_caught_up(subscription.get())).ok());
}

TEST_F(EventStoreReading, ASubscriptionToATombstonedStreamEnds) {
  connect();
  server.on_call = [](const std::string& method) {
    if (method != "Subscribe") return Reaction::normal();
    return Reaction{.kind = Reaction::Kind::end_call, .code = 9, .trailers = {{"exception", "stream-deleted"}}};
  };
  auto subscription = log->subscribe_stream("s", std::nullopt);
  EXPECT_TRUE(caller.run(subscription->next()).failed_with(FailureCode::stream_deleted));
  EXPECT_TRUE(caller.run(subscription->next()).failed_with(FailureCode::stream_deleted));
}

TEST(EventStoreOldServerReading, CatchingUpIsInferredFromSilence) {
  FakeEventStore server({.version = "22.10.0", .caught_up = false});
  server.write("s");
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::seconds(20));
  auto subscription = log->subscribe_stream("s", 0);
  for (;;) {
    const auto page = caller.run(subscription->next());
    ASSERT_TRUE(page.ok());
    if (page->caught_up) break;
  }
}

TEST_F(EventStoreReading, ALogMayBeClosedWithSubscriptionsOpen) {
  connect();
  for (int i = 0; i < 100; ++i) server.write("s");
  for (int i = 0; i < 20; ++i) {
    auto one = open_log(server.url(), std::chrono::seconds(20));
    auto all = one->subscribe_all(Position::start());
    auto stream = one->subscribe_stream("s", std::nullopt);
    if (i % 2 == 0) ASSERT_TRUE(caller.run(take(all.get(), 5)).ok());
    if (i % 3 == 0) ASSERT_TRUE(caller.run(one->append({"t", ExpectedRevision::any(), {an_event()}})).ok());
    one.reset();
    EXPECT_TRUE(caller.run(all->next()).failed_with(FailureCode::cancelled));
  }
}

}  // namespace
}  // namespace twinstream::testing
