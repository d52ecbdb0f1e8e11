#include "proxy/persistent/settings.h"

#include <gtest/gtest.h>

namespace twinstream::persistent {
namespace {

TEST(PersistentSettings, places_and_starts_have_the_text_forms_of_the_reference) {
  const GroupName stream{"orders", "g"};
  const GroupName all{"$all", "g"};
  EXPECT_EQ(place_text(stream, {}), "");
  EXPECT_EQ(place_text(stream, {6, {}}), "5");
  EXPECT_EQ(place_text(all, {}), "");
  EXPECT_EQ(place_text(all, {0, {7, 6}}), "C:7/P:6");
  EXPECT_EQ(start_text(stream, {Start::Kind::beginning, 0, {}}), "0");
  EXPECT_EQ(start_text(stream, {Start::Kind::end, 0, {}}), "-1");
  EXPECT_EQ(start_text(stream, {Start::Kind::at, 9, {}}), "9");
  EXPECT_EQ(start_text(all, {Start::Kind::beginning, 0, {}}), "C:0/P:0");
  EXPECT_EQ(start_text(all, {Start::Kind::end, 0, {}}), "C:-1/P:-1");
  for (const auto& name : {stream, all}) {
    for (const Start& start : {Start{Start::Kind::beginning, 0, {}}, Start{Start::Kind::end, 0, {}},
                               name.is_all() ? Start{Start::Kind::at, 0, {5, 4}} : Start{Start::Kind::at, 5, {}}}) {
      EXPECT_EQ(parse_start(name, start_text(name, start)), start);
    }
  }
  EXPECT_EQ(parse_place(stream, "5"), (Place{6, {}}));
  EXPECT_EQ(parse_place(all, "C:7/P:6"), (Place{0, {7, 6}}));
  for (const auto* text : {"", "x", "5x", "C:7", "C:7/P:", "-1"}) {
    EXPECT_FALSE(parse_place(stream, text)) << text;
    EXPECT_FALSE(parse_place(all, text)) << text;
  }
}

TEST(PersistentSettings, impossible_numbers_are_named) {
  EXPECT_FALSE(Settings{}.problem());
  Settings settings;
  settings.read_batch_size = 500;
  EXPECT_TRUE(settings.problem());
  settings = {};
  settings.max_retry_count = -1;
  EXPECT_EQ(settings.problem(), "the maximum retry count is negative");
}

TEST(PersistentSettings, only_the_streams_of_groups_on_the_whole_log_are_their_bookkeeping) {
  const GroupName all{"$all", "g"};
  for (const auto* prefix : {"", "twinstream-"}) {
    EXPECT_TRUE(is_bookkeeping_of_all(prefix, checkpoint_stream(prefix, all)));
    EXPECT_TRUE(is_bookkeeping_of_all(prefix, parked_stream(prefix, all)));
    EXPECT_FALSE(is_bookkeeping_of_all(prefix, checkpoint_stream(prefix, {"orders", "g"})));
    EXPECT_FALSE(is_bookkeeping_of_all(prefix, config_stream(prefix)));
    EXPECT_FALSE(is_bookkeeping_of_all(prefix, "orders"));
  }
}

TEST(PersistentSettings, strategies_have_the_names_of_the_reference) {
  for (const auto* name : {"RoundRobin", "DispatchToSingle", "Pinned", "PinnedByCorrelation"}) {
    EXPECT_EQ(to_string(*parse_strategy(name)), name);
  }
  EXPECT_FALSE(parse_strategy("roundrobin"));
}

}  // namespace
}  // namespace twinstream::persistent
