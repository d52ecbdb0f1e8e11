// Subscriptions: the items of the conformance list (tests/unit/grpc/conformance_test.cpp).

#include "tests/unit/grpc/read_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using DoorSubscription = DoorTest;

TEST_F(DoorSubscription, conformance_56_the_first_response_is_the_confirmation_and_a_revision_is_exclusive) {
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

TEST_F(DoorSubscription, conformance_57_a_missing_stream_is_waited_for) {
  const auto running = subscribe(read_request("s"));
  EXPECT_TRUE(running->next()->has_confirmation());
  EXPECT_TRUE(running->next()->has_caught_up());
  write("s", 2);
  EXPECT_EQ(running->next_revision(), 0u);
  EXPECT_EQ(running->next_revision(), 1u);
}

TEST_F(DoorSubscription, conformance_58_from_the_end_only_new_events_come_and_it_is_caught_up_at_once) {
  write("s", 3);
  auto request = read_request("s");
  request.mutable_options()->mutable_stream()->mutable_end();
  const auto running = subscribe(request);
  EXPECT_TRUE(running->next()->has_confirmation());
  EXPECT_TRUE(running->next()->has_caught_up());
  write("s", 1);
  EXPECT_EQ(running->next_revision(), 3u);
}

TEST_F(DoorSubscription, conformance_59_checkpoints_come_and_resuming_from_one_loses_and_repeats_nothing) {
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

TEST_F(DoorSubscription, conformance_60_a_tombstoned_stream_is_refused_without_confirmation) {
  tombstone("s");
  const auto running = subscribe(read_request("s"));
  const auto end = running->end();
  EXPECT_TRUE(running->others.empty());
  EXPECT_EQ(end.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(end.trailer("exception"), "stream-deleted");
  EXPECT_EQ(end.trailer("stream-name"), "s");
}

}  // namespace
}  // namespace twinstream
