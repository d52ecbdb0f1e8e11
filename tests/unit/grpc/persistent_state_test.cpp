#include <set>

#include "tests/unit/grpc/persistent_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Nack = groups::ReadReq::Nack;
using DoorPersistentState = PersistentTest;
using Revisions = std::vector<std::uint64_t>;

/// Every ack is stored at once.
groups::CreateReq eager(const std::string& stream) {
  auto request = create_request(stream);
  request.mutable_options()->mutable_settings()->set_max_checkpoint_count(1);
  return request;
}

TEST_F(DoorPersistentState, groups_checkpoints_and_parked_messages_survive_a_crash) {
  write("s", 5);
  ASSERT_TRUE(create(eager("s")).status.ok());
  auto reading = consume("s", 1);
  reading->ack({reading->event()});
  reading->nack(reading->event(), Nack::Park, "later");
  reading->ack({reading->event()});
  EXPECT_EQ(reading->revision(), 3u);
  info_once("s", [](const auto& found) { return found.last_checkpointed_event_position() == "2"; });
  crash();
  reading = consume("s", 1);
  const auto next = reading->event();
  EXPECT_EQ(next.event().stream_revision(), 3u) << "nothing finished comes again, nothing unfinished is lost";
  EXPECT_EQ(next.retry_count(), 0);
  EXPECT_EQ(info("s").parked_message_count(), 1);
  ASSERT_TRUE(replay("s").status.ok());
  // Event 4 may be handed out before the parked one has been read.
  std::set<std::uint64_t> rest;
  reading->ack({next});
  for (int i = 0; i < 2; ++i) {
    const auto event = reading->event();
    rest.insert(event.event().stream_revision());
    reading->ack({event});
  }
  EXPECT_EQ(rest, (std::set<std::uint64_t>{1, 4}));
}

TEST_F(DoorPersistentState, a_crash_during_a_replay_leaves_the_messages_parked) {
  write("s", 1);
  ASSERT_TRUE(create(eager("s")).status.ok());
  auto reading = consume("s");
  reading->nack(reading->event(), Nack::Park);
  parked_is("s", 1);
  ASSERT_TRUE(replay("s").status.ok());
  EXPECT_TRUE(reading->event().has_link());
  crash();
  EXPECT_EQ(info("s").parked_message_count(), 1);
}

TEST_F(DoorPersistentState, an_ordinary_end_stores_what_is_finished_due_or_not) {
  write("s", 3);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  auto reading = consume("s", 1);
  reading->ack({reading->event()});
  EXPECT_EQ(reading->revision(), 1u);
  server_->shutdown(std::chrono::seconds(1));
  const auto end = reading->end();
  EXPECT_EQ(end.status.error_code(), StatusCode::UNAVAILABLE);
  start({});
  EXPECT_EQ(info("s").last_checkpointed_event_position(), "0");
  EXPECT_EQ(consume("s")->revision(), 1u);
}

TEST_F(DoorPersistentState, the_checkpoint_stream_holds_only_the_last_ones) {
  write("s", 20);
  ASSERT_TRUE(create(eager("s")).status.ok());
  const auto reading = consume("s", 1);
  for (int i = 0; i < 20; ++i) reading->ack({reading->event()});
  info_once("s", [](const auto& found) { return found.last_checkpointed_event_position() == "19"; });
  const auto kept = read(read_request("$persistentsubscription-s::g-checkpoint"));
  EXPECT_LE(kept.revisions().size(), 5u);
  EXPECT_EQ(kept.responses.back().event().event().data(), R"("19")");
  EXPECT_EQ(kept.responses.back().event().event().metadata().at("type"), "$SubscriptionCheckpoint");
}

TEST_F(DoorPersistentState, only_messages_below_the_number_to_stop_at_are_replayed) {
  write("s", 3);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  for (int i = 0; i < 3; ++i) reading->nack(reading->event(), Nack::Park);
  parked_is("s", 3);
  ASSERT_TRUE(replay("s", 2).status.ok());
  for (std::uint64_t i = 0; i < 2; ++i) {
    const auto event = reading->event();
    EXPECT_EQ(event.event().stream_revision(), i);
    reading->ack({event});
  }
  parked_is("s", 1);
  info_once("s", [&](const auto&) {
    return read(read_request("$persistentsubscription-s::g-parked")).revisions() == Revisions{2};
  });
  const auto negative = replay("s", -1);
  EXPECT_EQ(negative.trailer("exception"), "persistent-subscription-failed");
}

TEST_F(DoorPersistentState, a_replayed_message_can_be_parked_again) {
  write("s", 1);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  reading->nack(reading->event(), Nack::Park, "first");
  parked_is("s", 1);
  ASSERT_TRUE(replay("s").status.ok());
  reading->nack(reading->event(), Nack::Park, "second");
  info_once("s", [&](const auto&) {
    return read(read_request("$persistentsubscription-s::g-parked")).revisions() == Revisions{1};
  });
  EXPECT_EQ(info("s").parked_message_count(), 1);
  ASSERT_TRUE(replay("s").status.ok());
  const auto event = reading->event();
  EXPECT_EQ(event.event().stream_identifier().stream_name(), "s");
  EXPECT_EQ(event.event().stream_revision(), 0u);
}

TEST_F(DoorPersistentState, truncating_discards_parked_messages) {
  write("s", 2);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s");
  for (int i = 0; i < 2; ++i) reading->nack(reading->event(), Nack::Park);
  parked_is("s", 2);
  groups::TruncateParkedReq request;
  groups::TruncateParkedResp response;
  name_group(*request.mutable_options(), "s");
  request.mutable_options()->set_stop_at(1);
  ASSERT_TRUE(call(&Stub::TruncateParked, request, response).status.ok());
  parked_is("s", 1);
}

TEST_F(DoorPersistentState, info_tells_settings_and_standing) {
  write("s", 3);
  auto request = create_request("s");
  auto& settings = *request.mutable_options()->mutable_settings();
  settings.set_resolve_links(true);
  settings.set_extra_statistics(true);
  settings.set_message_timeout_ms(7'000);
  settings.set_checkpoint_after_ticks(30'000'000);
  settings.set_consumer_strategy("PinnedByCorrelation");
  settings.set_max_subscriber_count(4);
  ASSERT_TRUE(create(request).status.ok());
  const auto reading = consume("s", 2);
  const auto first = reading->event();
  reading->event();
  const auto found = info_once("s", [](const auto& now) { return now.total_in_flight_messages() == 2; });
  EXPECT_EQ(found.event_source(), "s");
  EXPECT_EQ(found.group_name(), "g");
  EXPECT_EQ(found.start_from(), "0");
  EXPECT_EQ(found.last_checkpointed_event_position(), "");
  EXPECT_EQ(found.last_known_event_position(), "2");
  EXPECT_TRUE(found.resolve_link_tos());
  EXPECT_TRUE(found.extra_statistics());
  EXPECT_EQ(found.message_timeout_milliseconds(), 7'000);
  EXPECT_EQ(found.check_point_after_milliseconds(), 3'000);
  EXPECT_EQ(found.max_retry_count(), 10);
  EXPECT_EQ(found.live_buffer_size(), 500);
  EXPECT_EQ(found.buffer_size(), 500);
  EXPECT_EQ(found.read_batch_size(), 20);
  EXPECT_EQ(found.min_check_point_count(), 10);
  EXPECT_EQ(found.max_check_point_count(), 1'000);
  EXPECT_EQ(found.max_subscriber_count(), 4);
  EXPECT_EQ(found.named_consumer_strategy(), "PinnedByCorrelation");
  EXPECT_EQ(found.outstanding_messages_count(), 3);
  ASSERT_EQ(found.connections_size(), 1);
  EXPECT_EQ(found.connections(0).connection_name(), "the-test");
  EXPECT_TRUE(found.connections(0).from().starts_with("127.0.0.1:")) << found.connections(0).from();
  EXPECT_EQ(found.connections(0).in_flight_messages(), 2);
  EXPECT_EQ(found.connections(0).available_slots(), 0);
  reading->ack({first});
  const auto later = info_once("s", [](const auto& now) { return now.status() == "Live"; });
  info_once("s", [](const auto& now) { return now.connections(0).observed_measurements_size() > 0; });
  EXPECT_EQ(later.connections(0).total_items(), 3);
}

TEST_F(DoorPersistentState, list_tells_all_groups_or_those_of_one_source) {
  const auto list = [&](const std::function<void(groups::ListReq::Options&)>& what) {
    groups::ListReq request;
    groups::ListResp response;
    what(*request.mutable_options());
    const auto end = call(&Stub::List, request, response);
    std::vector<std::string> found;
    for (const auto& group : response.subscriptions()) found.push_back(group.event_source() + "::" + group.group_name());
    return std::pair(end, found);
  };
  const auto everything = [](auto& options) { options.mutable_list_all_subscriptions(); };
  const auto of_a = [](auto& options) { options.mutable_list_for_stream()->mutable_stream()->set_stream_name("a"); };
  const auto of_all = [](auto& options) { options.mutable_list_for_stream()->mutable_all(); };
  EXPECT_EQ(list(everything).first.status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(list(everything).first.trailer("exception"), "persistent-subscription-does-not-exist");
  for (const auto& request : {create_request("a", "1"), create_request("a", "2"), create_request("b", "1")}) {
    ASSERT_TRUE(create(request).status.ok());
  }
  EXPECT_EQ(list(of_all).first.status.error_code(), StatusCode::NOT_FOUND);
  ASSERT_TRUE(create(create_all_request("1")).status.ok());
  using Names = std::vector<std::string>;
  EXPECT_EQ(list(everything).second, (Names{"$all::1", "a::1", "a::2", "b::1"}));
  EXPECT_EQ(list(of_a).second, (Names{"a::1", "a::2"}));
  EXPECT_EQ(list(of_all).second, (Names{"$all::1"}));
}

TEST_F(DoorPersistentState, restarting_the_subsystem_drops_consumers_and_keeps_groups) {
  write("s", 2);
  ASSERT_TRUE(create(create_request("s")).status.ok());
  const auto reading = consume("s", 1);
  reading->ack({reading->event()});
  EXPECT_EQ(reading->revision(), 1u);
  wire::Empty nothing;
  wire::Empty answer;
  ASSERT_TRUE(call(&Stub::RestartSubsystem, nothing, answer).status.ok());
  EXPECT_EQ(reading->end().trailer("exception"), "persistent-subscription-dropped");
  EXPECT_EQ(consume("s")->revision(), 1u);
}

TEST_F(DoorPersistentState, another_log_with_a_prefix_can_hold_the_state) {
  TemporaryDirectory directory;
  const auto state = open_log(directory.path());
  EventStoreServerOptions options;
  options.group_state = state.get();
  options.group_prefix = "twinstream-";
  auto server = EventStoreServer::start(*log_, context_.get_executor(), options);
  ASSERT_TRUE(server.ok());
  const auto channel =
      grpc::CreateChannel("127.0.0.1:" + std::to_string((*server)->port()), grpc::InsecureChannelCredentials());
  const auto stub = groups::PersistentSubscriptions::NewStub(channel);
  grpc::ClientContext context;
  groups::CreateResp response;
  ASSERT_TRUE(stub->Create(&context, create_request("s"), &response).ok());
  write("s", 1);
  Reading reading(*stub, "s", "g", 10);
  reading.nack(reading.event(), Nack::Park);
  EXPECT_TRUE(comes_true(*state, [&] {
    return contract::run(state->head("twinstream-$persistentsubscription-s::g-parked"))->state == Head::State::live;
  }));
  EXPECT_EQ(contract::run(state->head("twinstream-$persistentSubscriptionConfig"))->state, Head::State::live);
  EXPECT_EQ(contract::run(log_->head("$persistentSubscriptionConfig"))->state, Head::State::none);
  reading.leave();
  server->reset();
}

}  // namespace
}  // namespace twinstream
