#include <grpcpp/grpcpp.h>

#include "proxy/protocol/gossip.grpc.pb.h"
#include "proxy/protocol/persistent.grpc.pb.h"
#include "proxy/protocol/rich_status.pb.h"
#include "proxy/protocol/streams_v2.grpc.pb.h"
#include "tests/unit/grpc/batch_fixture.h"

// A node of a cluster: what gossip says of the others, and what it leaves to the leader (reference, section 12.5).

namespace twinstream {
namespace {

namespace gossip = event_store::client::gossip;
namespace groups = event_store::client::persistent_subscriptions;
namespace v2 = kurrentdb::protocol::v2::streams;
using Role = ClusterView::Role;

class DoorCluster : public DoorTest {
 protected:
  DoorCluster() {
    EventStoreServerOptions options;
    options.cluster = [this] {
      std::scoped_lock lock(mutex_);
      return view_;
    };
    auto server = EventStoreServer::start(*log_, context_.get_executor(), options);
    if (!server.ok()) throw std::runtime_error(server.failure().reason);
    server_ = std::move(*server);
    channel_ = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
    stub_ = streams::Streams::NewStub(channel_);
  }
  ~DoorCluster() override { server_.reset(); }

  /// The node asked; another one leads.
  void be(Role role) {
    std::scoped_lock lock(mutex_);
    view_.members[1].role = role;
    view_.members[0].role = role == Role::leader ? Role::follower : Role::leader;
  }
  void have_no_leader() {
    std::scoped_lock lock(mutex_);
    view_.members[0].alive = false;
    view_.members[1].role = Role::follower;
  }

  static void ask(grpc::ClientContext& context, const char* requires_leader) {
    if (requires_leader) context.AddMetadata("requires-leader", requires_leader);
  }

  Ended append(const char* requires_leader) {
    grpc::ClientContext context;
    ask(context, requires_leader);
    streams::AppendResp response;
    auto writer = stub_->Append(&context, &response);
    streams::AppendReq message;
    message.mutable_options()->mutable_stream_identifier()->set_stream_name("s");
    message.mutable_options()->mutable_any();
    writer->Write(message);
    *message.mutable_proposed_message() = proposed();
    writer->Write(message);
    writer->WritesDone();
    grpc::Status status = writer->Finish();
    return ended(std::move(status), context);
  }

  struct Batch : Ended {
    std::vector<streams::BatchAppendResp> answers;
  };
  Batch batch(const char* requires_leader) {
    grpc::ClientContext context;
    ask(context, requires_leader);
    const auto call = stub_->BatchAppend(&context);
    call->Write(opening(EventId::random(), "s", 1, true));
    Batch batch;
    streams::BatchAppendResp answer;
    if (call->Read(&answer)) {
      batch.answers.push_back(answer);
      call->WritesDone();
    }
    grpc::Status status = call->Finish();
    static_cast<Ended&>(batch) = ended(std::move(status), context);
    return batch;
  }

  template <class Request, class Response>
  Ended remove(const char* requires_leader,
               grpc::Status (streams::Streams::Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
    grpc::ClientContext context;
    ask(context, requires_leader);
    Request request;
    request.mutable_options()->mutable_stream_identifier()->set_stream_name("s");
    request.mutable_options()->mutable_any();
    Response response;
    grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    return ended(std::move(status), context);
  }

  Ended read(const char* requires_leader) {
    grpc::ClientContext context;
    ask(context, requires_leader);
    auto reader = stub_->Read(&context, all_request());
    for (streams::ReadResp response; reader->Read(&response);) continue;
    grpc::Status status = reader->Finish();
    return ended(std::move(status), context);
  }

  grpc::Status session() {
    grpc::ClientContext context;
    v2::AppendSessionResponse response;
    auto writer = v2::StreamsService::NewStub(channel_)->AppendSession(&context, &response);
    v2::AppendRequest request;
    request.set_stream("s");
    auto& record = *request.add_records();
    record.set_record_id(EventId::random().to_string());
    record.mutable_schema()->set_format(v2::SCHEMA_FORMAT_JSON);
    record.mutable_schema()->set_name("Happened");
    writer->Write(request);
    writer->WritesDone();
    return writer->Finish();
  }

  static bool names_the_leader(const Ended& end) {
    return end.status.error_code() == grpc::StatusCode::NOT_FOUND && end.trailer("exception") == "not-leader" &&
           end.trailer("leader-endpoint-host") == "leader.example.org" && end.trailer("leader-endpoint-port") == "2113";
  }

  std::mutex mutex_;
  ClusterView view_{{{"leader.example.org", 2113, Role::leader, true, EventId::random()},
                     {"127.0.0.1", 2114, Role::follower, true, EventId::random()},
                     {"127.0.0.1", 2115, Role::read_only_replica, false, EventId::random()}},
                    1};
};

TEST_F(DoorCluster, gossip_names_every_member_and_what_it_is) {
  gossip::ClusterInfo cluster;
  grpc::ClientContext context;
  ASSERT_TRUE(gossip::Gossip::NewStub(channel_)->Read(&context, wire::Empty(), &cluster).ok());
  ASSERT_EQ(cluster.members_size(), 3);
  EXPECT_EQ(cluster.members(0).state(), gossip::MemberInfo::Leader);
  EXPECT_EQ(cluster.members(0).http_end_point().address(), "leader.example.org");
  EXPECT_EQ(cluster.members(0).http_end_point().port(), 2113u);
  EXPECT_EQ(cluster.members(1).state(), gossip::MemberInfo::Follower);
  EXPECT_EQ(cluster.members(2).state(), gossip::MemberInfo::ReadOnlyReplica);
  EXPECT_TRUE(cluster.members(1).is_alive());
  EXPECT_FALSE(cluster.members(2).is_alive());
}

TEST_F(DoorCluster, a_leader_does_everything) {
  be(Role::leader);
  for (const char* wish : {"true", "false"}) {
    EXPECT_TRUE(append(wish).status.ok());
    EXPECT_TRUE(batch(wish).status.ok());
    EXPECT_TRUE(read(wish).status.ok());
    EXPECT_TRUE(remove(wish, &streams::Streams::Stub::Delete).status.ok());
  }
  EXPECT_TRUE(session().ok());
  EXPECT_TRUE(remove("true", &streams::Streams::Stub::Tombstone).status.ok());
}

TEST_F(DoorCluster, a_follower_writes_for_the_leader_and_reads) {
  for (const char* wish : {static_cast<const char*>(nullptr), "false"}) {
    EXPECT_TRUE(append(wish).status.ok());
    EXPECT_TRUE(batch(wish).status.ok());
    EXPECT_TRUE(read(wish).status.ok());
    EXPECT_TRUE(remove(wish, &streams::Streams::Stub::Delete).status.ok());
  }
  EXPECT_EQ(contract::run(log_->head("s"))->revision, 3u);
  EXPECT_TRUE(remove(nullptr, &streams::Streams::Stub::Tombstone).status.ok());
}

TEST_F(DoorCluster, a_follower_sends_those_who_want_the_leader_to_it) {
  for (const char* wish : {"true", "True"}) {
    EXPECT_TRUE(names_the_leader(append(wish)));
    EXPECT_TRUE(names_the_leader(batch(wish)));
    EXPECT_TRUE(names_the_leader(read(wish)));
    EXPECT_TRUE(names_the_leader(remove(wish, &streams::Streams::Stub::Delete)));
    EXPECT_TRUE(names_the_leader(remove(wish, &streams::Streams::Stub::Tombstone)));
  }
  EXPECT_EQ(contract::run(log_->head("s"))->state, Head::State::none);
}

TEST_F(DoorCluster, a_read_only_replica_sends_every_writer_to_the_leader) {
  be(Role::read_only_replica);
  EXPECT_TRUE(names_the_leader(append(nullptr)));
  EXPECT_TRUE(names_the_leader(batch(nullptr)));
  EXPECT_TRUE(names_the_leader(remove(nullptr, &streams::Streams::Stub::Delete)));
  EXPECT_TRUE(names_the_leader(remove(nullptr, &streams::Streams::Stub::Tombstone)));
  EXPECT_TRUE(read(nullptr).status.ok());
  EXPECT_TRUE(names_the_leader(read("true")));
}

TEST_F(DoorCluster, only_a_leader_has_persistent_subscriptions) {
  const auto stub = groups::PersistentSubscriptions::NewStub(channel_);
  groups::CreateReq request;
  request.mutable_options()->mutable_stream_identifier()->set_stream_name("s");
  request.mutable_options()->set_group_name("g");
  groups::CreateResp response;
  grpc::ClientContext creating;
  grpc::Status created = stub->Create(&creating, request, &response);
  EXPECT_TRUE(names_the_leader(ended(std::move(created), creating)));

  grpc::ClientContext reading;
  const auto call = stub->Read(&reading);
  groups::ReadReq join;
  join.mutable_options()->mutable_stream_identifier()->set_stream_name("s");
  join.mutable_options()->set_group_name("g");
  join.mutable_options()->set_buffer_size(1);
  join.mutable_options()->mutable_uuid_option()->mutable_string();
  call->Write(join);
  groups::ReadResp nothing;
  EXPECT_FALSE(call->Read(&nothing));
  grpc::Status status = call->Finish();
  EXPECT_TRUE(names_the_leader(ended(std::move(status), reading)));
}

TEST_F(DoorCluster, only_a_leader_appends_to_several_streams) {
  const auto status = session();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  rpc::Status rich;
  rpc::ErrorInfo info;
  rpc::NotLeader where;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  ASSERT_EQ(rich.details_size(), 2);
  ASSERT_TRUE(info.ParseFromString(rich.details(0).value()));
  EXPECT_EQ(info.reason(), "NOT_LEADER_NODE");
  EXPECT_EQ(rich.details(1).type_url(), "type.googleapis.com/kurrent.rpc.NotLeaderNodeErrorDetails");
  ASSERT_TRUE(where.ParseFromString(rich.details(1).value()));
  EXPECT_EQ(where.current_leader().host(), "leader.example.org");
  EXPECT_EQ(where.current_leader().port(), 2113);
}

TEST_F(DoorCluster, without_a_leader_nobody_is_sent_anywhere) {
  have_no_leader();
  EXPECT_EQ(append("true").status.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(read("true").status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(session().error_code(), grpc::StatusCode::UNAVAILABLE);
  const auto answered = batch("true");
  EXPECT_TRUE(answered.status.ok());
  ASSERT_EQ(answered.answers.size(), 1u);
  EXPECT_EQ(answered.answers[0].error().code(), 0);
  EXPECT_EQ(answered.answers[0].error().message(), "No leader info available in response");
  EXPECT_EQ(contract::run(log_->head("s"))->state, Head::State::none);
}

TEST_F(DoorCluster, a_subscription_to_the_leader_ends_when_the_node_does_not_lead_any_more) {
  be(Role::leader);
  ASSERT_TRUE(append(nullptr).status.ok());
  grpc::ClientContext context;
  ask(context, "true");
  auto reader = stub_->Read(&context, subscription(read_request("s")));
  streams::ReadResp response;
  ASSERT_TRUE(reader->Read(&response) && response.has_confirmation());
  ASSERT_TRUE(reader->Read(&response) && response.has_event());
  be(Role::follower);
  ASSERT_TRUE(append(nullptr).status.ok());
  while (reader->Read(&response)) EXPECT_FALSE(response.has_event());
  grpc::Status status = reader->Finish();
  EXPECT_TRUE(names_the_leader(ended(std::move(status), context)));
}

}  // namespace
}  // namespace twinstream
