#include "tests/unit/grpc/persistent_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Nack = groups::ReadReq::Nack;
using DoorPersistentAll = PersistentTest;

groups::CreateReq filtered_group(const std::string& group, bool on_stream, const std::string& regex,
                           const std::vector<std::string>& prefixes) {
  auto request = create_all_request(group);
  auto& filter = *request.mutable_options()->mutable_all()->mutable_filter();
  auto& expression = on_stream ? *filter.mutable_stream_identifier() : *filter.mutable_event_type();
  expression.set_regex(regex);
  for (const auto& prefix : prefixes) expression.add_prefix(prefix);
  return request;
}

TEST_F(DoorPersistentAll, a_group_on_the_whole_log_gets_what_its_filter_lets_through) {
  ASSERT_TRUE(create(filtered_group("stream", true, "", {"order-", "invoice-"})).status.ok());
  ASSERT_TRUE(create(filtered_group("type", false, "^Wan.ed$", {})).status.ok());
  write("order-1", 1);
  write("other-1", 1);
  append("other-2", ExpectedRevision::any(), {proposed("{}", "Wanted")});
  write("invoice-1", 1);
  const auto by_stream = consume("$all", 10, "stream");
  EXPECT_EQ(by_stream->confirmation(), "$all::stream");
  const auto first = by_stream->event();
  EXPECT_EQ(first.event().stream_identifier().stream_name(), "order-1");
  EXPECT_EQ(first.commit_position(), first.event().commit_position());
  EXPECT_EQ(by_stream->event().event().stream_identifier().stream_name(), "invoice-1");
  EXPECT_EQ(consume("$all", 10, "type")->event().event().stream_identifier().stream_name(), "other-2");
}

TEST_F(DoorPersistentAll, it_starts_where_it_was_told_and_positions_are_inclusive) {
  write("a", 1);
  const auto position = write("b", 1);
  auto at = filtered_group("at", true, "", {"a", "b", "c"});
  at.mutable_options()->mutable_all()->mutable_position()->set_commit_position(position);
  at.mutable_options()->mutable_all()->mutable_position()->set_prepare_position(position);
  auto end = filtered_group("end", true, "", {"a", "b", "c"});
  end.mutable_options()->mutable_all()->mutable_end();
  ASSERT_TRUE(create(at).status.ok());
  ASSERT_TRUE(create(end).status.ok());
  write("c", 1);
  EXPECT_EQ(consume("$all", 10, "at")->event().event().stream_identifier().stream_name(), "b");
  EXPECT_EQ(consume("$all", 10, "end")->event().event().stream_identifier().stream_name(), "c");
  EXPECT_EQ(info("$all", "end").start_from(), "C:-1/P:-1");
  EXPECT_EQ(info("$all", "at").start_from(),
            "C:" + std::to_string(position) + "/P:" + std::to_string(position));
}

TEST_F(DoorPersistentAll, its_own_bookkeeping_is_not_delivered_to_it) {
  auto request = create_all_request();
  request.mutable_options()->mutable_settings()->set_max_checkpoint_count(1);
  ASSERT_TRUE(create(request).status.ok());
  write("s", 3);
  const auto reading = consume("$all", 1);
  std::vector<std::string> seen;
  for (bool last = false; !last;) {
    const auto event = reading->event();
    seen.push_back(event.event().stream_identifier().stream_name());
    last = event.event().data() == "last";
    reading->ack({event});
    if (event.event().stream_revision() == 2) append("s", ExpectedRevision::any(), {proposed("last")});
  }
  info_once("$all", [](const auto& found) { return found.outstanding_messages_count() == 0; });
  for (const auto& stream : seen) EXPECT_FALSE(stream.starts_with("$persistentsubscription-$all")) << stream;
  EXPECT_FALSE(read(read_request("$persistentsubscription-$all::g-checkpoint")).revisions().empty());
}

TEST_F(DoorPersistentAll, events_that_do_not_match_move_the_checkpoint_on) {
  auto request = filtered_group("g", true, "", {"wanted-"});
  request.mutable_options()->mutable_settings()->set_max_checkpoint_count(1);
  ASSERT_TRUE(create(request).status.ok());
  const auto last = write("other", 100);
  const auto reading = consume("$all");
  EXPECT_EQ(reading->confirmation(), "$all::g");
  info_once("$all", [&](const auto& found) {
    const std::string& text = found.last_checkpointed_event_position();
    return text.starts_with("C:") && std::stoull(text.substr(2)) >= last;
  });
}

TEST_F(DoorPersistentAll, the_filter_outlives_updates_and_restarts) {
  const auto created = filtered_group("g", true, "", {"wanted-"});
  ASSERT_TRUE(create(created).status.ok());
  ASSERT_TRUE(update(update_request(created)).status.ok());
  write("other", 1);
  write("wanted-1", 2);
  crash();
  const auto reading = consume("$all");
  EXPECT_EQ(reading->event().event().stream_identifier().stream_name(), "wanted-1");
}

TEST_F(DoorPersistentAll, an_expression_that_is_none_is_refused) {
  const auto end = create(filtered_group("g", true, "(", {}));
  EXPECT_EQ(end.trailer("exception"), "persistent-subscription-failed");
}

TEST_F(DoorPersistentAll, parking_replaying_and_deleting_work_as_for_a_stream) {
  ASSERT_TRUE(create(filtered_group("g", true, "", {"s"})).status.ok());
  write("s", 1);
  const auto reading = consume("$all");
  reading->nack(reading->event(), Nack::Park);
  parked_is("$all", 1);
  ASSERT_TRUE(replay("$all").status.ok());
  reading->ack({reading->event()});
  ASSERT_TRUE(remove_group("$all").status.ok());
  const auto end = reading->end();
  EXPECT_EQ(end.trailer("exception"), "persistent-subscription-dropped");
  EXPECT_EQ(end.trailer("stream-name"), "$all");
}

}  // namespace
}  // namespace twinstream
