#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using DoorAppend = DoorTest;
constexpr std::uint64_t minus_one = ~0ull;

TEST_F(DoorAppend, minus_one_as_an_exact_revision_is_no_stream) {
  streams::AppendReq::Options options;
  options.mutable_stream_identifier()->set_stream_name("s");
  options.set_revision(minus_one);
  EXPECT_EQ(append(options, several(1)).response.success().current_revision(), 0u);
  EXPECT_TRUE(append(options, several(1)).response.wrong_expected_version().has_expected_no_stream());
  options.set_revision(minus_one - 1);
  EXPECT_EQ(append(options, several(1)).status.error_code(), StatusCode::UNKNOWN);
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
