#include <set>

#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using Chunk = streams::BatchAppendReq;
using BatchProposed = Chunk::ProposedMessage;

Chunk chunk(const EventId& id, int events, bool final) {
  Chunk message;
  message.mutable_correlation_id()->set_string(id.to_string());
  for (int i = 0; i < events; ++i) *message.add_proposed_messages() = proposed<BatchProposed>();
  message.set_is_final(final);
  return message;
}

Chunk opening(const EventId& id, const std::string& stream, int events, bool final) {
  Chunk message = chunk(id, events, final);
  message.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
  message.mutable_options()->mutable_any();
  return message;
}

class DoorBatchAppend : public DoorTest {
 protected:
  ~DoorBatchAppend() override {
    context_.TryCancel();
    if (!ended_) call_->Finish();
  }

  void send(const Chunk& message) { ASSERT_TRUE(call_->Write(message)); }
  streams::BatchAppendResp receive() {
    streams::BatchAppendResp answer;
    EXPECT_TRUE(call_->Read(&answer));
    return answer;
  }
  streams::BatchAppendResp exchange(const Chunk& message) {
    send(message);
    return receive();
  }
  /// That the call still works and that no other answer came before.
  void expect_nothing_else() {
    const auto id = EventId::random();
    EXPECT_EQ(exchange(opening(id, "probe", 1, true)).correlation_id().string(), id.to_string());
  }

  bool ended_ = false;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Chunk, streams::BatchAppendResp>> call_ = stub_->BatchAppend(&context_);
};

TEST_F(DoorBatchAppend, one_final_chunk_gets_one_answer_with_its_correlation_id) {
  const auto id = EventId::random();
  const auto answer = exchange(opening(id, "s", 3, true));
  EXPECT_EQ(answer.correlation_id().string(), id.to_string());
  EXPECT_EQ(answer.stream_identifier().stream_name(), "s");
  EXPECT_EQ(answer.success().current_revision(), 2u);
  EXPECT_EQ(answer.success().position().commit_position(), answer.success().position().prepare_position());
  expect_nothing_else();
}

TEST_F(DoorBatchAppend, a_structured_correlation_id_is_echoed_in_its_form) {
  auto message = opening(EventId::random(), "s", 1, true);
  message.mutable_correlation_id()->mutable_structured()->set_most_significant_bits(-5);
  message.mutable_correlation_id()->mutable_structured()->set_least_significant_bits(7);
  const auto answer = exchange(message);
  EXPECT_EQ(answer.correlation_id().structured().most_significant_bits(), -5);
  EXPECT_EQ(answer.correlation_id().structured().least_significant_bits(), 7);
}

TEST_F(DoorBatchAppend, three_chunks_are_one_write_with_one_answer) {
  const auto id = EventId::random();
  send(opening(id, "s", 2, false));
  send(chunk(id, 2, false));
  EXPECT_EQ(exchange(chunk(id, 1, true)).success().current_revision(), 4u);
  expect_nothing_else();
  EXPECT_EQ(read(read_request("s")).revisions().size(), 5u);
}

TEST_F(DoorBatchAppend, interleaved_appends_get_an_answer_each) {
  const auto left = EventId::random();
  const auto right = EventId::random();
  send(opening(left, "left", 1, false));
  send(opening(right, "right", 1, false));
  send(chunk(left, 1, true));
  send(chunk(right, 2, true));
  std::map<std::string, std::uint64_t> heads;
  for (int i = 0; i < 2; ++i) {
    const auto answer = receive();
    heads[answer.stream_identifier().stream_name()] = answer.success().current_revision();
  }
  EXPECT_EQ(heads, (std::map<std::string, std::uint64_t>{{"left", 1}, {"right", 2}}));
}

TEST_F(DoorBatchAppend, a_wrong_expectation_is_an_error_and_the_call_goes_on) {
  write("s", 2);
  auto message = opening(EventId::random(), "s", 1, true);
  message.mutable_options()->set_stream_position(7);
  const auto answer = exchange(message);
  EXPECT_EQ(answer.error().code(), 6);
  EXPECT_EQ(answer.error().message(), "WrongExpectedVersion");
  EXPECT_EQ(answer.error().details().type_url(), "type.googleapis.com/event_store.client.WrongExpectedVersion");
  wire::WrongExpectedVersion details;
  ASSERT_TRUE(answer.error().details().UnpackTo(&details));
  EXPECT_EQ(details.current_stream_revision(), 1u);
  EXPECT_EQ(details.expected_stream_position(), 7u);
  EXPECT_EQ(answer.stream_identifier().stream_name(), "s");
  expect_nothing_else();
}

TEST_F(DoorBatchAppend, a_deleted_stream_is_an_error) {
  tombstone("s");
  const auto answer = exchange(opening(EventId::random(), "s", 1, true));
  EXPECT_EQ(answer.error().code(), 5);
  EXPECT_TRUE(answer.error().details().Is<wire::StreamDeleted>());
}

TEST_F(DoorBatchAppend, a_deadline_in_the_past_of_either_form_is_a_timeout) {
  auto old_form = opening(EventId::random(), "s", 1, true);
  old_form.mutable_options()->mutable_deadline_21_10_0()->set_seconds(1'000'000'000);
  auto new_form = opening(EventId::random(), "s", 1, true);
  new_form.mutable_options()->mutable_deadline();
  for (const auto& message : {old_form, new_form}) {
    const auto answer = exchange(message);
    EXPECT_EQ(answer.error().code(), 4);
    EXPECT_EQ(answer.error().message(), "Timeout");
    EXPECT_TRUE(answer.error().details().Is<wire::Timeout>());
  }
  expect_nothing_else();
  EXPECT_TRUE(read(read_request("s")).responses.at(0).has_stream_not_found());
}

TEST_F(DoorBatchAppend, deadlines_in_the_future_of_either_form_are_accepted) {
  auto old_form = opening(EventId::random(), "s", 1, true);
  old_form.mutable_options()->mutable_deadline_21_10_0()->set_seconds(9'000'000'000);
  auto new_form = opening(EventId::random(), "s", 1, true);
  new_form.mutable_options()->mutable_deadline()->set_seconds(10);
  EXPECT_TRUE(exchange(old_form).has_success());
  EXPECT_TRUE(exchange(new_form).has_success());
}

TEST_F(DoorBatchAppend, an_append_whose_last_chunk_does_not_come_is_timed_out_and_forgotten) {
  const auto id = EventId::random();
  auto message = opening(id, "s", 1, false);
  message.mutable_options()->mutable_deadline()->set_nanos(50'000'000);
  const auto answer = exchange(message);
  EXPECT_TRUE(answer.error().details().Is<wire::Timeout>());
  EXPECT_TRUE(answer.correlation_id().has_structured());
  send(chunk(id, 1, true));
  expect_nothing_else();
}

TEST_F(DoorBatchAppend, too_much_data_is_an_error_with_the_limit_and_a_single_answer) {
  const auto id = EventId::random();
  auto message = opening(id, "s", 1, false);
  message.mutable_proposed_messages(0)->set_data(std::string(1'048'577, 'x'));
  const auto answer = exchange(message);
  EXPECT_EQ(answer.error().code(), 3);
  wire::MaximumAppendSizeExceeded details;
  ASSERT_TRUE(answer.error().details().UnpackTo(&details));
  EXPECT_EQ(details.maxappendsize(), 1'048'576u);
  send(chunk(id, 1, true));
  expect_nothing_else();
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

TEST_F(DoorBatchAppend, a_chunk_without_options_and_correlation_ends_the_call) {
  auto message = chunk(EventId::random(), 1, true);
  message.clear_correlation_id();
  send(message);
  streams::BatchAppendResp answer;
  EXPECT_FALSE(call_->Read(&answer));
  ended_ = true;
  EXPECT_EQ(call_->Finish().error_code(), grpc::StatusCode::UNKNOWN);
}

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
