#include <set>

#include "proxy/protocol/shared.pb.h"
#include "tests/integration/eventstore_support.h"

// Appends as they appear on the wire: batches, chunks, order, bounds, answers.

namespace twinstream::testing {
namespace {

using Kind = Reaction::Kind;

class EventStoreAppend : public WithEventStore {};

TEST_F(EventStoreAppend, ManyAppendsShareAFewCalls) {
  connect();
  std::vector<AppendRequest> requests;
  for (int i = 0; i < 200; ++i) requests.push_back({"s-" + std::to_string(i), any, {an_event()}});
  const auto answers = caller.run(log->append_many(std::move(requests)));
  for (const auto& answer : answers) ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_LE(server.count("BatchAppend"), 2u);
  EXPECT_EQ(server.count("Append"), 0u);
}

TEST_F(EventStoreAppend, TheEventArrivesAsItWasGiven) {
  connect();
  auto json = an_event();
  auto binary = an_event();
  binary.content_type = ContentType::binary;
  binary.data = std::string("\0\xff", 2);
  ASSERT_TRUE(append("s", ExpectedRevision::no_stream(), {json, binary}).ok());
  const auto seen = server.appends().back();
  EXPECT_EQ(seen.expected, ExpectedRevision::no_stream());
  EXPECT_EQ(seen.events, (std::vector{json, binary}));
}

TEST_F(EventStoreAppend, EveryExpectationIsCarried) {
  connect();
  server.write("s");
  for (const auto expected : {any, ExpectedRevision::no_stream(), ExpectedRevision::stream_exists(),
                              ExpectedRevision::exact(0), ExpectedRevision::exact(7)}) {
    (void)append("s", expected, {an_event()});
    EXPECT_EQ(server.appends().back().expected, expected);
  }
}

TEST_F(EventStoreAppend, AConflictTellsTheActualRevision) {
  connect();
  server.write("s");
  server.write("s");
  const auto conflict = append("s", ExpectedRevision::no_stream(), {an_event()});
  ASSERT_TRUE(conflict.failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(conflict.failure().actual, 1u);
  const auto missing = append("none", ExpectedRevision::exact(3), {an_event()});
  ASSERT_TRUE(missing.failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(missing.failure().actual, std::nullopt);
}

TEST_F(EventStoreAppend, ARepetitionIsRecognisedByItsPosition) {
  connect();
  const auto event = an_event();
  const auto first = append("s", ExpectedRevision::no_stream(), {event});
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->duplicate);
  const auto again = append("s", ExpectedRevision::no_stream(), {event});
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->position, first->position);
}

TEST_F(EventStoreAppend, TheDeadlineIsRelativeWhereTheServerUnderstandsIt) {
  connect();
  ASSERT_TRUE(append("s", any, {an_event()}).ok());
  const auto seen = server.appends().back();
  EXPECT_TRUE(seen.relative_deadline);
  EXPECT_GT(seen.time_left.count(), 0);
  EXPECT_LE(seen.time_left, patient);
}

TEST(EventStoreOldServer, GetsTheAbsoluteDeadlineOfTheOfficialClients) {
  FakeEventStore server({.deadline_duration = false});
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::seconds(20));
  ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  const auto seen = server.appends().back();
  EXPECT_FALSE(seen.relative_deadline);
  EXPECT_GT(seen.time_left.count(), 0);
  EXPECT_LE(seen.time_left, std::chrono::seconds(21));
}

TEST(EventStoreOldServer, WithoutBatchAppendGetsOneCallForEachAppend) {
  FakeEventStore server({.batch_append = false});
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::seconds(20));
  std::vector<AppendRequest> requests;
  for (int i = 0; i < 100; ++i) {
    requests.push_back({"s-" + std::to_string(i % 10), any, {an_event(), an_event()}});
  }
  const auto answers = caller.run(log->append_many(std::move(requests)));
  for (const auto& answer : answers) ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(server.count("BatchAppend"), 0u);
  EXPECT_EQ(server.count("Append"), 100u);
  EXPECT_EQ(server.stored("s-3").size(), 20u);
  const auto conflict = caller.run(log->append({"s-3", ExpectedRevision::exact(5), {an_event()}}));
  ASSERT_TRUE(conflict.failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(conflict.failure().actual, 19u);
}

TEST_F(EventStoreAppend, OnlyOneBatchOfAStreamIsInFlight) {
  connect();
  warm_up();
  server.on_append = [](const SeenAppend&) { return Reaction::hold(); };
  std::vector<Pending<Result<Appended>>> same;
  for (int i = 0; i < 5; ++i) same.push_back(start_append("same", any, {an_event()}));
  std::vector<Pending<Result<Appended>>> others;
  for (int i = 0; i < 20; ++i) others.push_back(start_append("other-" + std::to_string(i), any, {an_event()}));
  // The others came later and have arrived: had more of `same` been sent, they would have arrived before.
  ASSERT_TRUE(server.wait_until([&] { return server.appends().size() == 16 + 1 + 20; }));
  EXPECT_EQ(seen("same"), 1u);
  std::set<std::uint64_t> revisions;
  for (auto& each : same) {
    while (!each.ready()) server.release();
    revisions.insert(each.get()->revision.value());
  }
  EXPECT_EQ(revisions, (std::set<std::uint64_t>{0, 1, 2, 3, 4}));
  for (auto& other : others) {
    while (!other.ready()) server.release();
    EXPECT_TRUE(other.get().ok());
  }
  EXPECT_EQ(seen("same"), 5u);
}

TEST_F(EventStoreAppend, AFullQueueAnswersUnavailableAtOnce) {
  connect(patient, 16);
  warm_up();
  server.on_append = [](const SeenAppend&) { return Reaction::hold(); };
  std::vector<Pending<Result<Appended>>> waiting;
  for (int i = 0; i < 16; ++i) waiting.push_back(start_append("same", any, {an_event()}));
  ASSERT_TRUE(server.wait_until([&] { return seen("same") == 1; }));
  const auto refused = append("another", any, {an_event()});
  EXPECT_TRUE(refused.failed_with(FailureCode::unavailable)) << refused.failure().reason;
  EXPECT_EQ(seen("another"), 0u);
  for (auto& each : waiting) {
    while (!each.ready()) server.release();
    EXPECT_TRUE(each.get().ok());
  }
  server.on_append = [](const SeenAppend&) { return Reaction::normal(); };
  EXPECT_TRUE(append("another", any, {an_event()}).ok());
}

TEST(EventStoreLargeAppend, TravelsInChunksAndStaysOne) {
  FakeEventStore server({.version = "25.1.0"});
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::seconds(50));
  ASSERT_TRUE(caller.run(log->ping()).ok());  // only a server that is known takes so much
  std::vector<Event> events;
  for (int i = 0; i < 10; ++i) events.push_back(an_event(1024 * 1024));
  const auto answer = caller.run(log->append({"s", ExpectedRevision::no_stream(), events}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(answer->revision, 9u);
  const auto seen = server.appends();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].chunks, 5u);
  EXPECT_LE(seen[0].largest_chunk, 3u * 1024 * 1024);
  EXPECT_EQ(seen[0].events, events);
}

TEST(EventStoreLargeAppend, BeyondFourChunksHasACallOfItsOwn) {
  FakeEventStore server({.version = "25.1.0"});
  Caller caller;
  const auto log = open_log(server.url(), std::chrono::seconds(50));
  ASSERT_TRUE(caller.run(log->ping()).ok());
  std::vector<Event> events;
  for (int i = 0; i < 14; ++i) events.push_back(an_event(1024 * 1024));
  const auto answer = caller.run(log->append({"s", ExpectedRevision::no_stream(), events}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(answer->revision, 13u);
  EXPECT_TRUE(server.appends().back().own_call);
  EXPECT_EQ(server.appends().back().events, events);
}

TEST_F(EventStoreAppend, WhatTheServerCanNeverHoldIsNotSent) {
  connect();
  warm_up();
  const auto before = server.appends().size();
  auto no_id = an_event();
  no_id.id = {};
  EXPECT_TRUE(append("s", any, {no_id}).failed_with(FailureCode::rejected));
  EXPECT_TRUE(append("s", any, {an_event(2 * 1024 * 1024)}).failed_with(FailureCode::rejected));
  EXPECT_TRUE(append("$$", any, {an_event()}).failed_with(FailureCode::rejected));
  EXPECT_EQ(server.appends().size(), before);
}

struct ErrorCase {
  std::string detail;
  int code;
  FailureCode expected;
};

TEST_F(EventStoreAppend, EveryErrorOfABatchHasItsMeaningAndHarmsNoOther) {
  connect();
  warm_up();
  const std::vector<ErrorCase> cases{{"StreamDeleted", 5, FailureCode::stream_deleted},
                                     {"AccessDenied", 7, FailureCode::rejected},
                                     {"Timeout", 4, FailureCode::unknown_outcome},
                                     {"MaximumAppendSizeExceeded", 3, FailureCode::rejected},
                                     {"MaximumAppendEventSizeExceeded", 3, FailureCode::rejected},
                                     {"BadRequest", 3, FailureCode::rejected},
                                     {"Unknown", 2, FailureCode::unknown_outcome},
                                     {"WrongExpectedVersion", 6, FailureCode::wrong_expected_revision}};
  for (const auto& each : cases) {
    server.on_append = [each](const SeenAppend&) {
      return Reaction{
          .kind = Kind::answer_error, .code = each.code, .message = each.detail, .detail_type = each.detail};
    };
    EXPECT_TRUE(append("s", any, {an_event()}).failed_with(each.expected)) << each.detail;
  }
  server.on_append = [](const SeenAppend&) {
    return Reaction{.kind = Kind::answer_error, .code = 0, .message = "Server Is Not Ready", .detail_type = "x"};
  };
  EXPECT_TRUE(append("s", any, {an_event()}).failed_with(FailureCode::unavailable));
  server.on_append = [](const SeenAppend&) { return Reaction::normal(); };
  EXPECT_TRUE(append("s", any, {an_event()}).ok());
  EXPECT_LE(server.count("BatchAppend"), 2u) << "an error is no reason for a new call";
}

}  // namespace
}  // namespace twinstream::testing
