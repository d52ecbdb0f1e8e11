// BatchAppend: the items of the conformance list (tests/unit/grpc/conformance_test.cpp).

#include "tests/unit/grpc/batch_fixture.h"

namespace twinstream {
namespace {

TEST_F(DoorBatchAppend, conformance_01_correlation_ids_are_taken_in_either_form) {
  auto message = opening(EventId::random(), "s", 1, true);
  message.mutable_correlation_id()->mutable_structured()->set_most_significant_bits(-5);
  message.mutable_correlation_id()->mutable_structured()->set_least_significant_bits(7);
  const auto answer = exchange(message);
  EXPECT_EQ(answer.correlation_id().structured().most_significant_bits(), -5);
  EXPECT_EQ(answer.correlation_id().structured().least_significant_bits(), 7);
}

TEST_F(DoorBatchAppend, conformance_29_one_final_chunk_gets_one_answer_with_its_correlation_id) {
  const auto id = EventId::random();
  const auto answer = exchange(opening(id, "s", 3, true));
  EXPECT_EQ(answer.correlation_id().string(), id.to_string());
  EXPECT_EQ(answer.stream_identifier().stream_name(), "s");
  EXPECT_EQ(answer.success().current_revision(), 2u);
  EXPECT_EQ(answer.success().position().commit_position(), answer.success().position().prepare_position());
  expect_nothing_else();
}

TEST_F(DoorBatchAppend, conformance_30_three_chunks_are_one_write_with_one_answer) {
  const auto id = EventId::random();
  send(opening(id, "s", 2, false));
  send(chunk(id, 2, false));
  EXPECT_EQ(exchange(chunk(id, 1, true)).success().current_revision(), 4u);
  expect_nothing_else();
  EXPECT_EQ(read(read_request("s")).revisions().size(), 5u);
}

TEST_F(DoorBatchAppend, conformance_31_interleaved_appends_get_an_answer_each) {
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

TEST_F(DoorBatchAppend, conformance_32_a_wrong_expectation_is_an_error_and_the_call_goes_on) {
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

TEST_F(DoorBatchAppend, conformance_33_a_deadline_in_the_past_of_either_form_is_a_timeout) {
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

TEST_F(DoorBatchAppend, conformance_34_35_too_much_data_is_an_error_with_the_limit_and_a_single_answer) {
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

TEST_F(DoorBatchAppend, conformance_35_an_append_that_has_timed_out_gets_no_second_answer) {
  const auto id = EventId::random();
  auto message = opening(id, "s", 1, false);
  message.mutable_options()->mutable_deadline()->set_nanos(50'000'000);
  const auto answer = exchange(message);
  EXPECT_TRUE(answer.error().details().Is<wire::Timeout>());
  EXPECT_TRUE(answer.correlation_id().has_structured());
  send(chunk(id, 1, true));
  expect_nothing_else();
}

}  // namespace
}  // namespace twinstream
