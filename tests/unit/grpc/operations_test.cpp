#include <future>

#include "proxy/protocol/monitoring.grpc.pb.h"
#include "proxy/protocol/operations.grpc.pb.h"
#include "proxy/protocol/server_features.grpc.pb.h"
#include "tests/unit/grpc/secured_fixture.h"

namespace twinstream {
namespace {

namespace operations = event_store::client::operations;
namespace monitoring = event_store::client::monitoring;
using operations::ScavengeResp;

/// A log whose scavenge goes on until it is told to end.
class EndlessScavenge final : public Maintenance {
 public:
  Awaitable<Result<ScavengeSlice>> scavenge(std::uint64_t from) override {
    if (from == 0) begun.set_value();
    co_return ScavengeSlice{from + 1, 1, false};
  }
  std::promise<void> begun;
};

class DoorOperations : public SecuredDoorTest {
 protected:
  using Stub = operations::Operations::Stub;

  struct Answer : Ended {
    ScavengeResp response;
  };
  Answer start_scavenge() {
    operations::StartScavengeReq request;
    request.mutable_options()->set_thread_count(1);
    return call(&Stub::StartScavenge, request);
  }
  Answer stop_scavenge(const std::string& id) {
    operations::StopScavengeReq request;
    request.mutable_options()->set_scavenge_id(id);
    return call(&Stub::StopScavenge, request);
  }
  template <class Request>
  Answer call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, ScavengeResp*),
              const Request& request) {
    Answer answer;
    grpc::ClientContext context;
    auto stub = operations::Operations::NewStub(channel_);
    grpc::Status status = (stub.get()->*method)(&context, request, &answer.response);
    static_cast<Ended&>(answer) = ended(std::move(status), context);
    return answer;
  }
  Ended shutdown() {
    grpc::ClientContext context;
    wire::Empty response;
    grpc::Status status = operations::Operations::NewStub(channel_)->Shutdown(&context, wire::Empty(), &response);
    return ended(std::move(status), context);
  }
};

TEST_F(DoorOperations, operators_may_and_others_may_not) {
  add_user("jane", "pw");
  as("jane", "pw");
  EXPECT_TRUE(is_denied(start_scavenge()));
  EXPECT_TRUE(is_denied(stop_scavenge("x")));
  EXPECT_TRUE(is_denied(shutdown()));
  EXPECT_FALSE(stopped_);
  as("ops", "changeit");
  EXPECT_TRUE(start_scavenge().status.ok());
  EXPECT_TRUE(shutdown().status.ok());
  EXPECT_TRUE(stopped_);
}

TEST_F(DoorOperations, a_scavenge_is_started_once_and_stopped_by_its_id) {
  EndlessScavenge endless;
  server_.reset();
  EventStoreServerOptions options;
  options.maintenance = &endless;
  server_ = std::move(*EventStoreServer::start(*log_, context_.get_executor(), options));
  call_with(grpc::InsecureChannelCredentials());

  const auto first = start_scavenge();
  EXPECT_EQ(first.response.scavenge_result(), ScavengeResp::Started);
  EXPECT_TRUE(EventId::parse(first.response.scavenge_id()));
  endless.begun.get_future().wait();
  const auto second = start_scavenge();
  EXPECT_EQ(second.response.scavenge_result(), ScavengeResp::InProgress);
  EXPECT_EQ(second.response.scavenge_id(), first.response.scavenge_id());
  const auto unknown = stop_scavenge(EventId::random().to_string());
  EXPECT_EQ(unknown.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(unknown.trailer("exception"), "scavenge-not-found");
  const auto stopped = stop_scavenge(first.response.scavenge_id());
  EXPECT_EQ(stopped.response.scavenge_result(), ScavengeResp::Stopped);
  server_.reset();
}

TEST_F(DoorOperations, a_shutdown_ends_a_scavenge) {
  EndlessScavenge endless;
  server_.reset();
  EventStoreServerOptions options;
  options.maintenance = &endless;
  server_ = std::move(*EventStoreServer::start(*log_, context_.get_executor(), options));
  call_with(grpc::InsecureChannelCredentials());
  ASSERT_TRUE(start_scavenge().status.ok());
  endless.begun.get_future().wait();
  server_->shutdown(std::chrono::seconds(5));
}

TEST_F(DoorOperations, the_options_must_be_set) {
  EXPECT_EQ(call(&Stub::StartScavenge, operations::StartScavengeReq()).status.error_code(),
            grpc::StatusCode::UNKNOWN);
}

TEST_F(DoorOperations, statistics_come_at_once_and_again) {
  grpc::ClientContext context;
  monitoring::StatsReq request;
  request.set_refresh_time_period_in_ms(1);
  auto reader = monitoring::Monitoring::NewStub(channel_)->Stats(&context, request);
  monitoring::StatsResp stats;
  ASSERT_TRUE(reader->Read(&stats));
  EXPECT_EQ(stats.stats().at("es-store"), "embedded");
  EXPECT_EQ(stats.stats().at("es-position"), "0");
  EXPECT_GT(std::stoull(stats.stats().at("proc-mem")), 0u);
  write("order-1", 3);
  do {
    ASSERT_TRUE(reader->Read(&stats));
  } while (stats.stats().at("es-position") != "3");
  server_->shutdown(std::chrono::seconds(5));
  while (reader->Read(&stats)) continue;
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DoorOperations, what_is_offered_is_told) {
  event_store::client::server_features::SupportedMethods methods;
  grpc::ClientContext context;
  as_nobody();
  ASSERT_TRUE(event_store::client::server_features::ServerFeatures::NewStub(channel_)
                  ->GetSupportedMethods(&context, wire::Empty(), &methods)
                  .ok());
  std::map<std::string, int> count;
  for (const auto& method : methods.methods()) ++count[method.service_name()];
  EXPECT_EQ(count["event_store.client.users.users"], 8);
  EXPECT_EQ(count["event_store.client.operations.operations"], 3);
  EXPECT_EQ(count["event_store.client.monitoring.monitoring"], 1);
}

}  // namespace
}  // namespace twinstream
