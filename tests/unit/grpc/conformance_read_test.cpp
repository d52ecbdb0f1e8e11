// Reads: the items of the conformance list (tests/unit/grpc/conformance_test.cpp).

#include <set>

#include "adapters/embedded/sqlite.h"
#include "tests/unit/grpc/read_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Revisions = std::vector<std::uint64_t>;
using Options = streams::ReadReq::Options;

TEST_F(DoorRead, conformance_46_a_revision_is_inclusive_in_both_directions) {
  write("s", 5);
  auto request = read_request("s");
  request.mutable_options()->mutable_stream()->set_revision(3);
  EXPECT_EQ(read(request).revisions(), (Revisions{3, 4}));
  request.mutable_options()->set_read_direction(Options::Backwards);
  EXPECT_EQ(read(request).revisions(), (Revisions{3, 2, 1, 0}));
  request.mutable_options()->mutable_stream()->set_revision(99);
  EXPECT_EQ(read(request).revisions(), (Revisions{4, 3, 2, 1, 0}));
}

TEST_F(DoorRead, conformance_46_backwards_the_end_is_the_head_and_the_start_is_event_0) {
  write("s", 3);
  auto request = backwards_request("s");
  EXPECT_EQ(read(request).revisions(), (Revisions{2, 1, 0}));
  request.mutable_options()->mutable_stream()->mutable_start();
  EXPECT_EQ(read(request).revisions(), (Revisions{0}));
}

TEST_F(DoorRead, conformance_47_the_count_limits_the_events) {
  write("s", 5);
  for (auto request : {read_request("s"), backwards_request("s"), all_request()}) {
    request.mutable_options()->set_count(2);
    EXPECT_EQ(read(request).revisions().size(), 2u);
  }
}

TEST_F(DoorRead, conformance_48_a_missing_stream_is_not_found_without_an_error) {
  const auto found = read(read_request("missing"));
  EXPECT_TRUE(found.status.ok());
  ASSERT_EQ(found.responses.size(), 1u);
  EXPECT_EQ(found.responses[0].stream_not_found().stream_identifier().stream_name(), "missing");
}

TEST_F(DoorRead, conformance_49_the_last_position_is_told_last_to_those_who_want_it) {
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

TEST_F(DoorRead, conformance_50_a_position_of_the_log_is_inclusive_forwards_and_exclusive_backwards) {
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

TEST_F(DoorRead, conformance_51_filters_return_matches_only_and_page_on_through_windows_without) {
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

TEST_F(DoorRead, conformance_52_a_request_without_filter_and_no_filter_is_invalid) {
  for (auto request :
       {read_request("s"), all_request(), subscription(read_request("s")), subscription(all_request())}) {
    request.mutable_options()->clear_no_filter();
    EXPECT_EQ(read(request).status.error_code(), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(DoorRead, conformance_53_links_are_resolved_to_their_target_when_asked) {
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

TEST_F(DoorRead, conformance_54_max_count_shows_the_last_events_and_the_whole_log_shows_all) {
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

TEST_F(DoorRead, conformance_55_truncate_before_hides_older_events) {
  write("s", 5);
  write_metadata("s", R"({"$tb": 3})");
  EXPECT_EQ(read(read_request("s")).revisions(), (Revisions{3, 4}));
  EXPECT_EQ(read(backwards_request("s")).revisions(), (Revisions{4, 3}));
}

TEST_F(DoorRead, conformance_55_max_age_hides_by_time) {
  write("s", 5);
  write_metadata("s", R"({"$maxAge": 60})");
  server_.reset();
  log_.reset();
  {
    embedded::Database database((directory_.path() / "events.sqlite").string(), embedded::Database::Mode::write);
    database.execute("UPDATE events SET created = created - 3600000000 WHERE position <= 3");
  }
  start({});
  EXPECT_EQ(read(read_request("s")).revisions(), (Revisions{3, 4}));
  EXPECT_EQ(read(all_request()).responses.size(), 6u);
}

}  // namespace
}  // namespace twinstream
