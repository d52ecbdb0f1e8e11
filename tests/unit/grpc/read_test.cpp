#include "tests/unit/grpc/read_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Revisions = std::vector<std::uint64_t>;
using Options = streams::ReadReq::Options;

TEST_F(DoorRead, a_long_stream_comes_in_order_over_many_pages) {
  for (int i = 0; i < 13; ++i) write("s", 100);
  auto request = read_request("s");
  request.mutable_options()->set_count(1'234);
  Revisions expected(1'234);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i;
  EXPECT_EQ(read(request).revisions(), expected);
}

TEST_F(DoorRead, the_first_position_is_told_when_the_first_page_has_no_event) {
  write("s", 60);
  write_metadata("s", R"({"$tb": 50})");
  auto request = read_request("s");
  request.mutable_options()->mutable_control_option()->set_compatibility(1);
  EXPECT_EQ(read(request).responses.front().first_stream_position(), 50u);
  request.mutable_options()->mutable_stream()->set_revision(30);
  EXPECT_TRUE(read(request).responses.front().has_event());
  request.mutable_options()->mutable_stream()->set_revision(80);
  const auto beyond = read(request).responses;
  ASSERT_EQ(beyond.size(), 2u);
  EXPECT_EQ(beyond[0].first_stream_position(), 60u);
  EXPECT_EQ(beyond[1].last_stream_position(), 59u);
}

TEST_F(DoorRead, a_stream_brought_back_empty_is_found_and_has_no_events) {
  write("s", 3);
  soft_delete("s");
  write_metadata("s", R"({"a": 1})");
  auto request = read_request("s");
  EXPECT_TRUE(read(request).responses.empty());
  request.mutable_options()->mutable_control_option()->set_compatibility(1);
  const auto found = read(request).responses;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].first_stream_position(), 3u);
  EXPECT_EQ(found[1].last_stream_position(), 2u);
}

TEST_F(DoorRead, the_first_event_s_own_position_includes_it) {
  const auto position = write("a", 1);
  auto request = all_request();
  request.mutable_options()->mutable_all()->mutable_position()->set_commit_position(position);
  request.mutable_options()->mutable_all()->mutable_position()->set_prepare_position(position);
  EXPECT_EQ(read(request).responses.size(), 1u);
}

TEST_F(DoorRead, the_ends_of_the_log_have_nothing_beyond_them) {
  write("a", 2);
  auto forwards = all_request();
  forwards.mutable_options()->mutable_all()->mutable_end();
  EXPECT_TRUE(read(forwards).responses.empty());
  auto backwards = all_request();
  backwards.mutable_options()->set_read_direction(Options::Backwards);
  EXPECT_TRUE(read(backwards).responses.empty());
  backwards.mutable_options()->mutable_all()->mutable_end();
  EXPECT_EQ(read(backwards).revisions(), (Revisions{1, 0}));
}

TEST_F(DoorRead, an_expression_that_explodes_ends_the_call_and_not_the_server) {
  write_type("s", std::string(200, 'a') + "!");
  const auto found = read(filtered("", "^(a+)+$"));
  EXPECT_TRUE(found.status.ok() || found.status.error_code() == StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(found.responses.empty());
  EXPECT_EQ(read(filtered("", "(")).status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(DoorRead, invalid_combinations_are_invalid_arguments) {
  std::vector<streams::ReadReq> requests(8, read_request("s"));
  requests[0].mutable_options()->clear_no_filter();
  requests[1].mutable_options()->clear_uuid_option();
  requests[2].mutable_options()->clear_stream();
  requests[3].mutable_options()->clear_count();
  *requests[4].mutable_options()->mutable_filter() = filtered("a", "").options().filter();
  requests[5] = subscription(backwards_request("s"));
  requests[6] = filtered("a", "");
  requests[6].mutable_options()->mutable_filter()->clear_window();
  requests[7] = filtered("a", "");
  requests[7].mutable_options()->mutable_filter()->clear_filter();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(read(requests[i]).status.error_code(), StatusCode::INVALID_ARGUMENT) << i;
  }
}

TEST_F(DoorRead, starts_that_mean_nothing_fail_unknown) {
  std::vector<streams::ReadReq> requests(5, read_request("s"));
  requests[0].mutable_options()->mutable_stream()->clear_start();
  requests[1].mutable_options()->mutable_stream()->mutable_end();
  requests[2].mutable_options()->set_count(0);
  requests[3] = all_request();
  requests[3].mutable_options()->mutable_all()->mutable_position()->set_prepare_position(1);
  requests[4] = all_request();
  requests[4].mutable_options()->mutable_all()->mutable_position()->set_commit_position(1ull << 63);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(read(requests[i]).status.error_code(), StatusCode::UNKNOWN) << i;
  }
}

TEST_F(DoorRead, a_large_event_is_read_back) {
  start({.max_append_bytes = 16 << 20});
  const std::string large(14 << 20, 'x');
  ASSERT_TRUE(append("s", ExpectedRevision::any(), {proposed(large)}).response.has_success());
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(17 << 20);
  stub_ =
      streams::Streams::NewStub(grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments));
  EXPECT_EQ(read(read_request("s")).responses.at(0).event().event().data(), large);
}

TEST_F(DoorRead, a_reader_that_goes_away_in_the_middle_holds_nothing_up) {
  for (int i = 0; i < 20; ++i) append("s", ExpectedRevision::any(), {proposed(std::string(500'000, 'x'))});
  for (int round = 0; round < 10; ++round) {
    grpc::ClientContext context;
    auto reader = stub_->Read(&context, read_request("s"));
    streams::ReadResp response;
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), StatusCode::CANCELLED);
  }
  EXPECT_EQ(read(read_request("s")).responses.size(), 20u);
}

// gRPC resets a stream that ends before the client's half-close has come, and clients in Rust report that as a failure.
TEST_F(DoorRead, the_call_does_not_end_before_the_client_has_ended_its_requests) {
  write("s", 2);
  grpc::ClientContext context;
  const grpc::internal::RpcMethod method("/event_store.client.streams.Streams/Read",
                                         grpc::internal::RpcMethod::BIDI_STREAMING);
  using Factory = grpc::internal::ClientReaderWriterFactory<streams::ReadReq, streams::ReadResp>;
  const std::unique_ptr<grpc::ClientReaderWriter<streams::ReadReq, streams::ReadResp>> call(
      Factory::Create(channel_.get(), method, &context));
  ASSERT_TRUE(call->Write(read_request("s")));
  streams::ReadResp response;
  ASSERT_TRUE(call->Read(&response));
  ASSERT_TRUE(call->Read(&response));
  EXPECT_EQ(read(read_request("s")).responses.size(), 2u);  // time enough for an end that comes too early
  EXPECT_TRUE(call->WritesDone()) << "the call has ended already";
  EXPECT_FALSE(call->Read(&response));
  EXPECT_TRUE(call->Finish().ok());
}

}  // namespace
}  // namespace twinstream
