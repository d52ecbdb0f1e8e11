#include <boost/asio/post.hpp>
#include <future>
#include <set>

#include "tests/unit/grpc/batch_fixture.h"

namespace twinstream {
namespace {

TEST_F(DoorBatchAppend, a_deleted_stream_is_an_error) {
  tombstone("s");
  const auto answer = exchange(opening(EventId::random(), "s", 1, true));
  EXPECT_EQ(answer.error().code(), 5);
  EXPECT_TRUE(answer.error().details().Is<wire::StreamDeleted>());
}

TEST_F(DoorBatchAppend, deadlines_in_the_future_of_either_form_are_accepted) {
  auto old_form = opening(EventId::random(), "s", 1, true);
  old_form.mutable_options()->mutable_deadline_21_10_0()->set_seconds(9'000'000'000);
  auto new_form = opening(EventId::random(), "s", 1, true);
  new_form.mutable_options()->mutable_deadline()->set_seconds(10);
  EXPECT_TRUE(exchange(old_form).has_success());
  EXPECT_TRUE(exchange(new_form).has_success());
}

TEST_F(DoorBatchAppend, bad_requests_are_errors_and_forgotten) {
  auto no_expectation = opening(EventId::random(), "s", 1, true);
  no_expectation.mutable_options()->clear_expected_stream_position();
  auto no_stream = opening(EventId::random(), "s", 1, true);
  no_stream.mutable_options()->clear_stream_identifier();
  auto no_type = opening(EventId::random(), "s", 1, true);
  no_type.mutable_proposed_messages(0)->mutable_metadata()->erase("type");
  auto no_correlation = opening(EventId::random(), "s", 1, true);
  no_correlation.clear_correlation_id();
  for (const auto& message : {no_expectation, no_stream, no_type, no_correlation}) {
    const auto answer = exchange(message);
    EXPECT_EQ(answer.error().code(), 3);
    EXPECT_TRUE(answer.error().details().Is<wire::BadRequest>());
  }
  expect_nothing_else();
}

TEST_F(DoorBatchAppend, a_chunk_of_an_unknown_append_is_ignored) {
  send(chunk(EventId::random(), 1, true));
  expect_nothing_else();
}

TEST_F(DoorBatchAppend, no_events_are_a_success_without_stream) {
  EXPECT_TRUE(exchange(opening(EventId::random(), "s", 0, true)).success().has_no_stream());
}

// By the code clients know that nothing was written.
TEST_F(DoorBatchAppend, a_full_queue_is_told_without_a_code) {
  start({.queue_limit = 0});
  grpc::ClientContext context;
  const auto call = stub_->BatchAppend(&context);
  ASSERT_TRUE(call->Write(opening(EventId::random(), "s", 1, true)));
  streams::BatchAppendResp answer;
  ASSERT_TRUE(call->Read(&answer));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code(), 0);
  EXPECT_EQ(answer.error().details().type_url(), "type.googleapis.com/google.protobuf.Empty");
  context.TryCancel();
  call->Finish();
}

TEST_F(DoorBatchAppend, a_chunk_without_options_and_correlation_ends_the_call) { end_a_call(); }

TEST_F(DoorBatchAppend, a_half_closed_call_ends_after_its_last_answer) {
  std::set<std::string> missing;
  for (int i = 0; i < 500; ++i) {
    const auto id = EventId::random();
    missing.insert(id.to_string());
    send(opening(id, "s", 1, true));
  }
  call_->WritesDone();
  for (streams::BatchAppendResp answer; call_->Read(&answer);) {
    EXPECT_TRUE(answer.has_success());
    missing.erase(answer.correlation_id().string());
  }
  EXPECT_TRUE(missing.empty());
  EXPECT_EQ(contract::run(log_->head("s"))->revision, 499u);
}

// A sender with a full window sends nothing more until it has answers: none may be held back for company.
TEST_F(DoorBatchAppend, a_full_window_is_answered_without_further_requests) {
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    const auto call = stub_->BatchAppend(&context);
    for (int window = 0; window < 5; ++window) {
      for (int i = 0; i < 64; ++i) {
        ASSERT_TRUE(call->Write(opening(EventId::random(), "s-" + std::to_string(i), 2, true)));
      }
      streams::BatchAppendResp answer;
      for (int i = 0; i < 64; ++i) ASSERT_TRUE(call->Read(&answer)) << "round " << round << ", answer " << i;
    }
    call->WritesDone();
    EXPECT_TRUE(call->Finish().ok());
  }
}

// Would the headers leave with the first of several answers, gRPC would hold both back until other traffic, which comes
// after a second here.
TEST_F(DoorBatchAppend, the_first_answers_may_be_several) {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(20);
  for (int round = 0; round < 40; ++round) {
    std::promise<void> release;  // until then nothing is appended, so that both make one group
    const auto gate = release.get_future().share();
    for (std::size_t i = 0; i < threads_.size(); ++i) boost::asio::post(DoorTest::context_, [gate] { gate.wait(); });
    grpc::ClientContext context;
    context.set_deadline(deadline);
    const auto call = stub_->BatchAppend(&context);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(call->Write(opening(EventId::random(), "s", 1, true)));
    end_a_call();  // the server has read what was sent before
    release.set_value();
    streams::BatchAppendResp answer;
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(call->Read(&answer)) << "round " << round << ", answer " << i;
    call->WritesDone();
    EXPECT_TRUE(call->Finish().ok());
  }
}

TEST_F(DoorBatchAppend, more_appends_than_may_be_under_way_are_all_answered) {
  constexpr int count = 6'000;
  std::thread sender([&] {
    for (int i = 0; i < count; ++i) send(opening(EventId::random(), "s-" + std::to_string(i % 50), 1, true));
    call_->WritesDone();
  });
  int answered = 0;
  for (streams::BatchAppendResp answer; call_->Read(&answer);) answered += answer.has_success();
  sender.join();
  EXPECT_EQ(answered, count);
}

}  // namespace
}  // namespace twinstream
