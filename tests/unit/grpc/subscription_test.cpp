#include "tests/unit/grpc/read_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using DoorSubscription = DoorTest;

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

TEST_F(DoorSubscription, checkpoints_come_after_window_times_multiplier_examined_events) {
  write("s", 200);
  const auto checkpoints_until_caught_up = [&](const streams::ReadReq& request) {
    const auto running = subscribe(request);
    std::vector<std::uint64_t> positions;
    for (auto response = running->next(); response && !response->has_caught_up(); response = running->next()) {
      if (response->has_checkpoint()) positions.push_back(response->checkpoint().commit_position());
    }
    return positions;
  };
  std::vector<std::uint64_t> all;
  for (const auto& response : read(all_request()).responses) {
    all.push_back(response.event().event().commit_position());
  }
  ASSERT_EQ(all.size(), 200u);
  auto request = wanted_types(0);
  auto& filter = *request.mutable_options()->mutable_filter();
  filter.set_max(10);
  filter.set_checkpointintervalmultiplier(5);
  EXPECT_EQ(checkpoints_until_caught_up(request), (std::vector{all[49], all[99], all[149], all[199]}));
  filter.mutable_count();  // the server's own window, of 32
  filter.set_checkpointintervalmultiplier(2);
  EXPECT_EQ(checkpoints_until_caught_up(request), (std::vector{all[63], all[127], all[191], all[199]}));
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
