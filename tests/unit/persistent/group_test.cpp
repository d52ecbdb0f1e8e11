#include "proxy/persistent/group.h"

#include <gtest/gtest.h>

#include <random>

#include "proxy/core/links.h"

namespace twinstream::persistent {
namespace {

using namespace std::chrono_literals;

SharedPayload event(std::uint64_t revision, const std::string& stream = "s", std::string metadata = {}) {
  auto payload = std::make_shared<Payload>();
  payload->original.stream = stream;
  payload->original.revision = revision;
  payload->original.event.id = EventId::derive(stream + std::to_string(revision));
  payload->original.event.type = "Tested";
  payload->original.event.metadata = std::move(metadata);
  return payload;
}

/// A group with a clock of its own that hands out after every step.
class GroupTest : public ::testing::Test {
 protected:
  void make(Settings settings, Place finished = {}) { group_.emplace(settings, finished, now_); }
  void make() { make(settings_); }

  void push(std::uint64_t from, std::uint64_t to) {
    for (auto revision = from; revision < to; ++revision) group_->push(event(revision), {revision + 1, {}});
  }
  ConsumerId consumer(std::size_t window = 10) { return *group_->connect(window); }

  struct Got {
    ConsumerId consumer;
    std::uint64_t revision;
    std::int32_t retries;
    bool operator==(const Got&) const = default;
  };
  /// Hands out, and says at once that everything was written.
  std::vector<Got> dispatch() {
    std::vector<Got> got;
    for (const auto& delivery : group_->dispatch(now_)) {
      got.push_back({delivery.consumer, delivery.payload->original.revision, delivery.retry_count});
      group_->written(delivery.consumer);
    }
    return got;
  }
  void ack(ConsumerId id, std::uint64_t revision) { group_->acknowledge(id, event(revision)->id(), now_); }
  void refuse(ConsumerId id, std::uint64_t revision, Refusal refusal) {
    group_->refuse(id, event(revision)->id(), refusal, "");
  }
  std::uint64_t finished() const { return group_->finished().next_revision; }

  Settings settings_;
  Group::Time now_{1h};
  std::optional<Group> group_;
};

TEST_F(GroupTest, nothing_is_handed_out_without_a_consumer_and_nothing_is_wanted) {
  make();
  EXPECT_FALSE(group_->has_room(20, 500));
  push(0, 3);
  EXPECT_TRUE(dispatch().empty());
  consumer();
  EXPECT_TRUE(group_->has_room(20, 500));
  EXPECT_EQ(dispatch().size(), 3u);
}

TEST_F(GroupTest, a_consumer_never_has_more_than_its_window) {
  make();
  const auto one = consumer(2);
  push(0, 5);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 0}, {one, 1, 0}}));
  EXPECT_TRUE(dispatch().empty());
  ack(one, 0);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 2, 0}}));
}

TEST_F(GroupTest, what_is_not_written_yet_takes_its_place_in_the_window) {
  settings_.message_timeout = 1s;
  make();
  const auto one = consumer(1);
  push(0, 1);
  EXPECT_EQ(group_->dispatch(now_).size(), 1u);
  now_ += 2s;
  group_->expire(now_);
  EXPECT_TRUE(group_->dispatch(now_).empty()) << "the consumer has not even got the first delivery";
  group_->written(one);
  EXPECT_EQ(group_->dispatch(now_).size(), 1u);
}

TEST_F(GroupTest, the_buffer_is_bounded_by_its_limit) {
  make();
  consumer(1);
  push(0, 500);
  EXPECT_FALSE(group_->has_room(1, 500));
  dispatch();
  EXPECT_TRUE(group_->has_room(1, 500));
  EXPECT_FALSE(group_->has_room(20, 500));
}

TEST_F(GroupTest, a_retry_comes_again_with_its_count_and_before_what_is_new_until_it_is_parked) {
  settings_.max_retry_count = 2;
  make();
  const auto one = consumer(1);
  push(0, 2);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 0}}));
  refuse(one, 0, Refusal::retry);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 1}}));
  refuse(one, 0, Refusal::retry);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 2}}));
  EXPECT_FALSE(group_->has_parks());
  refuse(one, 0, Refusal::retry);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 1, 0}}));
  const auto park = group_->next_park();
  ASSERT_TRUE(park);
  EXPECT_EQ(park->payload->original.revision, 0u);
  EXPECT_EQ(park->reason, "Reached retry count of 2");
  EXPECT_FALSE(group_->next_park()) << "given out once";
  EXPECT_EQ(finished(), 0u) << "outstanding until it is stored";
  group_->parked(park->key);
  EXPECT_EQ(finished(), 1u);
}

TEST_F(GroupTest, a_message_is_parked_or_skipped_at_once_when_the_consumer_says_so) {
  make();
  const auto one = consumer();
  push(0, 2);
  dispatch();
  refuse(one, 0, Refusal::park);
  refuse(one, 1, Refusal::skip);
  ASSERT_TRUE(group_->has_parks());
  EXPECT_EQ(finished(), 0u);
  group_->parked(group_->next_park()->key);
  EXPECT_EQ(finished(), 2u);
  EXPECT_EQ(group_->outstanding(), 0u);
}

TEST_F(GroupTest, an_unanswered_message_times_out_and_counts_as_a_retry) {
  settings_.message_timeout = 10s;
  settings_.max_retry_count = 1;
  make();
  const auto one = consumer();
  push(0, 1);
  dispatch();
  now_ += 9s;
  group_->expire(now_);
  EXPECT_TRUE(dispatch().empty());
  now_ += 1s;
  group_->expire(now_);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 1}}));
  now_ += 10s;
  group_->expire(now_);
  EXPECT_TRUE(dispatch().empty());
  EXPECT_TRUE(group_->has_parks());
}

TEST_F(GroupTest, a_late_ack_finishes_what_is_with_another_consumer_but_a_late_refusal_does_not_disturb_it) {
  settings_.message_timeout = 1s;
  make();
  const auto one = consumer(1);
  push(0, 1);
  dispatch();
  const auto two = consumer(1);
  now_ += 1s;
  group_->expire(now_);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{two, 0, 1}}));
  refuse(one, 0, Refusal::park);
  EXPECT_FALSE(group_->has_parks());
  ack(one, 0);
  EXPECT_EQ(group_->outstanding(), 0u);
  ack(two, 0);
  EXPECT_EQ(finished(), 1u);
}

TEST_F(GroupTest, what_a_lost_consumer_had_goes_to_another_in_order) {
  make();
  const auto one = consumer();
  push(0, 3);
  dispatch();
  ack(one, 1);
  group_->disconnect(one);
  const auto two = consumer();
  EXPECT_EQ(dispatch(), (std::vector<Got>{{two, 0, 1}, {two, 2, 1}}));
}

TEST_F(GroupTest, no_more_consumers_than_the_maximum) {
  settings_.max_subscriber_count = 1;
  make();
  const auto one = consumer();
  EXPECT_FALSE(group_->connect(10));
  group_->disconnect(one);
  EXPECT_TRUE(group_->connect(10));
}

TEST_F(GroupTest, the_checkpoint_waits_for_the_lowest_unfinished_message) {
  make();
  const auto one = consumer();
  push(0, 4);
  dispatch();
  ack(one, 1);
  ack(one, 2);
  EXPECT_EQ(finished(), 0u);
  ack(one, 0);
  EXPECT_EQ(finished(), 3u);
  ack(one, 3);
  group_->pass({9, {}}, 5);
  EXPECT_EQ(finished(), 9u);
}

TEST_F(GroupTest, a_checkpoint_is_due_by_count_or_after_a_time_when_enough_was_processed) {
  settings_.min_checkpoint_count = 2;
  settings_.max_checkpoint_count = 4;
  settings_.checkpoint_after = 10s;
  make();
  const auto one = consumer(100);
  push(0, 10);
  dispatch();
  ack(one, 0);
  now_ += 11s;
  EXPECT_FALSE(group_->checkpoint_due(now_)) << "less than the minimum";
  ack(one, 1);
  ASSERT_TRUE(group_->checkpoint_due(now_));
  group_->checkpoint_stored(*group_->checkpoint_due(now_), now_);
  for (std::uint64_t i = 2; i < 5; ++i) ack(one, i);
  EXPECT_FALSE(group_->checkpoint_due(now_)) << "neither time nor maximum";
  ack(one, 5);
  EXPECT_EQ(group_->checkpoint_due(now_)->place.next_revision, 6u);
  EXPECT_EQ(group_->unsaved()->place.next_revision, 6u);
}

TEST_F(GroupTest, what_is_processed_while_a_checkpoint_is_stored_counts_towards_the_next) {
  settings_.max_checkpoint_count = 1;
  make();
  const auto one = consumer();
  push(0, 2);
  dispatch();
  ack(one, 0);
  const auto storing = group_->checkpoint_due(now_);
  ASSERT_TRUE(storing);
  ack(one, 1);
  group_->checkpoint_stored(*storing, now_);
  ASSERT_TRUE(group_->checkpoint_due(now_));
  EXPECT_EQ(group_->checkpoint_due(now_)->place.next_revision, 2u);
}

TEST_F(GroupTest, with_checkpoint_after_0_no_checkpoint_is_due_by_time) {
  settings_.min_checkpoint_count = 1;
  settings_.checkpoint_after = 0s;
  make();
  const auto one = consumer();
  push(0, 1);
  dispatch();
  ack(one, 0);
  now_ += 24h;
  EXPECT_FALSE(group_->checkpoint_due(now_));
  EXPECT_TRUE(group_->unsaved());
}

TEST_F(GroupTest, replayed_messages_come_first_and_do_not_touch_the_checkpoint) {
  make(settings_, {7, {}});
  const auto one = consumer(1);
  push(7, 8);
  group_->replay(event(3, "parked"));
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 3, 0}}));
  EXPECT_EQ(group_->lowest_replayed(), 3u);
  group_->acknowledge(one, event(3, "parked")->id(), now_);
  EXPECT_FALSE(group_->lowest_replayed());
  EXPECT_EQ(finished(), 7u);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 7, 0}}));
}

TEST_F(GroupTest, round_robin_takes_the_next_consumer_with_a_free_slot) {
  make();
  const auto one = consumer(1);
  const auto two = consumer(10);
  const auto three = consumer(10);
  push(0, 5);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 0}, {two, 1, 0}, {three, 2, 0}, {two, 3, 0}, {three, 4, 0}}));
}

TEST_F(GroupTest, dispatch_to_single_fills_one_consumer_before_the_next) {
  settings_.strategy = Strategy::dispatch_to_single;
  make();
  const auto one = consumer(2);
  const auto two = consumer(2);
  push(0, 3);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 0, 0}, {one, 1, 0}, {two, 2, 0}}));
  ack(one, 0);
  push(3, 4);
  EXPECT_EQ(dispatch(), (std::vector<Got>{{one, 3, 0}}));
}

class PinnedTest : public GroupTest, public ::testing::WithParamInterface<bool> {
 protected:
  SharedPayload in(int key, std::uint64_t revision) {
    const std::string name = "key-" + std::to_string(key);
    if (!GetParam()) return event(revision, name);
    return event(revision, "one-stream", R"({"$correlationId":")" + name + "\"}");
  }
};

TEST_P(PinnedTest, what_belongs_together_stays_with_one_consumer_and_a_full_one_holds_up_nobody_else) {
  settings_.strategy = GetParam() ? Strategy::pinned_by_correlation : Strategy::pinned;
  make();
  const std::vector<ConsumerId> consumers{consumer(1'000), consumer(1'000), consumer(1'000), consumer(1'000)};
  std::uint64_t next = 0;
  std::map<std::uint64_t, int> key_of;
  for (int round = 0; round < 5; ++round) {
    for (int key = 0; key < 100; ++key) {
      key_of[next] = key;
      group_->push(in(key, next), {next + 1, {}});
      ++next;
    }
  }
  std::map<int, std::set<ConsumerId>> with;
  std::map<ConsumerId, int> load;
  for (const auto& got : dispatch()) {
    with[key_of[got.revision]].insert(got.consumer);
    ++load[got.consumer];
  }
  EXPECT_EQ(with.size(), 100u);
  for (const auto& [key, ids] : with) EXPECT_EQ(ids.size(), 1u) << key;
  for (const auto id : consumers) EXPECT_GT(load[id], 5 * 8) << "roughly a quarter each";

  make();
  consumer(1);
  consumer(1'000);
  for (int key = 0; key < 100; ++key) group_->push(in(key, static_cast<std::uint64_t>(key)), {});
  const auto got = dispatch();
  EXPECT_GT(got.size(), 25u) << "the rest of the full consumer waits";
  EXPECT_LT(got.size(), 75u);
}

INSTANTIATE_TEST_SUITE_P(ByStreamAndByCorrelation, PinnedTest, ::testing::Bool());

TEST(ConsumerChoiceTest, a_link_is_pinned_by_the_stream_it_points_to) {
  Payload link;
  link.original.stream = "$ce-order";
  link.original.event.type = link_type;
  link.original.event.data = link_data("order-1", 5);
  EXPECT_EQ(pin_of(Strategy::pinned, link), pin_of(Strategy::pinned, *event(0, "order-1")));
  EXPECT_NE(pin_of(Strategy::pinned, link), pin_of(Strategy::pinned, *event(0, "order-2")));
}

TEST_F(GroupTest, two_events_with_the_same_id_are_both_finished_by_two_acks) {
  make();
  const auto one = consumer();
  group_->push(event(0), {1, {}});
  group_->push(event(0), {2, {}});
  EXPECT_EQ(dispatch().size(), 2u);
  ack(one, 0);
  EXPECT_EQ(group_->outstanding(), 1u);
  ack(one, 0);
  EXPECT_EQ(finished(), 2u);
}

// ---- random runs against the three promises

struct Model {
  std::map<ConsumerId, std::set<std::uint64_t>> held;
  std::map<ConsumerId, std::size_t> windows;
};

void random_run(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t limit) { return random() % limit; };
  Settings settings;
  settings.strategy = static_cast<Strategy>(below(4));
  settings.max_retry_count = static_cast<std::int32_t>(below(4));
  settings.message_timeout = std::chrono::milliseconds(below(5) * 10);
  settings.min_checkpoint_count = static_cast<std::int32_t>(below(5));
  settings.max_checkpoint_count = static_cast<std::int32_t>(below(20));
  settings.checkpoint_after = std::chrono::milliseconds(below(3) * 10);
  Group::Time now{1h};
  constexpr std::uint64_t events = 200;
  std::uint64_t stored = 0;      // the checkpoint, which survives a crash
  std::set<std::uint64_t> done;  // and what consumers have really finished
  for (int crash = 0; crash < 4 || stored < events; ++crash) {
    ASSERT_LT(crash, 200) << "no progress";
    Group group(settings, {stored, {}}, now);
    Model model;
    std::uint64_t next = stored;
    std::vector<ConsumerId> unwritten;
    const auto steps = below(4) == 0 ? below(100) : 2'000;
    for (std::uint64_t step = 0; step < steps && stored < events; ++step) {
      const auto some = [&](auto& container) {
        auto chosen = container.begin();
        std::advance(chosen, static_cast<long>(below(container.size())));
        return chosen;
      };
      const auto action = below(12);
      if (action == 0 && model.windows.size() < 4) {
        const auto window = 1 + below(6);
        model.windows[*group.connect(window)] = window;
      } else if (action == 1 && below(6) == 0 && !model.windows.empty()) {
        const auto id = some(model.windows)->first;
        group.disconnect(id);
        model.windows.erase(id);
        model.held.erase(id);
      } else if (action <= 4 && next < events && group.has_room(1, 30)) {
        if (below(5) == 0) {
          done.insert(next);  // filtered out
          group.pass({next + 1, {}}, 1);
        } else {
          group.push(event(next, "stream-" + std::to_string(next % 7)), {next + 1, {}});
        }
        ++next;
      } else if (action <= 8 && !model.held.empty()) {
        auto& [id, held] = *some(model.held);
        if (held.empty()) continue;
        const auto revision = *some(held);
        const auto message = event(revision, "stream-" + std::to_string(revision % 7))->id();
        held.erase(revision);
        const auto answer = below(8);
        const auto before = group.outstanding();
        if (answer == 0) {
          group.refuse(id, message, Refusal::retry, "");
        } else if (answer == 1) {
          group.refuse(id, message, Refusal::park, "");
        } else if (answer == 2) {
          group.refuse(id, message, Refusal::skip, "");
        } else {
          group.acknowledge(id, message, now);
        }
        // A refusal that comes too late is ignored: then nothing was finished.
        if (group.outstanding() < before) done.insert(revision);
      } else if (action == 9) {
        now += std::chrono::milliseconds(below(20));
        group.expire(now);
        // Whoever was too late does not hold it any more: the group says how many it counts.
        for (const auto& consumer : group.state().consumers) {
          if (consumer.in_flight == 0) model.held[consumer.id].clear();
        }
      } else if (action == 10) {
        if (const auto park = group.next_park()) {
          done.insert(park->payload->original.revision);
          group.parked(park->key);
        }
      } else if (const auto checkpoint = group.checkpoint_due(now)) {
        const auto next_revision = checkpoint->place.next_revision;
        ASSERT_GT(next_revision, stored);
        for (std::uint64_t r = stored; r < next_revision; ++r) ASSERT_TRUE(done.contains(r)) << "passed " << r;
        stored = next_revision;
        group.checkpoint_stored(*checkpoint, now);
      } else if (next == events && group.outstanding() == 0) {
        if (const auto rest = group.unsaved()) stored = rest->place.next_revision;
        for (std::uint64_t r = 0; r < stored; ++r) ASSERT_TRUE(done.contains(r)) << "passed " << r;
      }
      if (!unwritten.empty() && below(3) > 0) {
        group.written(unwritten.back());
        unwritten.pop_back();
      }
      for (const auto& delivery : group.dispatch(now)) {
        const auto revision = delivery.payload->original.revision;
        model.held[delivery.consumer].insert(revision);
        unwritten.push_back(delivery.consumer);
      }
      for (const auto& consumer : group.state().consumers) {
        ASSERT_LE(consumer.in_flight, model.windows.at(consumer.id)) << "more than the window";
      }
    }
  }
  for (std::uint64_t revision = 0; revision < events; ++revision) ASSERT_TRUE(done.contains(revision)) << revision;
}

TEST(GroupRandomTest, whatever_happens_every_event_is_finished_before_the_checkpoint_passes_it) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    random_run(seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace twinstream::persistent
