#include <grpcpp/generic/generic_stub.h>

#include <future>

#include "proxy/grpc/messages.h"
#include "proxy/protocol/gossip.grpc.pb.h"
#include "proxy/protocol/server_features.grpc.pb.h"
#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using DoorDiscovery = DoorTest;
namespace gossip = event_store::client::gossip;
namespace features = event_store::client::server_features;

TEST_F(DoorDiscovery, conformance_06_the_methods_are_told_in_lower_case_with_a_version_of_three_parts) {
  features::SupportedMethods methods;
  grpc::ClientContext context;
  ASSERT_TRUE(features::ServerFeatures::NewStub(channel_)->GetSupportedMethods(&context, wire::Empty(), &methods).ok());
  EXPECT_EQ(methods.event_store_server_version(), "23.10.8");
  bool batch = false;
  for (const auto& method : methods.methods()) {
    for (const char c : method.service_name() + method.method_name()) EXPECT_FALSE(c >= 'A' && c <= 'Z');
    batch = batch || (method.service_name() == "event_store.client.streams.streams" &&
                      method.method_name() == "batchappend" && method.features(0) == "deadline_duration");
  }
  EXPECT_TRUE(batch);
}

gossip::ClusterInfo cluster(const std::shared_ptr<grpc::Channel>& channel) {
  gossip::ClusterInfo members;
  grpc::ClientContext context;
  EXPECT_TRUE(gossip::Gossip::NewStub(channel)->Read(&context, wire::Empty(), &members).ok());
  return members;
}

TEST_F(DoorDiscovery, conformance_07_gossip_names_one_living_leader_at_the_address_listened_on) {
  const auto members = cluster(channel_);
  ASSERT_EQ(members.members_size(), 1);
  const auto& member = members.members(0);
  EXPECT_EQ(member.state(), gossip::MemberInfo::Leader);
  EXPECT_TRUE(member.is_alive());
  EXPECT_EQ(member.http_end_point().address(), "127.0.0.1");
  EXPECT_EQ(member.http_end_point().port(), server_->port());
  const auto id = door::parse_uuid(member.instance_id());
  ASSERT_TRUE(id);
  EXPECT_EQ(id->bytes[6] >> 4, 4) << "a random UUID has version 4";
  EXPECT_EQ(id->bytes[8] >> 6, 2) << "and the variant of RFC 4122";
}

TEST_F(DoorDiscovery, conformance_07_gossip_names_the_advertised_address) {
  EventStoreServerOptions options;
  options.advertise_host = "events.example.org";
  options.advertise_port = 4711;
  const auto server = EventStoreServer::start(*log_, context_.get_executor(), options);
  ASSERT_TRUE(server.ok());
  const auto channel =
      grpc::CreateChannel("127.0.0.1:" + std::to_string((*server)->port()), grpc::InsecureChannelCredentials());
  const auto members = cluster(channel);
  EXPECT_EQ(members.members(0).http_end_point().address(), "events.example.org");
  EXPECT_EQ(members.members(0).http_end_point().port(), 4711u);
}

TEST_F(DoorDiscovery, conformance_10_a_method_that_does_not_exist_is_unimplemented) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  const grpc::Slice nothing("");
  grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> status;
  stub.UnaryCall(&context, "/event_store.client.projections.Projections/Create", {}, &request, &response,
                 [&](grpc::Status end) { status.set_value(std::move(end)); });
  EXPECT_EQ(status.get_future().get().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(DoorDiscovery, conformance_08_frequent_pings_are_tolerated_with_and_without_calls) {
  for (const bool with_call : {false, true}) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
    ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::minutes(1)));
    const auto stub = streams::Streams::NewStub(channel);
    std::optional<Running> running;
    if (with_call) running.emplace(*stub, subscription(read_request("s")));
    // A server that has had enough would close the connection: the state would change.
    EXPECT_FALSE(channel->WaitForStateChange(GRPC_CHANNEL_READY,
                                             std::chrono::system_clock::now() + std::chrono::milliseconds(500)));
  }
}

TEST_F(DoorDiscovery, a_port_in_use_is_refused_with_the_reason) {
  EventStoreServerOptions options;
  options.port = server_->port();
  const auto second = EventStoreServer::start(*log_, context_.get_executor(), options);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.failure().reason.find("Address already in use"), std::string::npos) << second.failure().reason;
}

}  // namespace
}  // namespace twinstream
