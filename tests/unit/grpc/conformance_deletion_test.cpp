// Deletion and tombstones: the items of the conformance list (tests/unit/grpc/conformance_test.cpp).

#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Revisions = std::vector<std::uint64_t>;
using DoorDeletion = DoorTest;

TEST_F(DoorDeletion, conformance_36_a_deleted_stream_answers_a_position_and_is_not_found) {
  const auto last = write("s", 3);
  const auto answer = soft_delete("s");
  ASSERT_TRUE(answer.status.ok());
  EXPECT_GT(answer.position, last);
  const auto found = read(read_request("s"));
  EXPECT_TRUE(found.status.ok());
  ASSERT_EQ(found.responses.size(), 1u);
  EXPECT_EQ(found.responses[0].stream_not_found().stream_identifier().stream_name(), "s");
}

TEST_F(DoorDeletion, conformance_37_38_a_deleted_stream_continues_its_numbers) {
  for (const auto expected : {ExpectedRevision::any(), ExpectedRevision::no_stream(), ExpectedRevision::exact(2)}) {
    const std::string stream = EventId::random().to_string();
    write(stream, 3);
    soft_delete(stream);
    EXPECT_EQ(append(stream, expected, several(1)).response.success().current_revision(), 3u);
    EXPECT_EQ(read(read_request(stream)).revisions(), (Revisions{3}));
  }
}

TEST_F(DoorDeletion, conformance_39_stream_exists_does_not_fit_a_deleted_stream) {
  write("s", 1);
  soft_delete("s");
  const auto answer = append("s", ExpectedRevision::stream_exists(), several(1));
  EXPECT_EQ(answer.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.trailer("exception"), "stream-deleted");
  EXPECT_EQ(answer.trailer("stream-name"), "s");
}

TEST_F(DoorDeletion, conformance_40_deleting_a_missing_stream_is_a_conflict_with_actual_version_minus_one) {
  for (const auto& [expected, text] :
       std::vector<std::pair<ExpectedRevision, std::string>>{{ExpectedRevision::any(), "-2"},
                                                             {ExpectedRevision::no_stream(), "-1"},
                                                             {ExpectedRevision::stream_exists(), "-4"},
                                                             {ExpectedRevision::exact(5), "5"}}) {
    const auto answer = soft_delete("s", expected);
    EXPECT_EQ(answer.status.error_code(), StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(answer.trailer("exception"), "wrong-expected-version");
    EXPECT_EQ(answer.trailer("expected-version"), text);
    EXPECT_EQ(answer.trailer("actual-version"), "-1");
  }
}

TEST_F(DoorDeletion, conformance_41_deleting_with_a_wrong_revision_tells_both_versions) {
  write("s", 3);
  const auto answer = soft_delete("s", ExpectedRevision::exact(9));
  EXPECT_EQ(answer.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.trailer("stream-name"), "s");
  EXPECT_EQ(answer.trailer("expected-version"), "9");
  EXPECT_EQ(answer.trailer("actual-version"), "2");
  EXPECT_TRUE(soft_delete("s", ExpectedRevision::exact(2)).status.ok());
}

TEST_F(DoorDeletion, conformance_42_43_a_tombstoned_stream_cannot_be_read_or_written) {
  write("s", 1);
  EXPECT_TRUE(tombstone("s").position.has_value());
  for (const auto& name : {"s", "$$s"}) {
    const auto found = read(read_request(name));
    EXPECT_EQ(found.status.error_code(), StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(found.trailer("exception"), "stream-deleted");
    EXPECT_EQ(found.trailer("stream-name"), name);
  }
  for (const auto expected : {ExpectedRevision::any(), ExpectedRevision::no_stream(), ExpectedRevision::stream_exists(),
                              ExpectedRevision::exact(0)}) {
    EXPECT_EQ(append("s", expected, several(1)).trailer("exception"), "stream-deleted");
    EXPECT_EQ(soft_delete("s", expected).trailer("exception"), "stream-deleted");
    EXPECT_EQ(tombstone("s", expected).trailer("exception"), "stream-deleted");
  }
}

TEST_F(DoorDeletion, conformance_44_a_missing_stream_can_be_tombstoned_with_any_or_no_stream) {
  EXPECT_TRUE(tombstone("a", ExpectedRevision::any()).status.ok());
  EXPECT_TRUE(tombstone("b", ExpectedRevision::no_stream()).status.ok());
  EXPECT_EQ(tombstone("c", ExpectedRevision::stream_exists()).trailer("actual-version"), "-1");
}

TEST_F(DoorDeletion, conformance_45_the_metadata_stream_ends_with_the_mark_of_the_deletion) {
  write("s", 1);
  soft_delete("s");
  const auto found = read(backwards_request("$$s"));
  ASSERT_FALSE(found.responses.empty());
  EXPECT_EQ(found.responses[0].event().event().metadata().at("type"), "$metadata");
  EXPECT_EQ(found.responses[0].event().event().data(), R"({"$tb":9223372036854775807})");
}

}  // namespace
}  // namespace twinstream
