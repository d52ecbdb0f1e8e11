#include "adapters/embedded/sqlite.h"
#include "adapters/embedded/stream_metadata.h"
#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream {
namespace {

using embedded::StreamMetadata;
using embedded::with_truncate_before;
using embedded::without_truncate_before;
using Revisions = std::vector<std::uint64_t>;

TEST(StreamMetadataText, known_keys_are_read) {
  const auto metadata = StreamMetadata::parse(R"({"$tb": 7, "$maxCount": 3, "$maxAge": 60, "mine": [1]})");
  EXPECT_EQ(metadata.truncate_before, 7u);
  EXPECT_EQ(metadata.max_count, 3u);
  EXPECT_EQ(metadata.max_age_seconds, 60u);
  EXPECT_FALSE(metadata.soft_deleted());
}

TEST(StreamMetadataText, the_largest_revision_marks_a_soft_deletion) {
  EXPECT_TRUE(StreamMetadata::parse(R"({"$tb":9223372036854775807})").soft_deleted());
}

TEST(StreamMetadataText, numbers_that_are_not_positive_are_ignored) {
  const auto metadata = StreamMetadata::parse(R"({"$tb": -1, "$maxCount": 0, "$maxAge": 5})");
  EXPECT_EQ(metadata.truncate_before, 0u);
  EXPECT_FALSE(metadata.max_count);
  EXPECT_EQ(metadata.max_age_seconds, 5u);
}

TEST(StreamMetadataText, a_wrong_type_of_a_known_key_empties_all_of_it) {
  for (const char* wrong : {R"("$maxAge": "5")", R"("$tb": 9223372036854775808)", R"("$cacheControl": true)",
                            R"("$tmp": 1)", R"("$acl": [])", R"("$maxAge": 1.5)"}) {
    const auto metadata = StreamMetadata::parse(R"({"$maxCount": 3, )" + std::string(wrong) + "}");
    EXPECT_FALSE(metadata.max_count) << wrong;
  }
}

TEST(StreamMetadataText, truncation_is_replaced_and_the_rest_is_kept) {
  EXPECT_EQ(with_truncate_before(R"({"$tb": 1, "mine": "x"})", 4), R"({"$tb":4,"mine":"x"})");
  EXPECT_EQ(with_truncate_before(R"({"mine": "x"})", 0), R"({"mine":"x","$tb":0})");
  EXPECT_EQ(without_truncate_before(R"({"$tb": 1, "mine": "x"})"), R"({"mine":"x"})");
  EXPECT_EQ(with_truncate_before("[]", 4), std::nullopt);
}

using EmbeddedMetadata = EmbeddedTest;

TEST_F(EmbeddedMetadata, max_count_hides_all_but_the_last_events_from_stream_reads) {
  write("s", 5);
  write_metadata("s", R"({"$maxCount": 2})");
  EXPECT_EQ(revisions("s"), (Revisions{3, 4}));
  EXPECT_EQ(head("s").first_visible, 3u);
  write("s", 1);
  EXPECT_EQ(revisions("s"), (Revisions{4, 5}));
}

TEST_F(EmbeddedMetadata, max_count_hides_nothing_from_the_whole_log) {
  write("s", 5);
  write_metadata("s", R"({"$maxCount": 2})");
  EXPECT_EQ(contract::run(log().read_all({}))->events.size(), 6u);
}

TEST_F(EmbeddedMetadata, truncation_hides_the_events_before_it) {
  write("s", 5);
  write_metadata("s", R"({"$tb": 4})");
  EXPECT_EQ(revisions("s"), (Revisions{4}));
  EXPECT_EQ(read(contract::backwards("s"))->events.size(), 1u);
}

TEST_F(EmbeddedMetadata, hidden_events_are_given_when_asked_for) {
  write("s", 5);
  write_metadata("s", R"({"$tb": 4})");
  EXPECT_EQ(read(contract::with_hidden("s"))->events.size(), 5u);
}

TEST_F(EmbeddedMetadata, an_age_beyond_all_events_hides_none) {
  write("s", 3);
  write_metadata("s", R"({"$maxAge": 86400})");
  EXPECT_EQ(revisions("s"), (Revisions{0, 1, 2}));
}

TEST_F(EmbeddedMetadata, events_older_than_the_age_are_hidden) {
  write("s", 5);
  write_metadata("s", R"({"$maxAge": 60})");
  log_.reset();
  {
    embedded::Database database((directory_.path() / "events.sqlite").string(), embedded::Database::Mode::write);
    database.execute("UPDATE events SET created = created - 3600000000 WHERE position <= 3");
  }
  reopen();
  EXPECT_EQ(revisions("s"), (Revisions{3, 4}));
  EXPECT_EQ(head("s").first_visible, 3u);
  EXPECT_EQ(contract::run(log().read_all({}))->events.size(), 6u);
}

TEST_F(EmbeddedMetadata, a_metadata_stream_shows_its_last_event_only) {
  write_metadata("s", R"({"a": 1})");
  write_metadata("s", R"({"a": 2})");
  EXPECT_EQ(revisions("$$s"), (Revisions{1}));
  EXPECT_EQ(latest_metadata("s"), R"({"a": 2})");
}

TEST_F(EmbeddedMetadata, a_stream_that_has_metadata_only_exists_for_writers_and_not_for_readers) {
  write_metadata("s", R"({"a": 1})");
  EXPECT_TRUE(read(contract::forwards("s")).failed_with(FailureCode::stream_not_found));
  EXPECT_EQ(head("s").state, Head::State::none);
  EXPECT_EQ(append("s", ExpectedRevision::stream_exists(), {json_event()})->revision, 0u);
}

TEST_F(EmbeddedMetadata, a_metadata_stream_of_a_metadata_stream_has_no_effect) {
  write_metadata("s", R"({"a": 1})");
  write_metadata("$$s", R"({"$tb": 9})");
  EXPECT_EQ(latest_metadata("s"), R"({"a": 1})");
}

TEST_F(EmbeddedMetadata, deletion_writes_the_marker_into_the_metadata_stream) {
  write("s", 3);
  write_metadata("s", R"({"$maxCount": 2})");
  const auto deleted = contract::run(log().soft_delete("s", ExpectedRevision::exact(2)));
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->position, contract::run(log().tip()).value());
  EXPECT_EQ(latest_metadata("s"), R"({"$tb":9223372036854775807})");
  EXPECT_EQ(head("s"), (Head{Head::State::soft_deleted, 2, 3}));
}

TEST_F(EmbeddedMetadata, re_creation_moves_the_truncation_to_the_first_new_event) {
  write("s", 3);
  ASSERT_TRUE(contract::run(log().soft_delete("s", ExpectedRevision::any())).ok());
  EXPECT_EQ(append("s", ExpectedRevision::no_stream(), {json_event(), json_event()})->revision, 4u);
  EXPECT_EQ(latest_metadata("s"), R"({"$tb":3})");
  EXPECT_EQ(revisions("s"), (Revisions{3, 4}));
}

TEST_F(EmbeddedMetadata, an_empty_append_brings_a_deleted_stream_back_empty) {
  write("s", 3);
  ASSERT_TRUE(contract::run(log().soft_delete("s", ExpectedRevision::any())).ok());
  ASSERT_TRUE(append("s", {}).ok());
  EXPECT_EQ(head("s"), (Head{Head::State::live, 2, 3}));
  EXPECT_TRUE(read(contract::forwards("s"))->events.empty());
}

TEST_F(EmbeddedMetadata, writing_metadata_of_a_deleted_stream_brings_it_back_empty_with_that_metadata) {
  write("s", 3);
  ASSERT_TRUE(contract::run(log().soft_delete("s", ExpectedRevision::any())).ok());
  write_metadata("s", R"({"mine":1})");
  EXPECT_EQ(latest_metadata("s"), R"({"mine":1,"$tb":3})");
  EXPECT_EQ(head("s"), (Head{Head::State::live, 2, 3}));
}

TEST_F(EmbeddedMetadata, restoring_shows_every_event_again) {
  write("s", 3);
  ASSERT_TRUE(contract::run(log().soft_delete("s", ExpectedRevision::any())).ok());
  ASSERT_TRUE(contract::run(log().restore("s")).ok());
  EXPECT_EQ(revisions("s"), (Revisions{0, 1, 2}));
  EXPECT_TRUE(contract::run(log().restore("s")).failed_with(FailureCode::stream_not_found));
}

TEST_F(EmbeddedMetadata, a_tombstone_closes_the_metadata_stream_too) {
  write("s", 1);
  write_metadata("s", "{}");
  ASSERT_TRUE(contract::run(log().tombstone("s", ExpectedRevision::any())).ok());
  EXPECT_TRUE(append("$$s", {json_event("$metadata")}).failed_with(FailureCode::stream_deleted));
  EXPECT_TRUE(read(contract::forwards("$$s")).failed_with(FailureCode::stream_deleted));
}

TEST_F(EmbeddedMetadata, a_tombstone_is_an_event_of_the_whole_log) {
  write("s", 1);
  ASSERT_TRUE(contract::run(log().tombstone("s", ExpectedRevision::any())).ok());
  const auto last = contract::run(log().read_all({Direction::backwards, Position::end(), 1}))->events.front();
  EXPECT_EQ(last.event.type, "$streamDeleted");
  EXPECT_EQ(last.revision, 9223372036854775807u);
  EXPECT_EQ(last.event.content_type, ContentType::binary);
}

}  // namespace
}  // namespace twinstream
