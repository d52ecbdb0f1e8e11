#include "tests/contract/event_log_contract.h"

// How an expectation meets a stream in each state, and how repetitions are recognised.

namespace twinstream::contract {

TEST_P(EventLogContract, ExpectationsOfAStreamThatNeverExisted) {
  EXPECT_EQ(outcome(append(unique_stream(), any, {event()})), "written 0");
  EXPECT_EQ(outcome(append(unique_stream(), no_stream, {event()})), "written 0");
  const auto stream = unique_stream();
  EXPECT_EQ(outcome(append(stream, stream_exists, {event()})), "wrong_expected_revision none");
  EXPECT_EQ(outcome(append(stream, exact(0), {event()})), "wrong_expected_revision none");
  EXPECT_EQ(outcome(append(stream, exact(5), {event()})), "wrong_expected_revision none");
  EXPECT_EQ(head(stream).state, Head::State::none);
}

TEST_P(EventLogContract, ExpectationsOfALiveStream) {
  const auto stream = unique_stream();
  write(stream, 3);
  EXPECT_EQ(outcome(append(stream, no_stream, {event()})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, exact(0), {event()})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, exact(1), {event()})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, exact(3), {event()})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, any, {event()})), "written 3");
  EXPECT_EQ(outcome(append(stream, stream_exists, {event()})), "written 4");
  EXPECT_EQ(outcome(append(stream, exact(4), {event()})), "written 5");
}

TEST_P(EventLogContract, ExpectationsOfASoftDeletedStream) {
  if (!abilities().deletes) return;
  const auto deleted = [&] {
    const auto stream = unique_stream();
    write(stream, 3);
    soft_delete(stream);
    return stream;
  };
  EXPECT_EQ(outcome(append(deleted(), any, {event()})), "written 3");
  EXPECT_EQ(outcome(append(deleted(), no_stream, {event()})), "written 3");
  EXPECT_EQ(outcome(append(deleted(), exact(2), {event()})), "written 3");
  const auto stream = deleted();
  EXPECT_EQ(outcome(append(stream, stream_exists, {event()})), "stream_deleted");
  EXPECT_EQ(outcome(append(stream, exact(1), {event()})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, exact(3), {event()})), "wrong_expected_revision 2");
  EXPECT_EQ(head(stream).state, Head::State::soft_deleted);
}

TEST_P(EventLogContract, ExpectationsOfATombstonedStream) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  const auto written = write(stream, 2);
  tombstone(stream);
  for (const auto expected : {any, no_stream, stream_exists, exact(0), exact(1), exact(2)}) {
    EXPECT_EQ(outcome(append(stream, expected, {event()})), "stream_deleted");
    EXPECT_EQ(outcome(append(stream, expected, {written[0]})), "stream_deleted") << "also for a repetition";
  }
}

TEST_P(EventLogContract, ARepetitionGetsTheFirstAnswer) {
  if (!traits().keeps_event_ids) return;
  const auto stream = unique_stream();
  const std::vector<std::pair<ExpectedRevision, Events>> requests{
      {no_stream, events(2)}, {exact(1), events(3)}, {any, events(1)}, {stream_exists, events(2)}};
  std::vector<Appended> first;
  for (const auto& [expected, events] : requests) {
    const auto answer = append(stream, expected, events);
    ASSERT_TRUE(answer.ok()) << answer.failure().reason;
    EXPECT_FALSE(answer->duplicate);
    first.push_back(*answer);
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto again = append(stream, requests[i].first, requests[i].second);
    ASSERT_TRUE(again.ok()) << again.failure().reason;
    EXPECT_TRUE(again->duplicate);
    EXPECT_EQ(again->revision, first[i].revision);
    EXPECT_EQ(again->position, first[i].position);
  }
  EXPECT_EQ(read_all_of(stream).size(), 8u);
}

TEST_P(EventLogContract, ARepetitionAtAnExactRevisionNeedsNoStoredIds) {
  const auto stream = unique_stream();
  const auto start = events(2);
  ASSERT_EQ(outcome(append(stream, no_stream, start)), "written 1");
  const auto more = event(7);
  ASSERT_EQ(outcome(append(stream, exact(1), {more})), "written 2");
  EXPECT_EQ(outcome(append(stream, no_stream, start)), "duplicate 1");
  EXPECT_EQ(outcome(append(stream, exact(1), {more})), "duplicate 2");
  EXPECT_EQ(head(stream).revision, 2u);
}

TEST_P(EventLogContract, TheStartOfAnAppendIsARepetitionToo) {
  const auto stream = unique_stream();
  const auto written = events(3);
  ASSERT_EQ(outcome(append(stream, no_stream, written)), "written 2");
  EXPECT_EQ(outcome(append(stream, no_stream, {written[0]})), "duplicate 0");
  EXPECT_EQ(outcome(append(stream, exact(0), {written[1], written[2]})), "duplicate 2");
}

TEST_P(EventLogContract, AnAppendThatIsPartlyThereIsRefused) {
  const auto stream = unique_stream();
  const auto written = write(stream, 3);
  EXPECT_EQ(outcome(append(stream, no_stream, {written[0], event(9)})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, exact(0), {written[1], event(9)})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, exact(1), {written[2], event(9)})), "wrong_expected_revision 2") << "past the head";
  if (traits().keeps_event_ids) {
    const auto answer = append(stream, any, {written[0], event(9)});
    EXPECT_TRUE(answer.failed_with(FailureCode::wrong_expected_revision) ||
                answer.failed_with(FailureCode::id_conflict))
        << outcome(answer);
  }
  expect_stream(stream, written);
}

TEST_P(EventLogContract, ARepetitionOfHiddenEventsIsRecognisedAndRevivesNothing) {
  if (!abilities().deletes || !traits().keeps_event_ids) return;
  const auto stream = unique_stream();
  const auto written = write(stream, 3);
  soft_delete(stream);
  EXPECT_EQ(outcome(append(stream, any, {written[2]})), "duplicate 2");
  EXPECT_EQ(outcome(append(stream, no_stream, {written[0], written[1]})), "duplicate 1");
  EXPECT_EQ(outcome(append(stream, exact(0), {written[1]})), "duplicate 1");
  EXPECT_EQ(outcome(append(stream, no_stream, {written[0], event()})), "wrong_expected_revision 2");
  EXPECT_EQ(head(stream).state, Head::State::soft_deleted);
}

TEST_P(EventLogContract, AKnownIdAtTheHeadIsWrittenAgainOrAConflict) {
  if (!traits().keeps_event_ids) return;
  const auto stream = unique_stream();
  const auto written = write(stream, 1);
  const std::string expected = abilities().unique_ids ? "id_conflict" : "written 1";
  EXPECT_EQ(outcome(append(stream, exact(0), written)), expected);
}

TEST_P(EventLogContract, AKnownIdWithOtherContentIsARepetitionOrAConflict) {
  if (!traits().keeps_event_ids) return;
  const auto stream = unique_stream();
  const auto written = write(stream, 1);
  auto other = written[0];
  other.data = R"({"number": 4711})";
  const std::string expected = abilities().unique_ids ? "id_conflict" : "duplicate 0";
  EXPECT_EQ(outcome(append(stream, any, {other})), expected);
  EXPECT_EQ(outcome(append(stream, no_stream, {other})), expected);
  expect_stream(stream, written);
}

TEST_P(EventLogContract, AnIdOfAnotherStreamIsNoRepetition) {
  if (!traits().keeps_event_ids) return;
  const auto written = write(unique_stream(), 1);
  const std::string expected = abilities().unique_ids ? "id_conflict" : "written 0";
  EXPECT_EQ(outcome(append(unique_stream(), any, written)), expected);
  EXPECT_EQ(outcome(append(unique_stream(), no_stream, written)), expected);
}

TEST_P(EventLogContract, AConflictOfIdsWritesNothingAndHarmsNoNeighbour) {
  if (!abilities().unique_ids) return;
  const auto taken = write(unique_stream(), 1);
  const auto stream = unique_stream();
  const auto twice = event();
  std::vector<AppendRequest> requests{
      {stream, any, {event(), taken[0]}}, {stream, any, {twice, twice}}, {stream, no_stream, {event(3)}}};
  const auto answers = run(log().append_many(std::move(requests)));
  EXPECT_EQ(outcome(answers[0]), "id_conflict");
  EXPECT_EQ(outcome(answers[1]), "id_conflict");
  EXPECT_EQ(outcome(answers[2]), "written 0");
  EXPECT_EQ(read_all_of(stream).size(), 1u);
}

}  // namespace twinstream::contract
