#include <set>

#include "proxy/grpc/messages.h"
#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Revisions = std::vector<std::uint64_t>;
using Options = streams::ReadReq::Options;

class DoorRead : public DoorTest {
 protected:
  std::vector<std::string> types(const streams::ReadReq& request) {
    std::vector<std::string> found;
    for (const auto& response : read(request).responses) {
      found.push_back(response.event().event().metadata().at("type"));
    }
    return found;
  }
  void write_type(const std::string& stream, const std::string& type) {
    ASSERT_TRUE(append(stream, ExpectedRevision::any(), {proposed("{}", type)}).status.ok());
  }
};

/// Everything matches `prefix` or `regex` on event types.
streams::ReadReq filtered(const std::string& prefix, const std::string& regex, bool on_stream = false) {
  auto request = all_request();
  auto& filter = *request.mutable_options()->mutable_filter();
  filter.set_max(4);
  filter.set_checkpointintervalmultiplier(1);
  auto& expression = on_stream ? *filter.mutable_stream_identifier() : *filter.mutable_event_type();
  if (!prefix.empty()) expression.add_prefix(prefix);
  expression.set_regex(regex);
  return request;
}

TEST_F(DoorRead, ids_come_in_the_form_that_was_asked_for) {
  const EventId id = EventId::parse("8F5FF3BD-25A1-4F0E-A5DC-A0F4AC6A1F55").value();
  append("s", ExpectedRevision::any(), {proposed("{}", "Tested", id)});
  auto request = read_request("s");
  EXPECT_EQ(read(request).responses.at(0).event().event().id().string(), "8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55");
  request.mutable_options()->mutable_uuid_option()->mutable_structured();
  const auto structured = read(request).responses.at(0).event().event().id();
  EXPECT_TRUE(structured.has_structured());
  EXPECT_EQ(door::parse_uuid(structured), id);
}

TEST_F(DoorRead, an_event_comes_back_whole) {
  auto event = proposed(R"({"a":1})", "Opened");
  event.set_custom_metadata("\x01\x02");
  (*event.mutable_metadata())["created"] = "1";
  (*event.mutable_metadata())["content-type"] = "application/json; charset=utf-8";
  const auto answer = append("s", ExpectedRevision::any(), {event});
  const auto found = read(read_request("s")).responses.at(0).event();
  EXPECT_EQ(found.commit_position(), answer.response.success().position().commit_position());
  const auto& recorded = found.event();
  EXPECT_EQ(recorded.commit_position(), found.commit_position());
  EXPECT_EQ(recorded.prepare_position(), found.commit_position());
  EXPECT_EQ(recorded.stream_identifier().stream_name(), "s");
  EXPECT_EQ(recorded.data(), R"({"a":1})");
  EXPECT_EQ(recorded.custom_metadata(), "\x01\x02");
  EXPECT_EQ(recorded.metadata().size(), 3u);
  EXPECT_EQ(recorded.metadata().at("type"), "Opened");
  EXPECT_EQ(recorded.metadata().at("content-type"), "application/octet-stream");
  const auto created = *contract::run(log_->read_stream(contract::forwards("s")))->events.front().event.created;
  EXPECT_EQ(recorded.metadata().at("created"), std::to_string(created.time_since_epoch().count()) + "0");
}

TEST_F(DoorRead, a_revision_is_inclusive_in_both_directions) {
  write("s", 5);
  auto request = read_request("s");
  request.mutable_options()->mutable_stream()->set_revision(3);
  EXPECT_EQ(read(request).revisions(), (Revisions{3, 4}));
  request.mutable_options()->set_read_direction(Options::Backwards);
  EXPECT_EQ(read(request).revisions(), (Revisions{3, 2, 1, 0}));
  request.mutable_options()->mutable_stream()->set_revision(99);
  EXPECT_EQ(read(request).revisions(), (Revisions{4, 3, 2, 1, 0}));
}

TEST_F(DoorRead, backwards_the_end_is_the_head_and_the_start_is_event_0) {
  write("s", 3);
  auto request = backwards_request("s");
  EXPECT_EQ(read(request).revisions(), (Revisions{2, 1, 0}));
  request.mutable_options()->mutable_stream()->mutable_start();
  EXPECT_EQ(read(request).revisions(), (Revisions{0}));
}

TEST_F(DoorRead, the_count_limits_the_events) {
  write("s", 5);
  for (auto request : {read_request("s"), backwards_request("s"), all_request()}) {
    request.mutable_options()->set_count(2);
    EXPECT_EQ(read(request).revisions().size(), 2u);
  }
}

TEST_F(DoorRead, a_long_stream_comes_in_order_over_many_pages) {
  for (int i = 0; i < 13; ++i) write("s", 100);
  auto request = read_request("s");
  request.mutable_options()->set_count(1'234);
  Revisions expected(1'234);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i;
  EXPECT_EQ(read(request).revisions(), expected);
}

TEST_F(DoorRead, a_missing_stream_is_not_found_without_an_error) {
  const auto found = read(read_request("missing"));
  EXPECT_TRUE(found.status.ok());
  ASSERT_EQ(found.responses.size(), 1u);
  EXPECT_EQ(found.responses[0].stream_not_found().stream_identifier().stream_name(), "missing");
}

TEST_F(DoorRead, the_last_position_is_told_last_to_those_who_want_it) {
  write("s", 5);
  for (auto request : {read_request("s"), backwards_request("s")}) {
    request.mutable_options()->set_count(2);
    EXPECT_EQ(read(request).responses.size(), 2u);
    request.mutable_options()->mutable_control_option()->set_compatibility(1);
    const auto found = read(request).responses;
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found.back().last_stream_position(), 4u);
  }
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

TEST_F(DoorRead, a_position_of_the_log_is_inclusive_forwards_and_exclusive_backwards) {
  write("a", 1);
  const auto position = write("b", 1);
  write("c", 1);
  auto request = all_request();
  request.mutable_options()->mutable_all()->mutable_position()->set_commit_position(position);
  request.mutable_options()->mutable_all()->mutable_position()->set_prepare_position(position);
  const auto onwards = read(request).responses;
  ASSERT_EQ(onwards.size(), 2u);
  EXPECT_EQ(onwards[0].event().event().stream_identifier().stream_name(), "b");
  request.mutable_options()->set_read_direction(Options::Backwards);
  const auto back = read(request).responses;
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].event().event().stream_identifier().stream_name(), "a");
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

TEST_F(DoorRead, filters_return_matches_only_and_page_on_through_windows_without) {
  for (int i = 0; i < 40; ++i) write_type("noise-" + std::to_string(i), "Noise");
  write_type("order-1", "OrderOpened");
  for (int i = 0; i < 600; ++i) write_type("noise", "Noise");
  write_type("order-2", "OrderClosed");
  using Types = std::vector<std::string>;
  EXPECT_EQ(types(filtered("Order", "")), (Types{"OrderOpened", "OrderClosed"}));
  EXPECT_EQ(types(filtered("", "ed$")), (Types{"OrderOpened", "OrderClosed"}));
  EXPECT_EQ(types(filtered("", "^Order(?!Opened)")), (Types{"OrderClosed"}));
  EXPECT_EQ(types(filtered("order-", "", true)), (Types{"OrderOpened", "OrderClosed"}));
  EXPECT_EQ(types(filtered("", "-2$", true)), (Types{"Noise", "OrderClosed"}));
  EXPECT_EQ(types(filtered("", "")), Types());
  auto one = filtered("Order", "");
  one.mutable_options()->set_count(1);
  EXPECT_EQ(types(one), (Types{"OrderOpened"}));
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

TEST_F(DoorRead, links_are_resolved_to_their_target_when_asked) {
  write("target", 2);
  append(
      "links", ExpectedRevision::any(),
      {proposed("1@target", "$>"), proposed("9@target", "$>"), proposed("0@missing", "$>"), proposed("no link", "$>")});
  auto request = read_request("links");
  EXPECT_EQ(read(request).responses.at(0).event().event().metadata().at("type"), "$>");
  request.mutable_options()->set_resolve_links(true);
  const auto found = read(request).responses;
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].event().event().stream_identifier().stream_name(), "target");
  EXPECT_EQ(found[0].event().event().stream_revision(), 1u);
  EXPECT_EQ(found[0].event().link().stream_identifier().stream_name(), "links");
  EXPECT_EQ(found[0].event().commit_position(), found[0].event().link().commit_position());
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_FALSE(found[i].event().has_event()) << i;
    EXPECT_EQ(found[i].event().link().stream_revision(), i);
  }
}

TEST_F(DoorRead, max_count_shows_the_last_events_and_the_whole_log_shows_all) {
  write("s", 5);
  write_metadata("s", R"({"$maxCount": 2})");
  EXPECT_EQ(read(read_request("s")).revisions(), (Revisions{3, 4}));
  std::set<std::uint64_t> found;
  for (const auto& response : read(all_request()).responses) {
    if (response.event().event().stream_identifier().stream_name() == "s") {
      found.insert(response.event().event().stream_revision());
    }
  }
  EXPECT_EQ(found.size(), 5u);
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
