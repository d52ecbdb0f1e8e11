#include <algorithm>

#include "tests/contract/event_log_contract.h"

// Appending to several streams at once: all of it or nothing.

namespace twinstream::contract {
namespace {

using Requests = std::vector<AppendRequest>;

std::string outcome(const Result<std::vector<Appended>>& answers) {
  if (!answers.ok()) {
    const Failure& failure = answers.failure();
    const std::string request = failure.request ? std::to_string(*failure.request) + ": " : "";
    return request + contract::outcome(Result<Appended>(failure));
  }
  std::string text;
  for (const Appended& appended : *answers) text += (text.empty() ? "" : ", ") + contract::outcome(appended);
  return text;
}

}  // namespace

TEST_P(EventLogContract, AnAppendToSeveralStreamsWritesAllOfThem) {
  const auto one = unique_stream(), other = unique_stream(), third = unique_stream();
  const auto before = write(other, 2);
  const auto first = events(2), second = events(1), last = events(3);
  const auto answers = run(log().append_together({{one, ExpectedRevision::no_stream(), first},
                                                  {other, ExpectedRevision::exact(1), second},
                                                  {third, ExpectedRevision::any(), last}}));
  ASSERT_EQ(outcome(answers), "written 1, written 2, written 2");
  expect_stream_together(one, first);
  expect_stream_together(other, {before[0], before[1], second[0]});
  expect_stream_together(third, last);
  for (std::size_t i = 0; i < 3; ++i) {
    if ((*answers)[i].position == Position::start()) continue;  // allowed: unknown
    EXPECT_EQ((*answers)[i].position, read_all_of(i == 0 ? one : i == 1 ? other : third).back().position);
  }
}

TEST_P(EventLogContract, WhenOneStreamConflictsNoneIsWritten) {
  const auto one = unique_stream(), other = unique_stream();
  const auto before = write(other, 2);
  EXPECT_EQ(outcome(run(log().append_together(
                {{one, ExpectedRevision::no_stream(), events(2)}, {other, ExpectedRevision::exact(0), events(1)}}))),
            "1: wrong_expected_revision 1");
  EXPECT_EQ(outcome(run(log().append_together(
                {{other, ExpectedRevision::no_stream(), events(1)}, {one, ExpectedRevision::any(), events(2)}}))),
            "0: wrong_expected_revision 1");
  EXPECT_EQ(head(one).state, Head::State::none);
  expect_stream(other, before);
}

TEST_P(EventLogContract, WhenOneStreamIsTombstonedNoneIsWritten) {
  if (!abilities().deletes) GTEST_SKIP();
  const auto one = unique_stream(), gone = unique_stream();
  write(gone, 1);
  tombstone(gone);
  EXPECT_EQ(outcome(run(log().append_together(
                {{one, ExpectedRevision::any(), events(1)}, {gone, ExpectedRevision::any(), events(1)}}))),
            "1: stream_deleted");
  EXPECT_EQ(head(one).state, Head::State::none);
}

TEST_P(EventLogContract, RepeatingAnAppendToSeveralStreamsGivesTheFirstAnswers) {
  const auto one = unique_stream(), other = unique_stream();
  const Requests requests{{one, ExpectedRevision::no_stream(), events(2)}, {other, ExpectedRevision::no_stream(), events(1)}};
  const auto first = run(log().append_together(requests));
  ASSERT_EQ(outcome(first), "written 1, written 0");
  EXPECT_EQ(outcome(run(log().append_together(requests))), "duplicate 1, duplicate 0");
  expect_stream_together(one, requests[0].events);
  expect_stream_together(other, requests[1].events);
}

TEST_P(EventLogContract, AHalfRepeatedAppendToSeveralStreamsIsAConflict) {
  const auto one = unique_stream(), other = unique_stream();
  const auto written = events(1);
  ASSERT_EQ(contract::outcome(append(one, ExpectedRevision::no_stream(), written)), "written 0");
  EXPECT_EQ(outcome(run(log().append_together(
                {{one, ExpectedRevision::no_stream(), written}, {other, ExpectedRevision::no_stream(), events(1)}}))),
            "0: wrong_expected_revision 0");
  EXPECT_EQ(head(other).state, Head::State::none);
  expect_stream(one, written);
}

TEST_P(EventLogContract, AnAppendToSeveralStreamsNamesEachOnceAndIsNotEmpty) {
  const auto one = unique_stream();
  EXPECT_EQ(outcome(run(log().append_together({}))), "rejected");
  EXPECT_EQ(outcome(run(log().append_together(
                {{one, ExpectedRevision::any(), events(1)}, {one, ExpectedRevision::any(), events(1)}}))),
            "1: rejected");
  const auto shared = events(1);
  EXPECT_EQ(outcome(run(log().append_together(
                {{one, ExpectedRevision::any(), shared}, {unique_stream(), ExpectedRevision::any(), shared}}))),
            "1: id_conflict");
  EXPECT_EQ(head(one).state, Head::State::none);
}

TEST_P(EventLogContract, AnAppendToOneStreamOfSeveralIsAnAppend) {
  const auto one = unique_stream();
  EXPECT_EQ(outcome(run(log().append_together({{one, ExpectedRevision::no_stream(), events(2)}}))), "written 1");
  EXPECT_EQ(outcome(run(log().append_together({{one, ExpectedRevision::no_stream(), events(2)}}))),
            "0: wrong_expected_revision 1");
}

/// Two streams in either order, beside single appends: nobody waits for ever, and each append is whole.
TEST_P(EventLogContract, AppendsToSeveralStreamsAtOnceAreEachWholeOrNothing) {
  const auto one = unique_stream(), other = unique_stream();
  std::vector<Awaitable<Result<std::vector<Appended>>>> operations;
  std::vector<std::pair<Events, Events>> written;
  for (int i = 0; i < 40; ++i) {
    const auto mine = events(1), yours = events(1);
    written.emplace_back(mine, yours);
    Requests requests{{one, ExpectedRevision::any(), mine}, {other, ExpectedRevision::any(), yours}};
    if (i % 2 == 1) std::swap(requests[0], requests[1]);
    operations.push_back(log().append_together(std::move(requests)));
    operations.push_back(log().append_together({{i % 4 < 2 ? one : other, ExpectedRevision::any(), events(1)}}));
  }
  for (const auto& answer : run_together(std::move(operations))) EXPECT_TRUE(answer.ok()) << outcome(answer);
  const auto ids = [&](const std::string& stream) {
    std::vector<std::string> found;
    for (const auto& recorded : read_all_of(stream)) found.push_back(recorded.event.data);
    return found;
  };
  const auto in_one = ids(one), in_other = ids(other);
  EXPECT_EQ(in_one.size(), 60u);
  EXPECT_EQ(in_other.size(), 60u);
  for (const auto& [mine, yours] : written) {
    EXPECT_EQ(std::count(in_one.begin(), in_one.end(), mine[0].data), 1);
    EXPECT_EQ(std::count(in_other.begin(), in_other.end(), yours[0].data), 1);
  }
}

TEST_P(EventLogContract, ChecksMustHoldOnStreamsThatAreNotWrittenToo) {
  if (!abilities().checks || !abilities().deletes) GTEST_SKIP();
  using State = StreamCheck::State;
  const auto live = unique_stream(), none = unique_stream(), hidden = unique_stream(), gone = unique_stream();
  write(live, 3);
  write(hidden, 2);
  soft_delete(hidden);
  write(gone, 1);
  tombstone(gone);
  const auto violations = [&](std::vector<StreamCheck> checks) {
    const auto written = unique_stream();
    const auto answer = run(log().append_together({{written, ExpectedRevision::any(), events(1)}}, std::move(checks)));
    EXPECT_EQ(head(written).state, answer.ok() ? Head::State::live : Head::State::none);
    std::string text;
    if (answer.ok()) return text;
    EXPECT_TRUE(answer.failed_with(FailureCode::wrong_expected_revision)) << outcome(answer);
    for (const auto& [check, actual] : answer.failure().violations) {
      text += std::to_string(check) + "=" + std::to_string(actual) + " ";
    }
    return text;
  };
  EXPECT_EQ(violations({{live, State::exact, 2}, {hidden, State::exact, 1}, {none, State::none},
                        {hidden, State::none}, {gone, State::none}, {live, State::exists},
                        {hidden, State::soft_deleted}, {gone, State::tombstoned}}), "");
  EXPECT_EQ(violations({{live, State::exact, 1}, {none, State::exact, 0}, {hidden, State::exact, 0},
                        {gone, State::exact, 0}}), "0=2 1=-1 2=1 3=-6 ");
  EXPECT_EQ(violations({{live, State::none}, {none, State::exists}, {hidden, State::exists}, {gone, State::exists}}),
            "0=2 1=-1 2=-5 3=-6 ");
  EXPECT_EQ(violations({{live, State::soft_deleted}, {none, State::soft_deleted}, {gone, State::soft_deleted},
                        {live, State::tombstoned}, {none, State::tombstoned}, {hidden, State::tombstoned}}),
            "0=2 1=-1 2=-6 3=2 4=-1 5=1 ");
  EXPECT_EQ(head(hidden).state, Head::State::soft_deleted) << "a check must not bring a stream back";
}

TEST_P(EventLogContract, ARepetitionDoesNotDependOnItsChecks) {
  if (!abilities().checks || !traits().keeps_event_ids) GTEST_SKIP();
  const auto stream = unique_stream();
  const Requests requests{{stream, ExpectedRevision::any(), events(1)}};
  const std::vector<StreamCheck> checks{{stream, StreamCheck::State::none}};
  ASSERT_EQ(outcome(run(log().append_together(requests, checks))), "written 0");
  EXPECT_EQ(outcome(run(log().append_together(requests, checks))), "duplicate 0");
  EXPECT_EQ(run(log().append_together({{stream, ExpectedRevision::any(), events(1)}}, checks)).failure().violations,
            (std::vector<Violation>{{0, 0}}));
}

}  // namespace twinstream::contract
