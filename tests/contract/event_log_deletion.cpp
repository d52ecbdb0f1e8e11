#include "tests/contract/event_log_contract.h"

// Soft delete, restore and tombstone.

namespace twinstream::contract {

TEST_P(EventLogContract, SoftDeleteOfAStreamThatNeverExistedIsRefused) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  for (const auto expected : {any, no_stream, stream_exists, exact(0)}) {
    EXPECT_EQ(outcome(run(log().soft_delete(stream, expected))), "wrong_expected_revision none");
  }
  EXPECT_EQ(head(stream).state, Head::State::none);
}

TEST_P(EventLogContract, SoftDeleteChecksItsExpectation) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  write(stream, 3);
  EXPECT_EQ(outcome(run(log().soft_delete(stream, no_stream))), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, exact(1)))), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, exact(3)))), "wrong_expected_revision 2");
  EXPECT_EQ(head(stream).state, Head::State::live);
  EXPECT_EQ(outcome(run(log().soft_delete(stream, exact(2)))), "deleted");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, exact(1)))), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, stream_exists))), "stream_deleted");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, no_stream))), "deleted");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, exact(2)))), "deleted");
  EXPECT_EQ(outcome(run(log().soft_delete(stream, any))), "deleted");
}

TEST_P(EventLogContract, ASoftDeletedStreamIsNotFoundButKeepsItsHead) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  write(stream, 3);
  soft_delete(stream);
  EXPECT_TRUE(read(forwards(stream)).failed_with(FailureCode::stream_not_found));
  EXPECT_TRUE(read(backwards(stream)).failed_with(FailureCode::stream_not_found));
  EXPECT_EQ(head(stream).state, Head::State::soft_deleted);
  EXPECT_EQ(head(stream).revision, 2u);
}

TEST_P(EventLogContract, HiddenEventsAreReadOnlyOnRequest) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  const auto written = write(stream, 3);
  soft_delete(stream);
  const auto page = read(with_hidden(stream));
  ASSERT_TRUE(page.ok()) << page.failure().reason;
  EXPECT_EQ(page->head.state, Head::State::soft_deleted);
  EXPECT_EQ(page->head.revision, 2u);
  if (!abilities().sees_hidden) return;
  ASSERT_EQ(page->events.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) expect_same(written[i], page->events[i]);
}

TEST_P(EventLogContract, AContinuedStreamGoesOnCountingAndHidesWhatWasDeleted) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  write(stream, 3);
  soft_delete(stream);
  const auto continued = events(2);
  EXPECT_EQ(outcome(append(stream, any, continued)), "written 4");
  EXPECT_EQ(head(stream), (Head{Head::State::live, 4, 3}));

  const auto up = read(forwards(stream, 0, 10));
  ASSERT_TRUE(up.ok());
  ASSERT_EQ(up->events.size(), 2u);
  EXPECT_TRUE(up->end);
  EXPECT_EQ(up->events[0].revision, 3u);
  expect_same(continued[0], up->events[0]);
  EXPECT_EQ(up->head, (Head{Head::State::live, 4, 3}));

  const auto down = read(backwards(stream, std::nullopt, 10));
  ASSERT_TRUE(down.ok());
  ASSERT_EQ(down->events.size(), 2u);
  EXPECT_TRUE(down->end);
  EXPECT_EQ(down->events[1].revision, 3u);
}

TEST_P(EventLogContract, HiddenEventsOfAContinuedStreamAreReadOnRequest) {
  if (!abilities().deletes || !abilities().sees_hidden) return;
  const auto stream = unique_stream();
  write(stream, 2);
  soft_delete(stream);
  write(stream, 1);
  const auto page = read(with_hidden(stream));
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->events.size(), 3u);
  EXPECT_EQ(page->events[0].revision, 0u);
  EXPECT_EQ(page->head.first_visible, 2u);
}

TEST_P(EventLogContract, RestoreMakesADeletedStreamVisibleAgain) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  const auto written = write(stream, 3);
  soft_delete(stream);
  const auto restored = run(log().restore(stream));
  ASSERT_TRUE(restored.ok()) << restored.failure().reason;
  expect_stream(stream, written);
  EXPECT_EQ(head(stream), (Head{Head::State::live, 2, 0}));
}

TEST_P(EventLogContract, RestoreMakesWhatAContinuedStreamHidesVisibleAgain) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  auto written = write(stream, 2);
  soft_delete(stream);
  const auto continued = write(stream, 2);
  const auto restored = run(log().restore(stream));
  ASSERT_TRUE(restored.ok()) << restored.failure().reason;
  written.insert(written.end(), continued.begin(), continued.end());
  expect_stream(stream, written);
  EXPECT_EQ(head(stream).first_visible, 0u);
}

TEST_P(EventLogContract, RestoreFindsNothingWhereNothingIsHidden) {
  if (!abilities().deletes) return;
  EXPECT_TRUE(run(log().restore(unique_stream())).failed_with(FailureCode::stream_not_found));
  const auto stream = unique_stream();
  write(stream, 1);
  EXPECT_TRUE(run(log().restore(stream)).failed_with(FailureCode::stream_not_found));
}

TEST_P(EventLogContract, AStreamMayBeDeletedAndContinuedManyTimes) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  for (std::uint64_t round = 0; round < 3; ++round) {
    write(stream, 2);
    EXPECT_EQ(head(stream), (Head{Head::State::live, 2 * round + 1, 2 * round}));
    soft_delete(stream);
    EXPECT_EQ(head(stream).revision, 2 * round + 1);
  }
}

TEST_P(EventLogContract, TombstoneChecksItsExpectation) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  EXPECT_EQ(outcome(run(log().tombstone(stream, stream_exists))), "wrong_expected_revision none");
  EXPECT_EQ(outcome(run(log().tombstone(stream, exact(0)))), "wrong_expected_revision none");
  const auto written = write(stream, 3);
  EXPECT_EQ(outcome(run(log().tombstone(stream, no_stream))), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(run(log().tombstone(stream, exact(1)))), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(run(log().tombstone(stream, exact(3)))), "wrong_expected_revision 2");
  expect_stream(stream, written);
  EXPECT_EQ(outcome(run(log().tombstone(stream, exact(2)))), "deleted");
  for (const auto expected : {any, no_stream, stream_exists, exact(2)}) {
    EXPECT_EQ(outcome(run(log().tombstone(stream, expected))), "stream_deleted");
    EXPECT_EQ(outcome(run(log().soft_delete(stream, expected))), "stream_deleted");
  }
}

TEST_P(EventLogContract, TombstoneOfASoftDeletedStreamChecksItsExpectation) {
  if (!abilities().deletes) return;
  const auto stream = unique_stream();
  write(stream, 2);
  soft_delete(stream);
  EXPECT_EQ(outcome(run(log().tombstone(stream, stream_exists))), "stream_deleted");
  EXPECT_EQ(outcome(run(log().tombstone(stream, exact(0)))), "wrong_expected_revision 1");
  EXPECT_EQ(head(stream).state, Head::State::soft_deleted);
  EXPECT_EQ(outcome(run(log().tombstone(stream, exact(1)))), "deleted");
  EXPECT_EQ(head(stream).state, Head::State::tombstoned);
}

TEST_P(EventLogContract, ATombstoneIsForEver) {
  if (!abilities().deletes) return;
  const auto used = unique_stream();
  write(used, 2);
  const auto unused = unique_stream();
  for (const auto& stream : {used, unused}) {
    tombstone(stream);
    EXPECT_EQ(head(stream).state, Head::State::tombstoned);
    EXPECT_TRUE(read(forwards(stream)).failed_with(FailureCode::stream_deleted));
    EXPECT_TRUE(read(with_hidden(stream)).failed_with(FailureCode::stream_deleted));
    EXPECT_EQ(outcome(append(stream, any, {event()})), "stream_deleted");
    EXPECT_FALSE(run(log().restore(stream)).ok());
    EXPECT_EQ(head(stream).state, Head::State::tombstoned);
  }
}

}  // namespace twinstream::contract
