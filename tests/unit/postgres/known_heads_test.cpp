#include "adapters/postgres/known_heads.h"

#include <gtest/gtest.h>

namespace twinstream::postgres {
namespace {

using Expected = ExpectedRevision;

AppendRequest request(std::string stream, Expected expected = Expected::any(), std::size_t events = 1) {
  return {std::move(stream), expected, std::vector<Event>(events)};
}

Result<Appended> at(std::uint64_t revision, bool duplicate = false) {
  return Appended{revision, {}, duplicate, MirrorState::none};
}

void learn(KnownHeads& heads, const std::string& stream, std::uint64_t head) {
  const auto one = request(stream);
  heads.learn({&one}, {at(head)});
}

std::optional<std::vector<std::uint64_t>> place(const KnownHeads& heads, const AppendRequest& one) {
  return heads.places({&one});
}

TEST(KnownHeads, RequestsFollowOneAnother) {
  KnownHeads heads(10);
  learn(heads, "a", 4);
  learn(heads, "b", 0);
  const auto first = request("a", Expected::exact(4), 3), second = request("b"), third = request("a");
  const auto fourth = request("a", Expected::exact(8)), stale = request("a", Expected::exact(4));
  EXPECT_EQ(heads.places({&first, &second, &third, &fourth}), (std::vector<std::uint64_t>{5, 1, 8, 9}));
  EXPECT_EQ(heads.places({&first, &stale}), std::nullopt);
}

TEST(KnownHeads, HaveNoPlaceForWhatIsNotCertain) {
  KnownHeads heads(10);
  learn(heads, "a", 4);
  EXPECT_EQ(place(heads, request("unknown")), std::nullopt);
  EXPECT_EQ(place(heads, request("a", Expected::no_stream())), std::nullopt);
  EXPECT_EQ(place(heads, request("a", Expected::exact(5))), std::nullopt);
  EXPECT_EQ(place(heads, request("a", Expected::any(), 0)), std::nullopt);
  EXPECT_TRUE(place(heads, request("a", Expected::stream_exists())));
}

TEST(KnownHeads, LearnFromWhatWasWrittenOnly) {
  KnownHeads heads(10);
  const auto one = request("a"), two = request("b");
  heads.learn({&one, &two, &one}, {at(7), Failure{FailureCode::rejected, "no", {}}, at(2, true)});
  EXPECT_EQ(place(heads, one), std::vector<std::uint64_t>{8});
  EXPECT_EQ(place(heads, two), std::nullopt);
}

TEST(KnownHeads, ForgetStreamsThatWereQuietForLong) {
  KnownHeads heads(10);
  learn(heads, "quiet", 1);
  for (int i = 0; i < 12; ++i) learn(heads, "busy-" + std::to_string(i % 6), 1);
  EXPECT_EQ(place(heads, request("quiet")), std::nullopt);
  EXPECT_TRUE(place(heads, request("busy-5")));
  heads.clear();
  EXPECT_EQ(place(heads, request("busy-5")), std::nullopt);
}

}  // namespace
}  // namespace twinstream::postgres
