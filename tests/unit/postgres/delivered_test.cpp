#include "adapters/postgres/delivered.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace twinstream::postgres {
namespace {

using Holes = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST(DeliveredPositions, NeighboursBecomeOneInterval) {
  DeliveredPositions positions;
  for (const std::uint64_t position : {5, 7, 6, 9, 8, 4}) positions.add(position);
  EXPECT_EQ(positions.intervals(), 1u);
  EXPECT_FALSE(positions.contains(3));
  EXPECT_TRUE(positions.contains(4));
  EXPECT_TRUE(positions.contains(9));
  EXPECT_FALSE(positions.contains(10));
}

TEST(DeliveredPositions, HolesAreWhatIsMissingUpToTheEdge) {
  DeliveredPositions positions;
  EXPECT_EQ(positions.holes(3, 3), Holes{});
  EXPECT_EQ(positions.holes(3, 5), (Holes{{3, 6}}));
  positions.add(5);
  positions.add(8);
  EXPECT_EQ(positions.holes(3, 10), (Holes{{3, 5}, {5, 8}, {8, 11}}));
  EXPECT_EQ(positions.holes(4, 8), (Holes{{5, 8}}));
}

TEST(DeliveredPositions, DroppingCutsAnInterval) {
  DeliveredPositions positions;
  for (std::uint64_t position = 1; position <= 10; ++position) positions.add(position);
  positions.drop_up_to(4);
  EXPECT_FALSE(positions.contains(4));
  EXPECT_TRUE(positions.contains(5));
  positions.drop_up_to(10);
  EXPECT_EQ(positions.intervals(), 0u);
}

TEST(DeliveredPositions, AgreesWithAPlainSetOnRandomPositions) {
  std::mt19937 random(42);
  DeliveredPositions positions;
  std::set<std::uint64_t> plain;
  for (int i = 0; i < 3'000; ++i) {
    const std::uint64_t position = random() % 2'000 + 1;
    positions.add(position);
    plain.insert(position);
  }
  positions.drop_up_to(300);
  plain.erase(plain.begin(), plain.upper_bound(300));
  for (std::uint64_t position = 1; position <= 2'000; ++position) {
    EXPECT_EQ(positions.contains(position), plain.contains(position)) << position;
  }
  std::size_t missing = 0;
  for (const auto& [low, high] : positions.holes(300, 2'000)) missing += high - low - 1;
  EXPECT_EQ(missing, 1'700 - plain.size());
}

TEST(DeliveredHeads, RemembersTheLatestRevision) {
  DeliveredHeads heads(100);
  EXPECT_EQ(heads.get("a"), std::nullopt);
  heads.set("a", 1);
  heads.set("a", 2);
  EXPECT_EQ(heads.get("a"), 2u);
}

TEST(DeliveredHeads, ForgetsOnlyStreamsThatWereQuietForLong) {
  DeliveredHeads heads(100);
  heads.set("quiet", 1);
  for (int i = 0; i < 500; ++i) {
    heads.set("stream-" + std::to_string(i), 0);
    heads.set("busy", static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(heads.get("busy"), 499u);
  EXPECT_EQ(heads.get("quiet"), std::nullopt);
  EXPECT_TRUE(heads.forgot());
}

TEST(DeliveredHeads, SaysWhenItHasForgottenNothing) {
  DeliveredHeads heads(100);
  for (int i = 0; i < 60; ++i) heads.set("stream-" + std::to_string(i), 3);
  EXPECT_FALSE(heads.forgot());
  EXPECT_EQ(heads.get("stream-0"), 3u);
}

}  // namespace
}  // namespace twinstream::postgres
