// Append: the items of the conformance list (tests/unit/grpc/conformance_test.cpp).

#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using DoorAppend = DoorTest;

TEST_F(DoorAppend, conformance_11_the_first_event_of_a_stream_has_revision_0) {
  const auto answer = append("s", ExpectedRevision::any(), several(1));
  EXPECT_EQ(answer.response.success().current_revision(), 0u);
}

TEST_F(DoorAppend, conformance_12_a_success_tells_the_last_revision_and_a_position_with_equal_halves) {
  const auto answer = append("s", ExpectedRevision::any(), several(3));
  ASSERT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.response.success().current_revision(), 2u);
  const auto& position = answer.response.success().position();
  EXPECT_GT(position.commit_position(), 0u);
  EXPECT_EQ(position.commit_position(), position.prepare_position());
}

TEST_F(DoorAppend, conformance_13_positions_grow_strictly) {
  std::uint64_t last = 0;
  for (const char* stream : {"s", "t", "s", "u"}) {
    const auto position = write(stream, 2);
    EXPECT_GT(position, last);
    last = position;
  }
}

TEST_F(DoorAppend, conformance_14_no_stream_on_a_live_stream_is_answered_with_both_generations_of_fields) {
  write("s", 3);
  const auto answer = append("s", ExpectedRevision::no_stream(), several(1));
  ASSERT_TRUE(answer.status.ok());
  const auto& conflict = answer.response.wrong_expected_version();
  EXPECT_EQ(conflict.current_revision(), 2u);
  EXPECT_EQ(conflict.current_revision_20_6_0(), 2u);
  EXPECT_TRUE(conflict.has_expected_no_stream());
  EXPECT_EQ(conflict.expected_revision_20_6_0(), ~0ull);
}

TEST_F(DoorAppend, conformance_15_an_exact_revision_on_a_missing_stream_is_a_conflict_without_stream) {
  const auto answer = append("s", ExpectedRevision::exact(4), several(1));
  const auto& conflict = answer.response.wrong_expected_version();
  EXPECT_TRUE(conflict.has_current_no_stream());
  EXPECT_TRUE(conflict.has_no_stream_20_6_0());
  EXPECT_EQ(conflict.expected_revision(), 4u);
  EXPECT_EQ(conflict.expected_revision_20_6_0(), 4u);
}

TEST_F(DoorAppend, conformance_16_stream_exists_on_a_missing_stream_is_a_conflict) {
  const auto answer = append("s", ExpectedRevision::stream_exists(), several(1));
  EXPECT_TRUE(answer.response.wrong_expected_version().has_expected_stream_exists());
  EXPECT_TRUE(answer.response.wrong_expected_version().has_stream_exists_20_6_0());
}

TEST_F(DoorAppend, conformance_17_the_exact_head_writes_the_next_revision) {
  write("s", 1);
  EXPECT_EQ(append("s", ExpectedRevision::exact(0), several(1)).response.success().current_revision(), 1u);
}

TEST_F(DoorAppend, conformance_18_a_revision_beyond_the_head_is_a_conflict) {
  write("s", 2);
  const auto answer = append("s", ExpectedRevision::exact(9), several(1));
  ASSERT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.response.wrong_expected_version().current_revision(), 1u);
  EXPECT_EQ(answer.response.wrong_expected_version().expected_revision(), 9u);
}

class DoorRepetition : public DoorTest {
 protected:
  /// Appends, lets another writer go on, and appends the same again.
  void expect_the_first_answer_again(const std::string& stream, ExpectedRevision expected) {
    const auto events = several(2);
    const auto first = append(stream, expected, events).response.success();
    write(stream, 1);
    const auto again = append(stream, expected, events);
    ASSERT_TRUE(again.response.has_success());
    EXPECT_EQ(again.response.success().current_revision(), first.current_revision());
    EXPECT_EQ(again.response.success().position().commit_position(), first.position().commit_position());
    EXPECT_EQ(read(backwards_request(stream)).revisions().front(), first.current_revision() + 1);
  }
};

TEST_F(DoorRepetition, conformance_19_repeated_no_stream_append) {
  expect_the_first_answer_again("s", ExpectedRevision::no_stream());
}

TEST_F(DoorRepetition, conformance_20_repeated_exact_append) {
  write("s", 1);
  expect_the_first_answer_again("s", ExpectedRevision::exact(0));
}

TEST_F(DoorRepetition, conformance_23_repeated_any_append) {
  expect_the_first_answer_again("s", ExpectedRevision::any());
}

TEST_F(DoorAppend, conformance_21_an_old_revision_with_other_ids_is_a_conflict) {
  write("s", 3);
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), several(2)).response.has_wrong_expected_version());
}

TEST_F(DoorAppend, conformance_22_an_old_revision_with_ids_that_match_in_part_is_a_conflict) {
  const auto events = several(3);
  append("s", ExpectedRevision::no_stream(), events);
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), {events[1], proposed()}).response.has_wrong_expected_version());
  EXPECT_TRUE(
      append("s", ExpectedRevision::exact(0), {events[1], events[2], proposed()}).response.has_wrong_expected_version())
      << "past the head";
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), {events[1], events[2]}).response.has_success());
}

TEST_F(DoorAppend, conformance_24_any_with_a_known_first_id_and_an_unknown_second_is_a_conflict) {
  const auto events = several(1);
  append("s", ExpectedRevision::any(), events);
  EXPECT_TRUE(append("s", ExpectedRevision::any(), {events[0], proposed()}).response.has_wrong_expected_version());
}

TEST_F(DoorAppend, conformance_25_no_events_are_a_success_that_leaves_the_stream_missing) {
  const auto answer = append("s", ExpectedRevision::any(), {});
  EXPECT_TRUE(answer.response.success().has_no_stream());
  EXPECT_TRUE(answer.response.success().has_no_position());
  EXPECT_TRUE(read(read_request("s")).responses.at(0).has_stream_not_found());
}

TEST_F(DoorAppend, conformance_26_a_missing_metadata_property_is_named) {
  for (const char* property : {"type", "content-type"}) {
    auto event = proposed();
    event.mutable_metadata()->erase(property);
    const auto answer = append("s", ExpectedRevision::any(), {event});
    EXPECT_EQ(answer.status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(answer.trailer("exception"), "missing-required-metadata-property");
    EXPECT_EQ(answer.trailer("required-metadata-properties"), "type,content-type");
  }
}

TEST_F(DoorAppend, conformance_27_too_much_data_is_refused_with_the_limit) {
  const std::vector<Proposed> events{proposed(std::string(600'000, 'x')), proposed(std::string(600'000, 'y'))};
  const auto answer = append("s", ExpectedRevision::any(), events);
  EXPECT_EQ(answer.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(answer.trailer("exception"), "maximum-append-size-exceeded");
  EXPECT_EQ(answer.trailer("maximum-append-size"), "1048576");
  EXPECT_TRUE(append("s", ExpectedRevision::any(), {proposed(std::string(1'048'576, 'z'))}).response.has_success());
}

TEST_F(DoorAppend, conformance_28_an_unset_expectation_is_an_invalid_argument) {
  streams::AppendReq::Options options;
  options.mutable_stream_identifier()->set_stream_name("s");
  EXPECT_EQ(append(options, several(1)).status.error_code(), StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace twinstream
