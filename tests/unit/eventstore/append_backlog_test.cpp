#include "adapters/eventstore/append_backlog.h"

#include <gtest/gtest.h>

#include "adapters/eventstore/appender.h"

namespace twinstream::eventstore {
namespace {

PendingPtr pending(const std::string& stream, int deadline = 0) {
  auto made = std::make_shared<PendingAppend>();
  made->request.stream = stream;
  made->deadline = SteadyTime{std::chrono::seconds(deadline)};
  return made;
}

TEST(AppendBacklog, HandsOutOneOfAStreamAtATime) {
  AppendBacklog backlog;
  const auto first = pending("s"), second = pending("s"), third = pending("s"), other = pending("t");
  for (const auto& each : {first, second, third, other}) backlog.add(each);
  EXPECT_EQ(backlog.take_ready(), first);
  EXPECT_EQ(backlog.take_ready(), other);
  EXPECT_FALSE(backlog.has_ready());
  backlog.finish(first);
  EXPECT_EQ(backlog.take_ready(), second);
  EXPECT_FALSE(backlog.has_ready());
  backlog.finish(second);
  EXPECT_EQ(backlog.take_ready(), third);
}

TEST(AppendBacklog, WhatIsRetriedComesFirst) {
  AppendBacklog backlog;
  const auto lost = pending("s"), next = pending("t");
  backlog.add(lost);
  backlog.take_ready();
  backlog.add(next);
  backlog.retry(lost);
  EXPECT_EQ(backlog.take_ready(), lost);
  EXPECT_EQ(backlog.take_ready(), next);
}

TEST(AppendBacklog, AnyOfThemMayFinishInAnyStage) {
  AppendBacklog backlog;
  const auto taken = pending("s"), waiting = pending("s"), last = pending("s");
  for (const auto& each : {taken, waiting, last}) backlog.add(each);
  backlog.take_ready();
  backlog.finish(waiting);
  backlog.finish(taken);
  EXPECT_EQ(backlog.ready(), last);
  backlog.finish(last);
  EXPECT_FALSE(backlog.has_ready());
  EXPECT_TRUE(backlog.all().empty());
}

TEST(AppendBacklog, TellsWhatIsPastItsDeadline) {
  AppendBacklog backlog;
  const auto early = pending("s", 1), late = pending("s", 2);
  backlog.add(early);
  backlog.add(late);
  EXPECT_TRUE(backlog.expired(SteadyTime{}).empty());
  EXPECT_EQ(backlog.expired(SteadyTime{std::chrono::seconds(1)}), (std::vector{early}));
  EXPECT_EQ(backlog.expired(SteadyTime{std::chrono::seconds(2)}), (std::vector{early, late}));
}

TEST(RefuseAppend, KnowsWhatCanNeverBeSent) {
  const Event good{EventId::random(), "Kind", "data", "", ContentType::json, {}};
  const auto refused = [](std::string stream, Event event, std::size_t most = 1'000) {
    return refuse_append({std::move(stream), ExpectedRevision::any(), {std::move(event)}}, most).has_value();
  };
  EXPECT_FALSE(refused("s", good));
  EXPECT_FALSE(refused("$$s", good));
  EXPECT_TRUE(refused("", good));
  EXPECT_TRUE(refused("$$", good));
  EXPECT_TRUE(refused(std::string(1'025, 's'), good));
  EXPECT_FALSE(refused("s", good, 4 + 2 * 4));
  EXPECT_TRUE(refused("s", good, 4 + 2 * 4 - 1));
  Event nil = good, untyped = good, huge = good;
  nil.id = {};
  untyped.type.clear();
  huge.data.resize(16 * 1024 * 1024);
  EXPECT_TRUE(refused("s", nil));
  EXPECT_TRUE(refused("s", untyped));
  EXPECT_TRUE(refused("s", huge, 256u << 20)) << "one record cannot be so large, whatever the sum may be";
}

}  // namespace
}  // namespace twinstream::eventstore
