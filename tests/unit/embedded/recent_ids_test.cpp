#include "adapters/embedded/recent_ids.h"

#include <gtest/gtest.h>

namespace twinstream {
namespace {

using embedded::RecentIds;
using embedded::StoredId;

StoredId stored(std::uint64_t revision, const EventId& id) { return {revision, id, {revision + 1, revision + 1}}; }

TEST(RecentIdsTest, an_id_is_found_in_its_stream_only) {
  RecentIds ids(10);
  const EventId id = EventId::random();
  ids.add(1, stored(7, id));
  ASSERT_TRUE(ids.find(1, id));
  EXPECT_EQ(ids.find(1, id)->revision, 7u);
  EXPECT_FALSE(ids.find(2, id));
  EXPECT_FALSE(ids.find(1, EventId::random()));
}

TEST(RecentIdsTest, the_first_event_with_an_id_counts) {
  RecentIds ids(2);
  const EventId id = EventId::random();
  ids.add(1, stored(0, id));
  ids.add(1, stored(1, id));
  ids.add(1, stored(2, EventId::random()));
  ids.add(1, stored(3, id));  // in the next generation
  EXPECT_EQ(ids.find(1, id)->revision, 0u);
}

TEST(RecentIdsTest, the_last_ones_are_remembered_and_the_number_is_bounded) {
  constexpr std::size_t generation = 100;
  RecentIds ids(generation);
  std::vector<EventId> added;
  for (std::uint64_t revision = 0; revision < 1'000; ++revision) {
    added.push_back(EventId::random());
    ids.add(1, stored(revision, added.back()));
    const std::size_t remembered = std::min<std::size_t>(added.size(), generation);
    EXPECT_TRUE(ids.find(1, added[added.size() - remembered]));
    if (added.size() > 2 * generation) EXPECT_FALSE(ids.find(1, added[added.size() - 2 * generation - 1]));
  }
  ids.clear();
  EXPECT_FALSE(ids.find(1, added.back()));
}

}  // namespace
}  // namespace twinstream
