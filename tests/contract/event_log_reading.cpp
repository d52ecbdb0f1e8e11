#include <algorithm>

#include "tests/contract/event_log_contract.h"

// Reading streams, the global order, heads and the tip.

namespace twinstream::contract {
namespace {

std::vector<std::uint64_t> revisions(const RecordedEvents& events) {
  std::vector<std::uint64_t> found;
  for (const auto& event : events) found.push_back(event.revision);
  return found;
}

using Revisions = std::vector<std::uint64_t>;

}  // namespace

TEST_P(EventLogContract, AStreamThatNeverExistedIsNotFound) {
  const auto stream = unique_stream();
  EXPECT_TRUE(read(forwards(stream)).failed_with(FailureCode::stream_not_found));
  EXPECT_TRUE(read(backwards(stream)).failed_with(FailureCode::stream_not_found));
  EXPECT_TRUE(read(with_hidden(stream)).failed_with(FailureCode::stream_not_found));
  EXPECT_EQ(head(stream), (Head{Head::State::none, std::nullopt, 0}));
  EXPECT_EQ(head(stream).next_revision(), 0u);
}

TEST_P(EventLogContract, ReadsForwardsByPages) {
  const auto stream = unique_stream();
  write(stream, 7);
  const auto first = read(forwards(stream, 0, 3));
  const auto second = read(forwards(stream, 3, 3));
  const auto third = read(forwards(stream, 6, 3));
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(revisions(first->events), (Revisions{0, 1, 2}));
  EXPECT_EQ(revisions(second->events), (Revisions{3, 4, 5}));
  EXPECT_EQ(revisions(third->events), (Revisions{6}));
  EXPECT_FALSE(first->end);
  EXPECT_FALSE(second->end);
  EXPECT_TRUE(third->end);
  EXPECT_EQ(first->head, (Head{Head::State::live, 6, 0}));
}

TEST_P(EventLogContract, ReadsBackwardsByPages) {
  const auto stream = unique_stream();
  write(stream, 7);
  const auto read_back = [&](std::optional<std::uint64_t> from) { return read(backwards(stream, from, 3)); };
  const auto newest = read_back(std::nullopt);
  const auto middle = read_back(3);
  const auto oldest = read_back(0);
  ASSERT_TRUE(newest.ok() && middle.ok() && oldest.ok());
  EXPECT_EQ(revisions(newest->events), (Revisions{6, 5, 4}));
  EXPECT_EQ(revisions(middle->events), (Revisions{3, 2, 1}));
  EXPECT_EQ(revisions(oldest->events), (Revisions{0}));
  EXPECT_FALSE(newest->end);
  EXPECT_FALSE(middle->end);
  EXPECT_TRUE(oldest->end);
  EXPECT_EQ(middle->head.revision, 6u);
}

TEST_P(EventLogContract, APageThatEndsExactlyAtTheEndSaysSo) {
  const auto stream = unique_stream();
  write(stream, 4);
  const auto up = read(forwards(stream, 2, 2));
  const auto down = read(backwards(stream, 1, 2));
  ASSERT_TRUE(up.ok() && down.ok());
  EXPECT_TRUE(up->end);
  EXPECT_TRUE(down->end);
}

TEST_P(EventLogContract, ReadsFromPlacesOutsideTheStream) {
  const auto stream = unique_stream();
  write(stream, 3);
  const auto beyond = read(forwards(stream, 100, 10));
  ASSERT_TRUE(beyond.ok()) << beyond.failure().reason;
  EXPECT_TRUE(beyond->events.empty());
  EXPECT_TRUE(beyond->end);
  EXPECT_EQ(beyond->head.revision, 2u);
  const auto back = read(backwards(stream, 100, 10));
  ASSERT_TRUE(back.ok()) << back.failure().reason;
  EXPECT_EQ(revisions(back->events), (Revisions{2, 1, 0}));
  const auto whole = read(forwards(stream));
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(revisions(whole->events), (Revisions{0, 1, 2})) << "without a start, from the first event";
}

TEST_P(EventLogContract, AWriterReadsItsOwnWrite) {
  const auto stream = unique_stream();
  for (std::uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(append(stream, ExpectedRevision::before(i), {event()}).ok());
    const auto newest = read(backwards(stream, std::nullopt, 1));
    ASSERT_TRUE(newest.ok());
    ASSERT_EQ(newest->events.at(0).revision, i);
    ASSERT_EQ(head(stream).revision, i);
  }
}

TEST_P(EventLogContract, ReadingAllGivesEveryEventOnceInOrder) {
  const auto start = tip();
  const auto left = unique_stream();
  const auto right = unique_stream();
  for (int i = 0; i < 5; ++i) {
    write(left, 1);
    write(right, 2);
  }
  for (const std::size_t page_size : {2u, 1000u}) {
    EXPECT_EQ(revisions(scan(start, left, page_size)), (Revisions{0, 1, 2, 3, 4}));
    EXPECT_EQ(revisions(scan(start, right, page_size)), (Revisions{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  }
}

TEST_P(EventLogContract, ReadingAllKeepsTheOrderOfAppendsInTime) {
  const auto start = tip();
  const auto left = unique_stream();
  const auto right = unique_stream();
  for (int i = 0; i < 5; ++i) write(i % 2 == 0 ? left : right, 1);
  const auto page = run(log().read_all({Direction::forwards, start, 1000}));
  ASSERT_TRUE(page.ok());
  EXPECT_TRUE(std::ranges::is_sorted(page->events, {}, &RecordedEvent::position));
  std::vector<std::string> order;
  for (const auto& recorded : page->events) {
    if (recorded.stream == left || recorded.stream == right) order.push_back(recorded.stream);
  }
  EXPECT_EQ(order, (std::vector{left, right, left, right, left}));
}

TEST_P(EventLogContract, ReadingAllGivesTheEventsAsTheyAre) {
  const auto start = tip();
  const auto stream = unique_stream();
  const auto written = write(stream, 2);
  const auto found = scan(start, stream);
  const auto in_stream = read_all_of(stream);
  ASSERT_EQ(found.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    expect_same(written[i], found[i]);
    EXPECT_EQ(found[i].position, in_stream[i].position);
    EXPECT_EQ(found[i].event.created, in_stream[i].event.created);
  }
}

TEST_P(EventLogContract, ReadingAllStartsBehindAPositionInBothDirections) {
  const auto stream = unique_stream();
  write(stream, 5);
  const auto middle = read_all_of(stream)[2].position;
  EXPECT_EQ(revisions(scan(middle, stream)), (Revisions{3, 4}));
  const auto back = run(log().read_all({Direction::backwards, middle, 2}));
  ASSERT_TRUE(back.ok());
  ASSERT_FALSE(back->events.empty());
  EXPECT_TRUE(std::ranges::none_of(back->events, [&](const auto& event) { return middle <= event.position; }));
}

TEST_P(EventLogContract, ReadsAllBackwardsFromTheEnd) {
  const auto stream = unique_stream();
  const auto start = tip();
  write(stream, 5);
  Revisions found;
  Position from = Position::end();
  while (start < from) {
    const auto page = run(log().read_all({Direction::backwards, from, 2}));
    ASSERT_TRUE(page.ok()) << page.failure().reason;
    ASSERT_LE(page->events.size(), 2u);
    for (const auto& recorded : page->events) {
      ASSERT_LT(recorded.position, from);
      from = recorded.position;
      if (recorded.stream == stream && !recorded.event.type.starts_with('$')) found.push_back(recorded.revision);
    }
    if (page->end) break;
    ASSERT_LE(page->next, from);
    from = page->next;
  }
  EXPECT_EQ(found, (Revisions{4, 3, 2, 1, 0}));
}

TEST_P(EventLogContract, TheTipIsAtOrBehindEveryCommittedEventAndFinal) {
  const auto stream = unique_stream();
  write(stream, 3);
  const auto first = tip();
  EXPECT_LE(read_all_of(stream).back().position, first);
  EXPECT_TRUE(scan(first, stream).empty());
  write(stream, 2);
  EXPECT_EQ(revisions(scan(first, stream)), (Revisions{3, 4})) << "what comes later lies behind an earlier tip";
  EXPECT_LE(first, tip());
}

TEST_P(EventLogContract, ReadingAllUnderConcurrentAppendsMissesNothing) {
  const auto start = tip();
  const auto stream = unique_stream();
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 64; ++i) {
    const auto target = i % 2 == 0 ? stream : unique_stream();
    appends.push_back(log().append({target, ExpectedRevision::any(), {event(i)}}));
  }
  for (const auto& answer : run_together(std::move(appends))) ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  Revisions expected(32);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i;
  EXPECT_EQ(revisions(scan(start, stream, 7)), expected);
}

TEST_P(EventLogContract, SoftDeletedEventsStayInTheGlobalOrder) {
  if (!abilities().deletes) return;
  const auto start = tip();
  const auto stream = unique_stream();
  write(stream, 3);
  soft_delete(stream);
  write(stream, 1);
  EXPECT_EQ(revisions(scan(start, stream)), (Revisions{0, 1, 2, 3}));
}

}  // namespace twinstream::contract
