#include "proxy/engine/mirror.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <map>

#include "adapters/memory/faulty_log.h"
#include "adapters/memory/memory_control_store.h"
#include "adapters/memory/memory_log.h"

namespace twinstream {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Stands still until it is moved.
class HandClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp(std::chrono::duration_cast<Timestamp::duration>(time_)); }
  nanoseconds monotonic() const override { return time_; }
  std::unique_ptr<Timer> after(boost::asio::any_io_executor, nanoseconds delay, std::function<void()> callback) override {
    auto alive = std::make_shared<bool>(true);
    timers_.emplace(time_ + delay, Entry{alive, std::move(callback)});
    return std::make_unique<Cancelling>(std::move(alive));
  }

  /// Fires the timers that are due by then, in their order.
  void move(nanoseconds time, boost::asio::io_context& context) {
    const auto end = time_ + time;
    context.restart();
    context.poll();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      auto [due, entry] = std::move(*timers_.begin());
      timers_.erase(timers_.begin());
      time_ = std::max(time_, due);
      if (*entry.alive) entry.callback();
      context.restart();
      context.poll();
    }
    time_ = end;
  }

 private:
  struct Cancelling final : Timer {
    explicit Cancelling(std::shared_ptr<bool> alive) : alive(std::move(alive)) {}
    ~Cancelling() override { *alive = false; }
    std::shared_ptr<bool> alive;
  };
  struct Entry {
    std::shared_ptr<bool> alive;
    std::function<void()> callback;
  };

  nanoseconds time_ = std::chrono::hours(1);
  std::multimap<nanoseconds, Entry> timers_;
};

MemoryLogOptions named(const char* name) {
  MemoryLogOptions options;
  options.traits.name = name;
  return options;
}

/// Notes how many appends came together.
class GroupsLog final : public FaultyLog {
 public:
  using FaultyLog::FaultyLog;
  Awaitable<std::vector<Result<Appended>>> append_many(std::vector<AppendRequest> requests) override {
    groups.push_back(requests.size());
    return FaultyLog::append_many(std::move(requests));
  }

  std::vector<std::size_t> groups;
};

/// A follower whose appends take `append_time`; nothing else takes any time.
class MirrorPace : public ::testing::Test {
 protected:
  /// One event is written and offered; answers when it is at the follower.
  std::shared_ptr<bool> offer(const std::string& stream) {
    std::uint64_t revision = 0;
    boost::asio::co_spawn(context, write(stream, revision), boost::asio::detached);
    clock.move(nanoseconds(0), context);
    auto carried = std::make_shared<bool>(false);
    mirror.carry(stream, revision, {}, [carried](Carried how) { *carried = how == Carried::done; });
    clock.move(nanoseconds(0), context);
    return carried;
  }

  Awaitable<void> write(std::string stream, std::uint64_t& revision) {
    const Event event{EventId::random(), "happened", "{}", {}, ContentType::json, {}};
    const auto appended = co_await authority.append({stream, ExpectedRevision::any(), {event}});
    revision = *appended->revision;
  }

  /// A burst that takes so long, after which appends take no time.
  void carry_one_in(milliseconds time) {
    append_time = time;
    const auto carried = offer("a-1");
    clock.move(time, context);
    ASSERT_TRUE(*carried);
    append_time = nanoseconds(0);
  }

  /// The append takes ten seconds, later ones take no time.
  std::shared_ptr<bool> offer_slow(const std::string& stream) {
    append_time = std::chrono::seconds(10);
    auto carried = offer(stream);
    append_time = nanoseconds(0);
    return carried;
  }

  InjectedFault slow(const FaultPoint& point) const {
    InjectedFault fault;
    if (point.append != nullptr) fault.before = append_time;
    return fault;
  }

  nanoseconds append_time{0};
  boost::asio::io_context context;
  HandClock clock;
  MemoryLog authority{named("postgres")};
  MemoryLog store{named("eventstore")};
  GroupsLog follower{store, clock, clock, context.get_executor(), [this](const FaultPoint& point) { return slow(point); }};
  MemoryControlStore control;
  Metrics metrics;
  Mirror mirror{context.get_executor(), clock, system_random(), authority, follower,
                translation_between(authority, follower), control, metrics};
};

TEST_F(MirrorPace, WhatComesAfterAPauseIsCarriedAtOnce) {
  const auto first = offer("a-1");
  EXPECT_TRUE(*first);
  clock.move(milliseconds(600), context);
  EXPECT_TRUE(*offer("a-1"));
}

TEST_F(MirrorPace, WithLittleToDoTheNextBurstComesSoon) {
  ASSERT_TRUE(*offer("a-1"));
  const auto second = offer("a-2");
  EXPECT_FALSE(*second);
  clock.move(milliseconds(20), context);
  EXPECT_TRUE(*second);
}

TEST_F(MirrorPace, CarryingTakesAnEighthOfTheTime) {
  carry_one_in(milliseconds(30));
  const auto second = offer("a-2");
  clock.move(milliseconds(240 - 30 - 1), context);
  EXPECT_FALSE(*second);
  clock.move(milliseconds(1), context);
  EXPECT_TRUE(*second);
}

TEST_F(MirrorPace, NobodyWaitsForLongerThanHalfASecond) {
  carry_one_in(milliseconds(100));
  const auto second = offer("a-2");
  clock.move(milliseconds(500 - 100), context);
  EXPECT_TRUE(*second);
}

TEST_F(MirrorPace, AHurryEndsTheWaiting) {
  carry_one_in(milliseconds(30));
  const auto second = offer("a-2");
  EXPECT_FALSE(*second);
  mirror.hurry();
  clock.move(nanoseconds(0), context);
  EXPECT_TRUE(*second);
}

TEST_F(MirrorPace, ASlowStreamDoesNotHoldTheOthersUp) {
  const auto slow = offer_slow("a-1");
  const auto other = offer("a-2");
  clock.move(milliseconds(500), context);
  EXPECT_TRUE(*other);
  EXPECT_FALSE(*slow);
  clock.move(std::chrono::seconds(10), context);
  EXPECT_TRUE(*slow);
}

TEST_F(MirrorPace, AHurryWaitsShortlyForASlowStream) {
  carry_one_in(milliseconds(100));
  append_time = std::chrono::seconds(10);
  const auto slow = offer("a-1");
  mirror.hurry();
  clock.move(nanoseconds(0), context);
  append_time = nanoseconds(0);
  const auto other = offer("a-2");
  mirror.hurry();
  clock.move(milliseconds(10), context);
  mirror.hurry();  // again and again does not postpone it
  clock.move(milliseconds(10), context);
  EXPECT_TRUE(*other);
  EXPECT_FALSE(*slow);
  clock.move(std::chrono::seconds(10), context);
}

TEST_F(MirrorPace, ASlowStreamOfAnEarlierBurstIsNotWaitedFor) {
  const auto slow = offer_slow("a-1");
  offer("a-2");
  clock.move(milliseconds(500), context);
  const auto third = offer("a-3");
  mirror.hurry();
  clock.move(nanoseconds(0), context);
  EXPECT_TRUE(*third);
  EXPECT_FALSE(*slow);
  clock.move(std::chrono::seconds(10), context);
}

TEST_F(MirrorPace, BurstsThatDoNotEndAreFollowedMoreRarely) {
  append_time = std::chrono::seconds(10);
  offer("a-1");
  offer("a-2");
  clock.move(milliseconds(20), context);  // the second burst, beside the first
  append_time = nanoseconds(0);
  const auto third = offer("a-3");
  clock.move(milliseconds(159), context);
  EXPECT_FALSE(*third);
  clock.move(milliseconds(1), context);
  EXPECT_TRUE(*third);
  clock.move(std::chrono::seconds(10), context);
}

TEST_F(MirrorPace, TheStreamsOfABurstAreAppendedTogether) {
  const auto offer_three = [this] {
    for (const char* stream : {"a-1", "a-2", "a-3"}) offer(stream);
    clock.move(milliseconds(500), context);
  };
  offer_three();  // at first touch each is located by itself
  offer("a-1");
  follower.groups.clear();
  offer_three();
  EXPECT_EQ(follower.groups, (std::vector<std::size_t>{3}));
}

// Its answers wait for the slowest of them.
TEST_F(MirrorPace, AGroupIsAnEighthOfWhatIsCarriedAtOnce) {
  const auto offer_many = [this] {
    for (int i = 0; i < 40; ++i) offer("a-" + std::to_string(i));
    clock.move(milliseconds(500), context);
  };
  offer_many();
  offer("a-1");
  follower.groups.clear();
  offer_many();
  EXPECT_EQ(follower.groups, (std::vector<std::size_t>{32, 8}));
}

}  // namespace
}  // namespace twinstream
