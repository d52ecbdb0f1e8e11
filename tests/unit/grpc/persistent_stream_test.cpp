#include "tests/unit/grpc/persistent_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Nack = groups::ReadReq::Nack;
using DoorPersistent = PersistentTest;
using Revisions = std::vector<std::uint64_t>;

TEST_F(DoorPersistent, conformance_61_create_in_the_old_form_works_and_again_it_exists) {
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto again = create(create_request("s"));
  EXPECT_EQ(again.status.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(again.trailer("exception"), "persistent-subscription-exists");
  EXPECT_EQ(again.trailer("stream-name"), "s");
  EXPECT_EQ(again.trailer("group-name"), "g");
  EXPECT_TRUE(create(create_request("s", "another")).status.ok());
  EXPECT_EQ(read(read_request("$persistentSubscriptionConfig")).revisions().size(), 2u);
}

TEST_F(DoorPersistent, conformance_62_confirmation_then_events_with_retry_count_0_and_never_more_than_the_buffer) {
  write("s", 5);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s", 2);
  EXPECT_EQ(reading->confirmation(), "s::g");
  const auto first = reading->event();
  EXPECT_EQ(first.event().stream_revision(), 0u);
  EXPECT_EQ(first.event().stream_identifier().stream_name(), "s");
  EXPECT_EQ(first.event().metadata().at("type"), "Tested");
  EXPECT_EQ(first.count_case(), groups::ReadResp::ReadEvent::kRetryCount);
  EXPECT_EQ(first.retry_count(), 0);
  EXPECT_EQ(first.commit_position(), first.event().commit_position());
  const auto second = reading->event();
  EXPECT_EQ(second.event().stream_revision(), 1u);
  const auto standing = info("s");
  EXPECT_EQ(standing.total_in_flight_messages(), 2);
  EXPECT_EQ(standing.total_items(), 2);
  reading->ack({first});
  EXPECT_EQ(reading->revision(), 2u);
  EXPECT_EQ(info("s").total_in_flight_messages(), 2);
}

TEST_F(DoorPersistent, conformance_63_retry_comes_with_count_1_and_a_parked_message_is_replayed) {
  write("s", 1);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  reading->nack(reading->event(), Nack::Retry);
  const auto again = reading->event();
  EXPECT_EQ(again.retry_count(), 1);
  reading->nack(again, Nack::Park, "cannot be read");
  parked_is("s", 1);

  const auto parked = read(read_request("$persistentsubscription-s::g-parked"));
  ASSERT_EQ(parked.responses.size(), 1u);
  const auto& link = parked.responses[0].event().event();
  EXPECT_EQ(link.metadata().at("type"), "$>");
  EXPECT_EQ(link.data(), "0@s");
  EXPECT_NE(link.custom_metadata().find(R"("reason":"cannot be read")"), std::string::npos) << link.custom_metadata();
  EXPECT_NE(link.custom_metadata().find(R"("subscriptionEventNumber":0)"), std::string::npos);
  EXPECT_NE(link.custom_metadata().find(R"("added":")"), std::string::npos);

  ASSERT_TRUE(replay("s").status.ok());
  const auto replayed = reading->event();
  EXPECT_EQ(replayed.event().stream_identifier().stream_name(), "s");
  EXPECT_EQ(replayed.event().stream_revision(), 0u);
  EXPECT_EQ(replayed.link().id().string(), link.id().string());
  EXPECT_EQ(replayed.retry_count(), 0);
  reading->ack({replayed});
  info_once("s", [&](const auto&) { return read(read_request("$persistentsubscription-s::g-parked")).revisions().empty(); });
}

TEST_F(DoorPersistent, conformance_64_delete_ends_a_connected_read_as_dropped) {
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  EXPECT_EQ(reading->confirmation(), "s::g");
  ASSERT_TRUE(remove_group("s").status.ok());
  const auto end = reading->end();
  EXPECT_EQ(end.status.error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(end.trailer("exception"), "persistent-subscription-dropped");
  EXPECT_EQ(end.trailer("stream-name"), "s");
  EXPECT_EQ(end.trailer("group-name"), "g");
  const auto later = consume("s")->end();
  EXPECT_EQ(later.status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(later.trailer("exception"), "persistent-subscription-does-not-exist");
}

TEST_F(DoorPersistent, a_group_starts_where_it_was_told) {
  write("s", 4);
  auto end = create_request("s", "end");
  end.mutable_options()->mutable_settings()->set_revision(~0ull);
  auto third = create_request("s", "third");
  third.mutable_options()->mutable_settings()->set_revision(2);
  auto fresh = create_request("", "new-form");
  fresh.mutable_options()->clear_stream_identifier();
  fresh.mutable_options()->mutable_stream()->mutable_stream_identifier()->set_stream_name("s");
  fresh.mutable_options()->mutable_stream()->set_revision(3);
  for (const auto& request : {end, third, fresh}) ASSERT_TRUE(create(request).status.ok());
  write("s", 1);
  EXPECT_EQ(consume("s", 10, "end")->revisions(1), (Revisions{4}));
  EXPECT_EQ(consume("s", 10, "third")->revisions(3), (Revisions{2, 3, 4}));
  EXPECT_EQ(consume("s", 10, "new-form")->revisions(2), (Revisions{3, 4}));
}

TEST_F(DoorPersistent, a_stream_that_does_not_exist_yet_is_waited_for) {
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  EXPECT_EQ(reading->confirmation(), "s::g");
  write("s", 1);
  EXPECT_EQ(reading->revision(), 0u);
}

TEST_F(DoorPersistent, what_cannot_be_is_refused_with_a_reason) {
  const auto refused = [&](groups::CreateReq request) {
    const auto end = create(request);
    EXPECT_EQ(end.status.error_code(), StatusCode::INTERNAL);
    EXPECT_EQ(end.trailer("exception"), "persistent-subscription-failed");
    return end.trailer("reason");
  };
  auto strategy = create_request("s");
  strategy.mutable_options()->mutable_settings()->set_consumer_strategy("Random");
  EXPECT_EQ(refused(strategy), "the consumer strategy is not known");
  auto batch = create_request("s");
  batch.mutable_options()->mutable_settings()->set_read_batch_size(500);
  EXPECT_EQ(refused(batch), "the read batch size is not less than the history buffer size");
  EXPECT_EQ(refused(create_request("")), "the stream has no name");
  EXPECT_EQ(refused(create_request("$all")), "the whole log is not a stream: use the form for it");
  auto no_start = create_all_request();
  no_start.mutable_options()->mutable_all()->clear_start();
  EXPECT_EQ(create(no_start).status.error_code(), StatusCode::INVALID_ARGUMENT);
  auto no_kind = create_all_request();
  no_kind.mutable_options()->mutable_all()->mutable_filter();
  EXPECT_EQ(create(no_kind).status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(DoorPersistent, unknown_groups_are_not_found_by_any_method) {
  groups::GetInfoReq info;
  name_group(*info.mutable_options(), "s");
  groups::GetInfoResp answer;
  for (const auto& end : {update(update_request(create_request("s"))), remove_group("s"), replay("s"),
                          call(&Stub::GetInfo, info, answer), consume("s")->end()}) {
    EXPECT_EQ(end.status.error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(end.trailer("exception"), "persistent-subscription-does-not-exist");
    EXPECT_EQ(end.trailer("stream-name"), "s");
    EXPECT_EQ(end.trailer("group-name"), "g");
  }
}

TEST_F(DoorPersistent, a_maximum_of_consumers_is_kept_until_one_leaves) {
  auto request = create_request("s");
  request.mutable_options()->mutable_settings()->set_max_subscriber_count(1);
  ASSERT_TRUE(create(request).status.ok());
  const auto first = consume("s");
  EXPECT_EQ(first->confirmation(), "s::g");
  const auto end = consume("s")->end();
  EXPECT_EQ(end.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(end.trailer("exception"), "maximum-subscribers-reached");
  first->leave();
  info_once("s", [](const auto& found) { return found.connections().empty(); });
  EXPECT_EQ(consume("s")->confirmation(), "s::g");
}

TEST_F(DoorPersistent, update_drops_consumers_and_keeps_the_progress) {
  write("s", 3);
  const auto created = create_request("s");
  ASSERT_TRUE(create(created).status.ok());
  const auto reading = consume("s");
  const auto first = reading->event();
  reading->ack({first});
  info_once("s", [](const auto& found) { return found.total_in_flight_messages() == 2; });
  auto request = update_request(created);
  request.mutable_options()->mutable_settings()->set_max_retry_count(3);
  request.mutable_options()->mutable_settings()->set_revision(~0ull);
  ASSERT_TRUE(update(request).status.ok());
  const auto end = reading->end();
  EXPECT_EQ(end.status.error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(end.trailer("exception"), "persistent-subscription-dropped");
  const auto standing = info("s");
  EXPECT_EQ(standing.max_retry_count(), 3);
  EXPECT_EQ(standing.start_from(), "-1");
  EXPECT_EQ(standing.last_checkpointed_event_position(), "0");
  EXPECT_EQ(consume("s")->revisions(2), (Revisions{1, 2}));
}

TEST_F(DoorPersistent, skip_and_stop_finish_a_message_and_too_many_retries_park_it) {
  write("s", 3);
  auto request = create_request("s");
  request.mutable_options()->mutable_settings()->set_max_retry_count(1);
  ASSERT_TRUE(create(request).status.ok());
  const auto reading = consume("s", 1);
  reading->nack(reading->event(), Nack::Skip);
  reading->nack(reading->event(), Nack::Stop);
  auto last = reading->event();
  EXPECT_EQ(last.event().stream_revision(), 2u);
  reading->nack(last, Nack::Unknown);
  last = reading->event();
  EXPECT_EQ(last.retry_count(), 1);
  reading->nack(last, Nack::Retry);
  parked_is("s", 1);
  info_once("s", [](const auto& found) { return found.outstanding_messages_count() == 0; });
}

TEST_F(DoorPersistent, an_unanswered_message_times_out_and_comes_again) {
  write("s", 1);
  auto request = create_request("s");
  request.mutable_options()->mutable_settings()->set_message_timeout_ticks(100'000);  // 10 ms
  ASSERT_TRUE(create(request).status.ok());
  const auto reading = consume("s");
  EXPECT_EQ(reading->event().retry_count(), 0);
  EXPECT_EQ(reading->event().retry_count(), 1);
}

TEST_F(DoorPersistent, what_a_lost_consumer_had_comes_to_another) {
  write("s", 2);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto first = consume("s");
  EXPECT_EQ(first->revisions(2), (Revisions{0, 1}));
  const auto second = consume("s");
  EXPECT_EQ(second->confirmation(), "s::g");
  first->leave();
  EXPECT_EQ(second->revisions(2), (Revisions{0, 1}));
}

TEST_F(DoorPersistent, a_half_close_ends_the_call_well) {
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  EXPECT_EQ(reading->confirmation(), "s::g");
  reading->half_close();
  EXPECT_TRUE(reading->end().status.ok());
  info_once("s", [](const auto& found) { return found.connections().empty(); });
}

TEST_F(DoorPersistent, a_read_without_options_buffer_or_uuid_form_is_an_invalid_argument) {
  ASSERT_TRUE(create(create_request("s")).status.ok());
  EXPECT_EQ(consume("s", 0)->end().status.error_code(), StatusCode::INVALID_ARGUMENT);
  groups::ReadReq bare;
  groups::ReadReq without_form;
  name_group(*without_form.mutable_options(), "s");
  without_form.mutable_options()->set_buffer_size(1);
  for (const auto& request : {bare, without_form}) {
    grpc::ClientContext context;
    const auto stream = client().Read(&context);
    stream->Write(request);
    groups::ReadResp response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(DoorPersistent, links_are_resolved_when_that_is_wanted_and_answered_by_the_id_of_the_link) {
  write("s", 2);
  append("links", ExpectedRevision::any(), {proposed("1@s", "$>"), proposed("7@s", "$>")});
  auto request = create_request("links");
  request.mutable_options()->mutable_settings()->set_resolve_links(true);
  ASSERT_TRUE(create(request).status.ok());
  const auto reading = consume("links");
  const auto resolved = reading->event();
  EXPECT_EQ(resolved.event().stream_identifier().stream_name(), "s");
  EXPECT_EQ(resolved.event().stream_revision(), 1u);
  EXPECT_EQ(resolved.link().stream_identifier().stream_name(), "links");
  EXPECT_EQ(resolved.event().commit_position(), resolved.link().commit_position());
  const auto broken = reading->event();
  EXPECT_FALSE(broken.has_event());
  EXPECT_EQ(broken.link().stream_revision(), 1u);
  reading->nack(resolved, Nack::Park);
  reading->ack({broken});
  parked_is("links", 1);
  ASSERT_TRUE(replay("links").status.ok());
  EXPECT_EQ(reading->event().event().stream_identifier().stream_name(), "s") << "through two links";
}

TEST_F(DoorPersistent, many_events_go_to_several_consumers_once_each) {
  constexpr int count = 2'000;
  write("s", count);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  std::mutex mutex;
  std::vector<std::uint64_t> got;
  std::vector<std::thread> consumers;
  for (int i = 0; i < 4; ++i) {
    consumers.emplace_back([&] {
      const auto reading = consume("s", 20);
      for (;;) {
        const auto event = reading->event();
        if (event.event().data() == "last") {
          reading->ack({event});
          return;
        }
        reading->ack({event});
        std::scoped_lock lock(mutex);
        got.push_back(event.event().stream_revision());
        if (got.size() == count) {
          std::vector<Proposed> last(4 * 20, proposed("last"));
          for (auto& event_of_its_own : last) event_of_its_own = proposed("last");
          append("s", ExpectedRevision::any(), last);
        }
      }
    });
  }
  for (auto& consumer : consumers) consumer.join();
  std::sort(got.begin(), got.end());
  ASSERT_EQ(got.size(), std::size_t{count});
  for (int i = 0; i < count; ++i) ASSERT_EQ(got[static_cast<std::size_t>(i)], static_cast<std::uint64_t>(i));
}

TEST_F(DoorPersistent, a_group_of_the_same_name_made_again_knows_nothing_of_the_old_one) {
  write("s", 3);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  auto reading = consume("s");
  const auto first = reading->event();
  reading->nack(first, Nack::Park);
  reading->ack({reading->event()});
  parked_is("s", 1);
  reading->leave();
  info_once("s", [](const auto& found) { return found.last_checkpointed_event_position() == "1"; });
  ASSERT_TRUE(remove_group("s").status.ok());
  EXPECT_TRUE(read(read_request("$persistentsubscription-s::g-parked")).responses[0].has_stream_not_found());
  ASSERT_TRUE(create(create_request("s")).status.ok());
  EXPECT_EQ(info("s").parked_message_count(), 0);
  EXPECT_EQ(info("s").last_checkpointed_event_position(), "");
  EXPECT_EQ(consume("s")->revision(), 0u);
}

}  // namespace
}  // namespace twinstream
