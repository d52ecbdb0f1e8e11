#include <atomic>

#include "tests/integration/eventstore_support.h"

// What becomes of appends when calls break, servers hang, answers are lost.

namespace twinstream::testing {
namespace {

class EventStoreLoss : public WithEventStore {
 protected:
  /// Reacts to the first append to `stream` like this, to all others normally.
  void once(const std::string& stream, Reaction reaction) {
    server.on_append = [=, done = std::make_shared<std::atomic<bool>>(false)](const SeenAppend& append) {
      return append.stream == stream && !done->exchange(true) ? reaction : Reaction::normal();
    };
  }
};

TEST_F(EventStoreLoss, AnExactAppendWithALostAnswerIsRepeatedAndWrittenOnce) {
  connect();
  server.write("s");
  once("s", Reaction::lose_answer());
  const auto event = an_event();
  const auto answer = append("s", ExpectedRevision::exact(0), {event});
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(answer->revision, 1u);
  EXPECT_EQ(server.stored("s").size(), 2u);
  const auto sent = server.appends();
  ASSERT_EQ(sent.size(), 2u) << "sent again";
  EXPECT_EQ(sent[0].events, sent[1].events);
  EXPECT_EQ(sent[0].expected, sent[1].expected);
}

TEST_F(EventStoreLoss, AnExactAppendWithALostRequestIsRepeated) {
  connect();
  once("s", Reaction::lose_request());
  const auto answer = append("s", ExpectedRevision::no_stream(), {an_event(), an_event()});
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_FALSE(answer->duplicate);
  EXPECT_EQ(server.stored("s").size(), 2u);
}

TEST_F(EventStoreLoss, AnAppendToAnyWithALostAnswerIsLookedUpAndNotSentAgain) {
  connect();
  once("s", Reaction::lose_answer());
  const auto answer = append("s", any, {an_event(), an_event()});
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(answer->revision, 1u);
  EXPECT_FALSE(answer->duplicate);
  EXPECT_EQ(answer->position, server.stored("s").back().position);
  EXPECT_EQ(seen("s"), 1u);
}

TEST_F(EventStoreLoss, AnAppendToAnyIsFoundBehindThoseOfOthers) {
  connect();
  server.on_append = [this](const SeenAppend& append) {
    if (append.stream != "s") return Reaction::normal();
    const auto result = server.stored("s").size();
    if (result == 0) return Reaction::lose_answer();
    return Reaction::normal();
  };
  server.on_call = [this, first = std::make_shared<std::atomic<bool>>(true)](const std::string& method) {
    if (method == "Read" && first->exchange(false)) {
      for (int i = 0; i < 20; ++i) server.write("s");
    }
    return Reaction::normal();
  };
  const auto answer = append("s", any, {an_event(), an_event()});
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(answer->revision, 1u);
}

TEST_F(EventStoreLoss, AnAppendToAnyThatIsNotFoundHasAnUnknownOutcome) {
  connect();
  server.write("s");
  once("s", Reaction::lose_request());
  const auto answer = append("s", any, {an_event()});
  EXPECT_TRUE(answer.failed_with(FailureCode::unknown_outcome));
  EXPECT_EQ(seen("s"), 1u) << "sending it again could write it twice";
}

TEST_F(EventStoreLoss, ABrokenCallLosesNoneOfThoseInFlight) {
  connect();
  warm_up();
  server.on_append = [seen = std::make_shared<std::atomic<int>>(0)](const SeenAppend&) {
    return seen->fetch_add(1) == 150 ? Reaction::lose_answer() : Reaction::hold();
  };
  std::vector<AppendRequest> requests;
  std::vector<Event> events;
  for (int i = 0; i < 300; ++i) {
    events.push_back(an_event());
    requests.push_back({"s-" + std::to_string(i), ExpectedRevision::no_stream(), {events.back()}});
  }
  auto answers = caller.start(log->append_many(std::move(requests)));
  ASSERT_TRUE(server.wait_until([&] { return server.appends().size() >= 16 + 151; }));
  server.on_append = [](const SeenAppend&) { return Reaction::normal(); };
  while (!answers.ready()) server.release();
  for (const auto& answer : answers.get()) ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  for (int i = 0; i < 300; ++i) {
    const auto stored = server.stored("s-" + std::to_string(i));
    ASSERT_EQ(stored.size(), 1u);
    EXPECT_EQ(stored[0].event.id, events[static_cast<std::size_t>(i)].id);
  }
}

TEST_F(EventStoreLoss, AppendsThatWaitBehindALostOneKeepTheirOrder) {
  connect();
  once("s", Reaction::lose_request());
  std::vector<Pending<Result<Appended>>> answers;
  for (std::uint64_t i = 0; i < 10; ++i) {
    answers.push_back(start_append("s", ExpectedRevision::before(i), {an_event()}));
  }
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto answer = answers[i].get();
    ASSERT_TRUE(answer.ok()) << answer.failure().reason;
    EXPECT_EQ(answer->revision, i);
  }
}

TEST_F(EventStoreLoss, WhatWasNeverSentIsUnavailable) {
  connect(std::chrono::milliseconds(300));
  server.stop();
  const auto answer = append("s", any, {an_event()});
  EXPECT_TRUE(answer.failed_with(FailureCode::unavailable)) << answer.failure().reason;
}

TEST_F(EventStoreLoss, WhatHangsHasAnUnknownOutcomeAtItsDeadline) {
  connect(std::chrono::seconds(3));
  ASSERT_TRUE(append("s", any, {an_event()}).ok());
  server.on_append = [](const SeenAppend&) { return Reaction::hold(); };
  auto sent = start_append("s", any, {an_event()});
  auto behind = start_append("s", any, {an_event()});
  EXPECT_TRUE(sent.get().failed_with(FailureCode::unknown_outcome));
  EXPECT_FALSE(behind.get().ok());
  server.on_append = [](const SeenAppend&) { return Reaction::normal(); };
  EXPECT_TRUE(append("s", any, {an_event()}).ok()) << "the call that hung must have been given up";
}

TEST_F(EventStoreLoss, ALateAnswerIsNobodysElse) {
  connect(std::chrono::seconds(3));
  warm_up();
  server.on_append = [](const SeenAppend& append) {
    return append.stream == "slow" ? Reaction::hold() : Reaction::normal();
  };
  EXPECT_TRUE(append("slow", any, {an_event()}).failed_with(FailureCode::unknown_outcome));
  while (server.release()) {
  }
  const auto other = append("other", ExpectedRevision::no_stream(), {an_event()});
  ASSERT_TRUE(other.ok()) << other.failure().reason;
  EXPECT_EQ(other->revision, 0u);
}

TEST_F(EventStoreLoss, AServerThatComesBackGetsWhatWaited) {
  connect();
  ASSERT_TRUE(append("s", any, {an_event()}).ok());
  const int port = server.port();
  server.stop();
  auto waiting = start_append("s", ExpectedRevision::no_stream(), {an_event()});
  FakeEventStore successor({.port = port});
  const auto answer = waiting.get();
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(successor.stored("s").size(), 1u);
}

TEST(EventStoreOldServerLoss, AnOwnCallWithALostAnswerIsRepeatedAndWrittenOnce) {
  FakeEventStore server({.batch_append = false});
  server.on_append = [done = std::make_shared<std::atomic<bool>>(false)](const SeenAppend&) {
    return done->exchange(true) ? Reaction::normal() : Reaction::lose_answer();
  };
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::seconds(20));
  const auto answer = caller.run(log->append({"s", ExpectedRevision::no_stream(), {an_event()}}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(server.stored("s").size(), 1u);
  EXPECT_EQ(server.appends().size(), 2u);
}

TEST_F(EventStoreLoss, ATimeoutOfTheServerLeavesTheOutcomeUnknown) {
  connect();
  server.on_call = [](const std::string& method) {
    if (method != "Delete") return Reaction::normal();
    return Reaction{.kind = Reaction::Kind::end_call, .code = 10, .message = "timeout"};
  };
  const auto answer = caller.run(log->soft_delete("s", any));
  EXPECT_TRUE(answer.failed_with(FailureCode::unknown_outcome));
  EXPECT_EQ(server.count("Delete"), 1u);
}

TEST(EventStoreCalls, ABatchCallThatDoesNotStartIsGivenUp) {
  FakeEventStore server({.calls_at_once = 1});
  server.write("s");
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::milliseconds(500));
  const auto all = log->subscribe_all(Position::start());
  ASSERT_EQ(next_events(caller, *all, 1).size(), 1u);  // its call stays
  EXPECT_TRUE(caller.run(log->append({"s", any, {an_event()}})).failed_with(FailureCode::unavailable));
  const auto over_another_connection = caller.run(log->append({"s", any, {an_event()}}));
  EXPECT_TRUE(over_another_connection.ok()) << over_another_connection.failure().reason;
}

}  // namespace
}  // namespace twinstream::testing
