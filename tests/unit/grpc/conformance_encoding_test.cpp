// Encoding and setup: the items of the conformance list (tests/unit/grpc/conformance_test.cpp).

#include "proxy/grpc/messages.h"
#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using DoorEncoding = DoorTest;

TEST(DoorUuid, conformance_01_the_vector_of_both_forms_round_trips) {
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

TEST_F(DoorEncoding, conformance_01_event_ids_are_taken_in_either_form) {
  const EventId id = EventId::random();
  auto event = proposed();
  door::set_uuid(*event.mutable_id(), id, false);
  ASSERT_TRUE(append("s", ExpectedRevision::any(), {event}).response.has_success());
  EXPECT_EQ(read(read_request("s")).responses.at(0).event().event().id().string(), id.to_string());
}

TEST_F(DoorEncoding, conformance_02_ids_come_in_the_form_that_was_asked_for) {
  const EventId id = EventId::parse("8F5FF3BD-25A1-4F0E-A5DC-A0F4AC6A1F55").value();
  append("s", ExpectedRevision::any(), {proposed("{}", "Tested", id)});
  auto request = read_request("s");
  EXPECT_EQ(read(request).responses.at(0).event().event().id().string(), "8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55");
  request.mutable_options()->mutable_uuid_option()->mutable_structured();
  const auto structured = read(request).responses.at(0).event().event().id();
  EXPECT_TRUE(structured.has_structured());
  EXPECT_EQ(door::parse_uuid(structured), id);
}

TEST_F(DoorEncoding, conformance_03_04_05_an_event_comes_back_whole) {
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

TEST_F(DoorEncoding, conformance_09_fields_that_are_not_known_are_ignored) {
  streams::AppendReq::Options options;
  options.mutable_stream_identifier()->set_stream_name("s");
  options.mutable_any();
  options.GetReflection()->MutableUnknownFields(&options)->AddVarint(999, 1);
  EXPECT_TRUE(append(options, several(1)).response.has_success());
}

}  // namespace
}  // namespace twinstream
