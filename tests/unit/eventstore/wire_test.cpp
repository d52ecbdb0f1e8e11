#include "adapters/eventstore/wire.h"

#include <gtest/gtest.h>

#include "adapters/eventstore/connection.h"
#include "adapters/eventstore/reader.h"
#include "proxy/protocol/streams.pb.h"

namespace twinstream::eventstore {
namespace {

namespace streams = event_store::client::streams;

const auto vector_id = *EventId::parse("8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55");

TEST(Wire, IdsAreWrittenAsTheTestVectorSays) {
  event_store::client::UUID id;
  write_uuid(vector_id, id);
  EXPECT_EQ(id.structured().most_significant_bits(), -8115500009792647410);
  EXPECT_EQ(id.structured().least_significant_bits(), -6495139589849997483);
}

TEST(Wire, IdsAreReadInEitherForm) {
  event_store::client::UUID id;
  write_uuid(vector_id, id);
  EXPECT_EQ(read_uuid(id), vector_id);
  id.set_string("8F5FF3BD-25a1-4f0e-a5dc-a0f4ac6a1f55");
  EXPECT_EQ(read_uuid(id), vector_id);
  EXPECT_TRUE(read_uuid({}).is_nil());
}

TEST(Wire, TimesAreTicksOfAHundredNanoseconds) {
  EXPECT_EQ(to_rfc3339(read_created("17000000000000000")), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(to_rfc3339(read_created("17000000001234569")), "2023-11-14T22:13:20.123456Z");
}

TEST(Wire, AnEventCarriesTypeAndContentType) {
  Event event{vector_id, "Kind", "{}", "m", ContentType::json, {}};
  streams::BatchAppendReq_ProposedMessage proposed;
  write_event(event, proposed);
  EXPECT_EQ(proposed.metadata().at("type"), "Kind");
  EXPECT_EQ(proposed.metadata().at("content-type"), "application/json");
  EXPECT_EQ(proposed.metadata().size(), 2u);
  EXPECT_EQ(proposed.custom_metadata(), "m");
  event.content_type = ContentType::binary;
  streams::AppendReq_ProposedMessage other;
  write_event(event, other);
  EXPECT_EQ(other.metadata().at("content-type"), "application/octet-stream");
}

TEST(Wire, AnAnswerOfABatchHasRevisionAndPosition) {
  streams::BatchAppendResp answer;
  answer.mutable_success()->set_current_revision(4);
  answer.mutable_success()->mutable_position()->set_commit_position(10);
  answer.mutable_success()->mutable_position()->set_prepare_position(9);
  const auto appended = read_answer(answer);
  ASSERT_TRUE(appended.ok());
  EXPECT_EQ(appended->revision, 4u);
  EXPECT_EQ(appended->position, (Position{10, 9}));
}

TEST(Wire, AnEmptyAppendToNoStreamHasNoRevision) {
  streams::BatchAppendResp answer;
  answer.mutable_success()->mutable_no_stream();
  answer.mutable_success()->mutable_no_position();
  const auto appended = read_answer(answer);
  ASSERT_TRUE(appended.ok());
  EXPECT_EQ(appended->revision, std::nullopt);
  EXPECT_EQ(appended->position, Position::start());
}

TEST(Wire, AnAnswerWithoutResultIsADoubt) {
  EXPECT_TRUE(read_answer(streams::BatchAppendResp{}).failed_with(FailureCode::unknown_outcome));
  EXPECT_TRUE(read_answer(streams::AppendResp{}).failed_with(FailureCode::unknown_outcome));
}

TEST(Wire, AConflictIsReadInBothGenerations) {
  streams::AppendResp answer;
  answer.mutable_wrong_expected_version()->set_current_revision(3);
  EXPECT_EQ(read_answer(answer).failure().actual, 3u);
  streams::AppendResp old;
  old.mutable_wrong_expected_version()->set_current_revision_20_6_0(2);
  EXPECT_EQ(read_answer(old).failure().actual, 2u);
  streams::AppendResp none;
  none.mutable_wrong_expected_version()->mutable_current_no_stream();
  EXPECT_EQ(read_answer(none).failure().actual, std::nullopt);
}

TEST(StreamMetadata, TellsWhereVisibleEventsBegin) {
  EXPECT_EQ(truncated_before(R"({"$tb": 12, "x": 1})"), 12u);
  EXPECT_EQ(truncated_before(R"({"$tb":9223372036854775807})"), deleted_revision);
  EXPECT_EQ(truncated_before(R"({"$maxCount": 3})"), std::nullopt);
  EXPECT_EQ(truncated_before(R"({"$tb": "12"})"), std::nullopt);
  EXPECT_EQ(truncated_before(R"({"$tb": -1})"), std::nullopt);
  EXPECT_EQ(truncated_before(""), std::nullopt);
  EXPECT_EQ(truncated_before("[1]"), std::nullopt);
}

TEST(StreamMetadata, LosesItsTruncationAndNothingElse) {
  EXPECT_EQ(without_truncation(R"({"$acl":{"$r":"ops"},"$tb":5,"mine":[1,2]})"),
            R"({"$acl":{"$r":"ops"},"mine":[1,2]})");
  EXPECT_EQ(without_truncation(R"({"$tb":5})"), "{}");
}

TEST(Features, FollowTheVersion) {
  const auto of = [](std::string version) {
    Features features;
    features.version = std::move(version);
    return features;
  };
  EXPECT_TRUE(of("23.10.0").announces_caught_up());
  EXPECT_TRUE(of("25.0.1").announces_caught_up());
  EXPECT_FALSE(of("23.6.0").announces_caught_up());
  EXPECT_FALSE(of("").announces_caught_up());
  EXPECT_FALSE(of("unknown").announces_caught_up());
  EXPECT_TRUE(of("25.1.0").takes_large_appends());
  EXPECT_TRUE(of("26.0.0").takes_large_appends());
  EXPECT_FALSE(of("25.0.9").takes_large_appends());
}

}  // namespace
}  // namespace twinstream::eventstore
