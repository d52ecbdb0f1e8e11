#include "proxy/grpc/messages.h"
#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using DoorAppend = DoorTest;
constexpr std::uint64_t minus_one = ~0ull;

TEST(DoorUuid, both_forms_mean_the_same_id) {
  const auto id = EventId::parse("8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55").value();
  wire::UUID structured;
  door::set_uuid(structured, id, false);
  EXPECT_EQ(structured.structured().most_significant_bits(), -8115500009792647410);
  EXPECT_EQ(structured.structured().least_significant_bits(), -6495139589849997483);
  EXPECT_EQ(door::parse_uuid(structured), id);
  wire::UUID text;
  text.set_string("8F5FF3BD-25A1-4F0E-A5DC-A0F4AC6A1F55");
  EXPECT_EQ(door::parse_uuid(text), id);
  EXPECT_EQ(door::parse_uuid({}), std::nullopt);
}

TEST_F(DoorAppend, the_first_event_of_a_stream_has_revision_0) {
  const auto answer = append("s", ExpectedRevision::any(), several(1));
  EXPECT_EQ(answer.response.success().current_revision(), 0u);
}

TEST_F(DoorAppend, a_success_tells_the_last_revision_and_a_position_with_equal_halves) {
  const auto answer = append("s", ExpectedRevision::any(), several(3));
  ASSERT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.response.success().current_revision(), 2u);
  const auto& position = answer.response.success().position();
  EXPECT_GT(position.commit_position(), 0u);
  EXPECT_EQ(position.commit_position(), position.prepare_position());
}

TEST_F(DoorAppend, positions_grow_strictly) {
  std::uint64_t last = 0;
  for (const char* stream : {"s", "t", "s", "u"}) {
    const auto position = write(stream, 2);
    EXPECT_GT(position, last);
    last = position;
  }
}

TEST_F(DoorAppend, ids_are_taken_in_structured_form_too) {
  const EventId id = EventId::random();
  auto event = proposed();
  door::set_uuid(*event.mutable_id(), id, false);
  ASSERT_TRUE(append("s", ExpectedRevision::any(), {event}).response.has_success());
  EXPECT_EQ(read(read_request("s")).responses.at(0).event().event().id().string(), id.to_string());
}

TEST_F(DoorAppend, no_stream_on_a_live_stream_is_answered_with_both_generations_of_fields) {
  write("s", 3);
  const auto answer = append("s", ExpectedRevision::no_stream(), several(1));
  ASSERT_TRUE(answer.status.ok());
  const auto& conflict = answer.response.wrong_expected_version();
  EXPECT_EQ(conflict.current_revision(), 2u);
  EXPECT_EQ(conflict.current_revision_20_6_0(), 2u);
  EXPECT_TRUE(conflict.has_expected_no_stream());
  EXPECT_EQ(conflict.expected_revision_20_6_0(), minus_one);
}

TEST_F(DoorAppend, an_exact_revision_on_a_missing_stream_is_a_conflict_without_stream) {
  const auto answer = append("s", ExpectedRevision::exact(4), several(1));
  const auto& conflict = answer.response.wrong_expected_version();
  EXPECT_TRUE(conflict.has_current_no_stream());
  EXPECT_TRUE(conflict.has_no_stream_20_6_0());
  EXPECT_EQ(conflict.expected_revision(), 4u);
  EXPECT_EQ(conflict.expected_revision_20_6_0(), 4u);
}

TEST_F(DoorAppend, stream_exists_on_a_missing_stream_is_a_conflict) {
  const auto answer = append("s", ExpectedRevision::stream_exists(), several(1));
  EXPECT_TRUE(answer.response.wrong_expected_version().has_expected_stream_exists());
  EXPECT_TRUE(answer.response.wrong_expected_version().has_stream_exists_20_6_0());
}

TEST_F(DoorAppend, the_exact_head_writes_and_a_revision_beyond_it_does_not) {
  write("s", 1);
  EXPECT_EQ(append("s", ExpectedRevision::exact(0), several(1)).response.success().current_revision(), 1u);
  EXPECT_TRUE(append("s", ExpectedRevision::exact(9), several(1)).response.has_wrong_expected_version());
}

TEST_F(DoorAppend, minus_one_as_an_exact_revision_is_no_stream) {
  streams::AppendReq::Options options;
  options.mutable_stream_identifier()->set_stream_name("s");
  options.set_revision(minus_one);
  EXPECT_EQ(append(options, several(1)).response.success().current_revision(), 0u);
  EXPECT_TRUE(append(options, several(1)).response.wrong_expected_version().has_expected_no_stream());
  options.set_revision(minus_one - 1);
  EXPECT_EQ(append(options, several(1)).status.error_code(), StatusCode::UNKNOWN);
}

TEST_F(DoorAppend, a_repetition_answers_the_same_and_writes_nothing) {
  write("exact", 1);
  for (const auto& [stream, expected] : std::map<std::string, ExpectedRevision>{{"none", ExpectedRevision::no_stream()},
                                                                                {"exact", ExpectedRevision::exact(0)},
                                                                                {"any", ExpectedRevision::any()}}) {
    const auto events = several(2);
    const auto first = append(stream, expected, events).response.success();
    write(stream, 1);
    const auto again = append(stream, expected, events).response.success();
    EXPECT_EQ(again.current_revision(), first.current_revision()) << stream;
    EXPECT_EQ(again.position().commit_position(), first.position().commit_position()) << stream;
    EXPECT_EQ(read(backwards_request(stream)).revisions().front(), first.current_revision() + 1) << stream;
  }
}

TEST_F(DoorAppend, an_old_revision_with_other_ids_or_half_of_them_is_a_conflict) {
  const auto events = several(3);
  append("s", ExpectedRevision::no_stream(), events);
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), several(2)).response.has_wrong_expected_version());
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), {events[1], proposed()}).response.has_wrong_expected_version());
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), {events[1], events[2]}).response.has_success());
}

TEST_F(DoorAppend, any_with_a_known_first_id_and_an_unknown_second_is_a_conflict) {
  const auto events = several(1);
  append("s", ExpectedRevision::any(), events);
  EXPECT_TRUE(append("s", ExpectedRevision::any(), {events[0], proposed()}).response.has_wrong_expected_version());
}

TEST_F(DoorAppend, no_events_are_a_success_that_leaves_the_stream_missing) {
  const auto answer = append("s", ExpectedRevision::any(), {});
  EXPECT_TRUE(answer.response.success().has_no_stream());
  EXPECT_TRUE(answer.response.success().has_no_position());
  EXPECT_TRUE(read(read_request("s")).responses.at(0).has_stream_not_found());
}

TEST_F(DoorAppend, a_missing_metadata_property_is_named) {
  for (const char* property : {"type", "content-type"}) {
    auto event = proposed();
    event.mutable_metadata()->erase(property);
    const auto answer = append("s", ExpectedRevision::any(), {event});
    EXPECT_EQ(answer.status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(answer.trailer("exception"), "missing-required-metadata-property");
    EXPECT_EQ(answer.trailer("required-metadata-properties"), "type,content-type");
  }
}

TEST_F(DoorAppend, too_much_data_is_refused_with_the_limit) {
  const std::vector<Proposed> events{proposed(std::string(600'000, 'x')), proposed(std::string(600'000, 'y'))};
  const auto answer = append("s", ExpectedRevision::any(), events);
  EXPECT_EQ(answer.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(answer.trailer("exception"), "maximum-append-size-exceeded");
  EXPECT_EQ(answer.trailer("maximum-append-size"), "1048576");
  EXPECT_TRUE(append("s", ExpectedRevision::any(), {proposed(std::string(1'048'576, 'z'))}).response.has_success());
}

TEST_F(DoorAppend, an_unset_expectation_is_an_invalid_argument) {
  streams::AppendReq::Options options;
  options.mutable_stream_identifier()->set_stream_name("s");
  EXPECT_EQ(append(options, several(1)).status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(DoorAppend, bad_ids_empty_types_and_names_fail_unknown) {
  auto no_id = proposed();
  no_id.clear_id();
  auto bad_id = proposed();
  bad_id.mutable_id()->set_string("no uuid");
  for (const auto& event : {no_id, bad_id, proposed("{}", "Tested", EventId{}), proposed("{}", "")}) {
    EXPECT_EQ(append("s", ExpectedRevision::any(), {event}).status.error_code(), StatusCode::UNKNOWN);
  }
  for (const char* name : {"", "$$"}) {
    EXPECT_EQ(append(name, ExpectedRevision::any(), several(1)).status.error_code(), StatusCode::UNKNOWN);
  }
  EXPECT_TRUE(read(all_request()).responses.empty());
}

TEST_F(DoorAppend, a_call_without_options_fails_unknown) {
  grpc::ClientContext context;
  streams::AppendResp response;
  auto writer = stub_->Append(&context, &response);
  writer->WritesDone();
  EXPECT_EQ(writer->Finish().error_code(), StatusCode::UNKNOWN);
}

TEST_F(DoorAppend, fields_that_are_not_known_are_ignored) {
  streams::AppendReq::Options options;
  options.mutable_stream_identifier()->set_stream_name("s");
  options.mutable_any();
  options.GetReflection()->MutableUnknownFields(&options)->AddVarint(999, 1);
  EXPECT_TRUE(append(options, several(1)).response.has_success());
}

TEST_F(DoorAppend, what_a_cancelled_call_has_sent_is_not_written) {
  for (int round = 0; round < 50; ++round) {
    grpc::ClientContext context;
    streams::AppendResp response;
    auto writer = stub_->Append(&context, &response);
    streams::AppendReq message;
    message.mutable_options()->mutable_stream_identifier()->set_stream_name("s");
    message.mutable_options()->mutable_any();
    writer->Write(message);
    *message.mutable_proposed_message() = proposed();
    writer->Write(message);
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), StatusCode::CANCELLED);
  }
  server_->shutdown(std::chrono::seconds(10));
  EXPECT_EQ(contract::run(log_->head("s"))->state, Head::State::none);
}

}  // namespace
}  // namespace twinstream
