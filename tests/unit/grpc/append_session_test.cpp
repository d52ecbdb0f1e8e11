#include "proxy/protocol/rich_status.pb.h"
#include "proxy/protocol/streams_v2.grpc.pb.h"
#include "proxy/protocol/streams_v2_errors.pb.h"
#include "tests/unit/grpc/door_fixture.h"

// Protocol v2 (checklist item 65 of the reference): sections 14.1, 14.3 and 14.4.

namespace twinstream {
namespace {

namespace v2 = kurrentdb::protocol::v2::streams;
namespace errors = v2::errors;

class DoorAppendSession : public DoorTest {
 protected:
  template <class Response>
  struct AnswerOf {
    grpc::Status status;
    Response response;

    /// The names of the reason and of the typed detail: `STREAM_REVISION_CONFLICT StreamRevisionConflictErrorDetails`.
    std::string what() const {
      rpc::Status rich;
      rpc::ErrorInfo info;
      if (!rich.ParseFromString(status.error_details()) || rich.details().empty()) return "no details";
      EXPECT_EQ(rich.code(), static_cast<int>(status.error_code()));
      EXPECT_EQ(rich.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
      info.ParseFromString(rich.details(0).value());
      if (rich.details_size() == 1) return info.reason();
      const std::string& url = rich.details(rich.details_size() - 1).type_url();
      return info.reason() + " " + url.substr(url.find_last_of("./") + 1);
    }

    template <class Details>
    Details detail() const {
      rpc::Status rich;
      Details details;
      EXPECT_TRUE(rich.ParseFromString(status.error_details()));
      EXPECT_TRUE(rich.details(rich.details_size() - 1).UnpackTo(&details));
      return details;
    }
  };

  using Answer = AnswerOf<v2::AppendSessionResponse>;
  using RecordsAnswer = AnswerOf<v2::AppendRecordsResponse>;

  static v2::AppendRequest request(const std::string& stream, std::optional<std::int64_t> expected, int records = 1) {
    v2::AppendRequest request;
    request.set_stream(stream);
    if (expected) request.set_expected_revision(*expected);
    for (int i = 0; i < records; ++i) {
      auto& record = *request.add_records();
      record.set_record_id(EventId::random().to_string());
      record.mutable_schema()->set_format(v2::SCHEMA_FORMAT_JSON);
      record.mutable_schema()->set_name("Happened");
      record.set_data("{}");
    }
    return request;
  }

  Answer session(const std::vector<v2::AppendRequest>& requests) {
    Answer answer;
    grpc::ClientContext context;
    auto writer = v2::StreamsService::NewStub(channel_)->AppendSession(&context, &answer.response);
    for (const auto& one : requests) {
      if (!writer->Write(one)) break;
    }
    writer->WritesDone();
    answer.status = writer->Finish();
    return answer;
  }

  /// One record for each stream named, and checks as pairs of stream and expected state.
  static v2::AppendRecordsRequest records(const std::vector<std::string>& streams,
                                          const std::vector<std::pair<std::string, std::int64_t>>& checks = {}) {
    v2::AppendRecordsRequest records;
    for (const auto& stream : streams) {
      auto& record = *records.add_records();
      record = request(stream, {}).records(0);
      record.set_stream(stream);
    }
    for (const auto& [stream, state] : checks) {
      auto& check = *records.add_checks()->mutable_stream_state();
      check.set_stream(stream);
      check.set_expected_state(state);
    }
    return records;
  }

  RecordsAnswer append_records(const v2::AppendRecordsRequest& request) {
    RecordsAnswer answer;
    grpc::ClientContext context;
    answer.status = v2::StreamsService::NewStub(channel_)->AppendRecords(&context, request, &answer.response);
    return answer;
  }

  std::size_t count(const std::string& stream) { return read(read_request(stream)).responses.size(); }
};

TEST_F(DoorAppendSession, conformance_65_two_streams_are_both_written) {
  write("b", 2);
  const auto answer = session({request("a", -1, 2), request("b", 1)});
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_EQ(answer.response.output_size(), 2);
  EXPECT_EQ(answer.response.output(0).stream(), "a");
  EXPECT_EQ(answer.response.output(0).stream_revision(), 1);
  EXPECT_EQ(answer.response.output(1).stream(), "b");
  EXPECT_EQ(answer.response.output(1).stream_revision(), 2);
  const auto last = read(read_request("b")).responses.back().event();
  EXPECT_EQ(static_cast<std::uint64_t>(answer.response.position()), last.commit_position());
}

TEST_F(DoorAppendSession, conformance_65_a_conflict_writes_neither_and_names_the_stream) {
  write("b", 2);
  const auto answer = session({request("a", -1), request("b", 0)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.what(), "STREAM_REVISION_CONFLICT StreamRevisionConflictErrorDetails");
  const auto details = answer.detail<errors::StreamRevisionConflictErrorDetails>();
  EXPECT_EQ(details.stream(), "b");
  EXPECT_EQ(details.expected_revision(), 0);
  EXPECT_EQ(details.actual_revision(), 1);
  EXPECT_TRUE(read(read_request("a")).responses.at(0).has_stream_not_found());
}

TEST_F(DoorAppendSession, a_stream_without_events_is_at_minus_one) {
  const auto details =
      session({request("a", 4)}).detail<errors::StreamRevisionConflictErrorDetails>();
  EXPECT_EQ(details.expected_revision(), 4);
  EXPECT_EQ(details.actual_revision(), -1);
}

TEST_F(DoorAppendSession, an_absent_expectation_is_any) {
  write("a", 2);
  EXPECT_EQ(session({request("a", std::nullopt)}).response.output(0).stream_revision(), 2);
  EXPECT_EQ(session({request("a", -2)}).response.output(0).stream_revision(), 3);
  EXPECT_EQ(session({request("a", -4)}).response.output(0).stream_revision(), 4);
}

TEST_F(DoorAppendSession, a_tombstoned_stream_is_named) {
  write("a", 1);
  ASSERT_TRUE(tombstone("a", ExpectedRevision::any()).status.ok());
  const auto answer = session({request("b", -2), request("a", -2)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.what(), "STREAM_TOMBSTONED StreamTombstonedErrorDetails");
  EXPECT_EQ(answer.detail<errors::StreamTombstonedErrorDetails>().stream(), "a");
}

TEST_F(DoorAppendSession, a_repetition_gives_the_first_answer) {
  const std::vector requests{request("a", -1, 2), request("b", -1)};
  const auto first = session(requests), again = session(requests);
  ASSERT_TRUE(again.status.ok()) << again.status.error_message();
  EXPECT_EQ(again.response.SerializeAsString(), first.response.SerializeAsString());
  EXPECT_EQ(count("a"), 2u);
}

TEST_F(DoorAppendSession, a_session_without_requests_is_refused) {
  const auto answer = session({});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.what(), "APPEND_SESSION_NO_REQUESTS");
}

TEST_F(DoorAppendSession, a_stream_may_occur_once_whatever_its_case) {
  const auto answer = session({request("a", -2), request("A", -2)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(answer.what(), "STREAM_ALREADY_IN_APPEND_SESSION StreamAlreadyInAppendSessionErrorDetails");
}

TEST_F(DoorAppendSession, what_is_no_request_is_a_bad_request) {
  std::vector<v2::AppendRequest> bad(8, request("a", -2));
  bad[0].clear_stream();
  bad[1].clear_records();
  bad[2].set_expected_revision(-3);
  bad[3].mutable_records(0)->set_record_id("no uuid");
  bad[4].mutable_records(0)->set_record_id("00000000-0000-0000-0000-000000000000");
  bad[5].mutable_records(0)->mutable_schema()->clear_format();
  bad[6].mutable_records(0)->mutable_schema()->set_name("with space");
  (*bad[7].mutable_records(0)->mutable_properties())["unset"];
  for (const auto& one : bad) {
    const auto answer = session({one});
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << one.ShortDebugString();
    EXPECT_EQ(answer.what(), "BAD_REQUEST BadRequest");
  }
  auto without_schema = request("a", -2);
  without_schema.mutable_records(0)->clear_schema();
  EXPECT_EQ(session({without_schema}).status.error_code(), grpc::StatusCode::UNKNOWN);
}

TEST_F(DoorAppendSession, sizes_are_limited_by_record_and_by_session) {
  auto large = request("a", -2);
  large.mutable_records(0)->set_data(std::string(1024 * 1024 + 1, 'x'));
  const auto record = session({large});
  EXPECT_EQ(record.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(record.what(), "APPEND_RECORD_SIZE_EXCEEDED AppendRecordSizeExceededErrorDetails");
  EXPECT_EQ(record.detail<errors::AppendRecordSizeExceededErrorDetails>().size(), 1024 * 1024 + 1 + 8);
  auto half = request("a", -2), other = request("b", -2);
  half.mutable_records(0)->set_data(std::string(600 * 1024, 'x'));
  other.mutable_records(0)->set_data(std::string(600 * 1024, 'x'));
  const auto transaction = session({half, other});
  EXPECT_EQ(transaction.status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(transaction.what(), "APPEND_TRANSACTION_SIZE_EXCEEDED AppendTransactionSizeExceededErrorDetails");
}

TEST_F(DoorAppendSession, properties_and_schema_are_the_metadata_of_protocol_v1) {
  auto json = request("a", -2), bytes = request("b", -2);
  auto& properties = *json.mutable_records(0)->mutable_properties();
  properties["by"].set_string_value("test");
  properties["n"].set_number_value(2);
  bytes.mutable_records(0)->mutable_schema()->set_format(v2::SCHEMA_FORMAT_BYTES);
  bytes.mutable_records(0)->mutable_schema()->set_id("8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55");
  ASSERT_TRUE(session({json, bytes}).status.ok());
  const auto first = read(read_request("a")).responses.at(0).event().event();
  EXPECT_EQ(first.id().string(), json.records(0).record_id());
  EXPECT_EQ(first.metadata().at("type"), "Happened");
  EXPECT_EQ(first.metadata().at("content-type"), "application/json");
  EXPECT_EQ(first.custom_metadata(),
            R"({"n": 2, "by": "test", "$schema.name": "Happened", "$schema.format": "Json"})");
  const auto second = read(read_request("b")).responses.at(0).event().event();
  EXPECT_EQ(second.metadata().at("content-type"), "application/octet-stream");
  EXPECT_NE(second.custom_metadata().find(R"("$schema.id": "8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55")"), std::string::npos);
}

TEST_F(DoorAppendSession, records_of_several_streams_are_written_by_stream) {
  write("b", 1);
  const auto answer = append_records(records({"a", "b", "a"}));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_EQ(answer.response.revisions_size(), 2);
  EXPECT_EQ(answer.response.revisions(0).stream(), "a");
  EXPECT_EQ(answer.response.revisions(0).revision(), 1);
  EXPECT_EQ(answer.response.revisions(1).stream(), "b");
  EXPECT_EQ(answer.response.revisions(1).revision(), 1);
  EXPECT_GT(answer.response.position(), 0);
}

TEST_F(DoorAppendSession, checks_that_do_not_hold_are_told_together_and_nothing_is_written) {
  write("live", 3);
  write("gone", 1);
  ASSERT_TRUE(tombstone("gone", ExpectedRevision::any()).status.ok());
  const auto answer = append_records(records({"a"}, {{"live", 1}, {"none", -1}, {"gone", -4}}));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.what(), "APPEND_CONSISTENCY_VIOLATION AppendConsistencyViolationErrorDetails");
  const auto details = answer.detail<errors::AppendConsistencyViolationErrorDetails>();
  ASSERT_EQ(details.violations_size(), 2);
  EXPECT_EQ(details.violations(0).check_index(), 0);
  EXPECT_EQ(details.violations(0).stream_state().stream(), "live");
  EXPECT_EQ(details.violations(0).stream_state().expected_state(), 1);
  EXPECT_EQ(details.violations(0).stream_state().actual_state(), 2);
  EXPECT_EQ(details.violations(1).check_index(), 2);
  EXPECT_EQ(details.violations(1).stream_state().actual_state(), -6);
  EXPECT_TRUE(read(read_request("a")).responses.at(0).has_stream_not_found());
}

TEST_F(DoorAppendSession, a_tombstoned_stream_without_a_check_counts_after_the_checks) {
  write("gone", 1);
  ASSERT_TRUE(tombstone("gone", ExpectedRevision::any()).status.ok());
  const auto details = append_records(records({"a", "b", "gone"}, {{"a", -1}}))
                           .detail<errors::AppendConsistencyViolationErrorDetails>();
  ASSERT_EQ(details.violations_size(), 1);
  EXPECT_EQ(details.violations(0).check_index(), 2);
  EXPECT_EQ(details.violations(0).stream_state().actual_state(), -6);
}

TEST_F(DoorAppendSession, what_is_no_check_is_a_bad_request) {
  std::vector bad{records({"a"}, {{"b", -2}}), records({"a"}, {{"b", 1}, {"b", -1}}), records({"a"}, {{"", 1}}),
                  records({}), records({""}), records({"a"})};
  bad.back().add_checks();
  for (const auto& one : bad) {
    EXPECT_EQ(append_records(one).what(), "BAD_REQUEST BadRequest") << one.ShortDebugString();
  }
}

}  // namespace
}  // namespace twinstream
