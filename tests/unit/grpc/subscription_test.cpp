#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using DoorSubscription = DoorTest;

streams::ReadReq all_after(std::uint64_t position) {
  auto request = all_request();
  request.mutable_options()->mutable_all()->mutable_position()->set_commit_position(position);
  request.mutable_options()->mutable_all()->mutable_position()->set_prepare_position(position);
  return request;
}

streams::ReadReq wanted_types(std::uint64_t position) {
  auto request = position == 0 ? all_request() : all_after(position);
  auto& filter = *request.mutable_options()->mutable_filter();
  filter.mutable_event_type()->add_prefix("Wanted");
  filter.set_max(4);
  filter.set_checkpointintervalmultiplier(1);
  return request;
}

TEST_F(DoorSubscription, the_first_response_is_the_confirmation_and_a_revision_is_exclusive) {
  write("s", 4);
  auto request = read_request("s");
  request.mutable_options()->mutable_stream()->set_revision(1);
  const auto running = subscribe(request);
  const auto first = running->next();
  ASSERT_TRUE(first && first->has_confirmation());
  EXPECT_TRUE(EventId::parse(first->confirmation().subscription_id()));
  EXPECT_EQ(running->next_revision(), 2u);
  EXPECT_EQ(running->next_revision(), 3u);
  EXPECT_TRUE(running->next()->has_caught_up());
}

TEST_F(DoorSubscription, a_missing_stream_is_waited_for) {
  const auto running = subscribe(read_request("s"));
  EXPECT_TRUE(running->next()->has_confirmation());
  EXPECT_TRUE(running->next()->has_caught_up());
  write("s", 2);
  EXPECT_EQ(running->next_revision(), 0u);
  EXPECT_EQ(running->next_revision(), 1u);
}

TEST_F(DoorSubscription, from_the_end_only_new_events_come_and_it_is_caught_up_at_once) {
  write("s", 3);
  auto request = read_request("s");
  request.mutable_options()->mutable_stream()->mutable_end();
  const auto running = subscribe(request);
  EXPECT_TRUE(running->next()->has_confirmation());
  EXPECT_TRUE(running->next()->has_caught_up());
  write("s", 1);
  EXPECT_EQ(running->next_revision(), 3u);
}

TEST_F(DoorSubscription, the_whole_log_is_followed_from_a_position_exclusively) {
  const auto position = write("s", 1);
  write("t", 1);
  const auto running = subscribe(all_after(position));
  EXPECT_EQ(running->next_revision(), 0u);
  write("s", 1);
  EXPECT_EQ(running->next_revision(), 1u);
  ASSERT_EQ(running->others.size(), 2u);
  EXPECT_TRUE(running->others[0].has_confirmation());
  EXPECT_TRUE(running->others[1].has_caught_up());
}

TEST_F(DoorSubscription, the_whole_log_is_followed_from_its_end) {
  write("s", 3);
  auto request = all_request();
  request.mutable_options()->mutable_all()->mutable_end();
  const auto running = subscribe(request);
  EXPECT_TRUE(running->next()->has_confirmation());
  EXPECT_TRUE(running->next()->has_caught_up());
  write("s", 1);
  EXPECT_EQ(running->next_revision(), 3u);
}

TEST_F(DoorSubscription, checkpoints_come_and_resuming_from_one_loses_and_repeats_nothing) {
  std::vector<std::uint64_t> wanted;
  for (int i = 0; i < 40; ++i) {
    const bool is_wanted = i % 7 == 0;
    const auto answer = append("s", ExpectedRevision::any(), {proposed("{}", is_wanted ? "WantedType" : "OtherType")});
    if (is_wanted) wanted.push_back(answer.response.success().current_revision());
  }
  std::vector<std::uint64_t> found;
  std::size_t checkpoints = 0;
  std::uint64_t position = 0;
  // Every resumption gets as far as its first checkpoint, until one is caught up.
  for (bool caught_up = false; !caught_up;) {
    const auto running = subscribe(wanted_types(position));
    for (auto response = running->next(); response; response = running->next()) {
      if (response->has_event()) found.push_back(response->event().event().stream_revision());
      if (response->has_caught_up()) caught_up = true;
      if (response->has_checkpoint()) {
        ++checkpoints;
        EXPECT_GT(response->checkpoint().commit_position(), position);
        position = response->checkpoint().commit_position();
      }
      if (response->has_checkpoint() || caught_up) break;
    }
  }
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(checkpoints, 10u);
}

TEST_F(DoorSubscription, a_filter_is_live_too) {
  const auto running = subscribe(wanted_types(0));
  EXPECT_TRUE(running->next()->has_confirmation());
  EXPECT_TRUE(running->next()->has_caught_up());
  append("s", ExpectedRevision::any(), {proposed("{}", "OtherType"), proposed("{}", "WantedType")});
  EXPECT_EQ(running->next_revision(), 1u);
}

TEST_F(DoorSubscription, a_multiplier_of_0_fails_unknown) {
  auto request = wanted_types(0);
  request.mutable_options()->mutable_filter()->set_checkpointintervalmultiplier(0);
  EXPECT_EQ(subscribe(request)->end().status.error_code(), StatusCode::UNKNOWN);
}

TEST_F(DoorSubscription, a_tombstoned_stream_is_refused_without_confirmation) {
  tombstone("s");
  const auto running = subscribe(read_request("s"));
  const auto end = running->end();
  EXPECT_TRUE(running->others.empty());
  EXPECT_EQ(end.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(end.trailer("exception"), "stream-deleted");
  EXPECT_EQ(end.trailer("stream-name"), "s");
}

TEST_F(DoorSubscription, a_tombstone_is_delivered_and_ends_the_subscription) {
  write("s", 1);
  const auto running = subscribe(read_request("s"));
  EXPECT_EQ(running->next_revision(), 0u);
  tombstone("s");
  EXPECT_EQ(running->next_revision(), 9223372036854775807u);
  EXPECT_EQ(running->end().trailer("exception"), "stream-deleted");
}

TEST_F(DoorSubscription, a_soft_deletion_is_silent_and_the_stream_goes_on) {
  write("s", 1);
  const auto running = subscribe(read_request("s"));
  EXPECT_EQ(running->next_revision(), 0u);
  soft_delete("s");
  write("s", 1);
  EXPECT_EQ(running->next_revision(), 1u);
}

TEST_F(DoorSubscription, every_event_of_many_writers_is_delivered_in_order) {
  const auto running = subscribe(read_request("s"));
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([this] {
      for (int i = 0; i < 50; ++i) write("s", 3);
    });
  }
  for (std::uint64_t revision = 0; revision < 600; ++revision) ASSERT_EQ(running->next_revision(), revision);
  for (auto& writer : writers) writer.join();
}

TEST_F(DoorSubscription, a_shutdown_ends_subscriptions_as_unavailable) {
  write("s", 1);
  const auto running = subscribe(read_request("s"));
  EXPECT_EQ(running->next_revision(), 0u);
  server_->shutdown(std::chrono::minutes(1));
  EXPECT_EQ(running->end().status.error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace twinstream
