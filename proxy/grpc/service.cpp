#include <strings.h>

#include "proxy/grpc/append_records.h"
#include "proxy/grpc/authentication.h"
#include "proxy/grpc/deletions.h"
#include "proxy/grpc/messages.h"
#include "proxy/grpc/methods.h"
#include "proxy/grpc/services.h"

namespace twinstream::door {
namespace {

namespace features = wire::server_features;
namespace gossip = wire::gossip;
using grpc::internal::RpcMethod;

Awaitable<CallStatus> supported_methods(Door& door, wire::Empty, features::SupportedMethods& response) {
  fill_supported_methods(response);
  add_supported_services(response, door);
  co_return CallStatus{};
}

Awaitable<CallStatus> cluster_info(Door& door, wire::Empty, gossip::ClusterInfo& response) {
  fill_cluster(response, door.node);
  co_return CallStatus{};
}

template <class Options>
std::string stream_of(const Options& options) {
  return options.stream_identifier().stream_name();
}

Awaitable<CallStatus> may_erase(Door& door, const Caller& caller, std::string stream) {
  const auto elsewhere = check(door.node, caller, Intent::write);
  if (!elsewhere.ok()) co_return elsewhere;
  co_return co_await check(door.log, caller, StreamRight::erase, std::move(stream));
}

Awaitable<CallStatus> delete_call(Door& door, const Caller& caller, streams::DeleteReq request,
                                  streams::DeleteResp& response) {
  const auto refusal = co_await may_erase(door, caller, stream_of(request.options()));
  if (!refusal.ok()) co_return refusal;
  co_return co_await delete_stream(door.log, std::move(request), response);
}

Awaitable<CallStatus> tombstone_call(Door& door, const Caller& caller, streams::TombstoneReq request,
                                     streams::TombstoneResp& response) {
  const auto refusal = co_await may_erase(door, caller, stream_of(request.options()));
  if (!refusal.ok()) co_return refusal;
  co_return co_await tombstone_stream(door.log, std::move(request), response);
}

Awaitable<CallStatus> append_records_call(Door& door, const Caller& caller, v2::AppendRecordsRequest request,
                                          v2::AppendRecordsResponse& response) {
  const auto elsewhere = check_leads_v2(door.node);
  if (!elsewhere.ok()) co_return elsewhere;
  co_return co_await append_records(door.log, caller, std::move(request), response);
}

/// BatchAppend is in a service of its own (batch_append_service.h).
class StreamsService final : public MethodTable {
 public:
  explicit StreamsService(Door& door) : MethodTable(door) {
    add("/event_store.client.streams.Streams/Append", RpcMethod::CLIENT_STREAMING,
        new grpc::internal::CallbackClientStreamingHandler<streams::AppendReq, streams::AppendResp>(
            [this](auto* context, auto* response) { return start_append(door_, context, response); }));
    add("/event_store.client.streams.Streams/Read", RpcMethod::BIDI_STREAMING,
        new grpc::internal::CallbackBidiHandler<streams::ReadReq, streams::ReadResp>(
            [this](auto* context) { return start_read(door_, context); }));
    add_unary<streams::DeleteReq, streams::DeleteResp>("/event_store.client.streams.Streams/Delete", delete_call);
    add_unary<streams::TombstoneReq, streams::TombstoneResp>("/event_store.client.streams.Streams/Tombstone",
                                                             tombstone_call);
  }
};

class StreamsV2Service final : public MethodTable {
 public:
  explicit StreamsV2Service(Door& door) : MethodTable(door) {
    add("/kurrentdb.protocol.v2.streams.StreamsService/AppendSession", RpcMethod::CLIENT_STREAMING,
        new grpc::internal::CallbackClientStreamingHandler<v2::AppendRequest, v2::AppendSessionResponse>(
            [this](auto* context, auto* response) { return start_append_session(door_, context, response); }));
    add_unary<v2::AppendRecordsRequest, v2::AppendRecordsResponse>(
        "/kurrentdb.protocol.v2.streams.StreamsService/AppendRecords", append_records_call);
  }
};

class DiscoveryService final : public MethodTable {
 public:
  explicit DiscoveryService(Door& door) : MethodTable(door) {
    add_unary<wire::Empty, features::SupportedMethods>(
        "/event_store.client.server_features.ServerFeatures/GetSupportedMethods", supported_methods, Need::nothing);
    add_unary<wire::Empty, gossip::ClusterInfo>("/event_store.client.gossip.Gossip/Read", cluster_info, Need::nothing);
  }
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> make_services(Door& door) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<StreamsService>(door));
  services.push_back(std::make_unique<StreamsV2Service>(door));
  services.push_back(make_persistent_subscriptions(door));
  services.push_back(std::make_unique<DiscoveryService>(door));
  services.push_back(make_monitoring_service(door));
  if (door.users) services.push_back(make_users_service(door));
  if (door.maintenance) services.push_back(make_operations_service(door));
  return services;
}

Caller caller_of(const Door& door, const grpc::ServerContextBase& context) {
  Caller caller = caller_of(door.users, context);
  const auto wish = context.client_metadata().find("requires-leader");
  caller.requires_leader = wish != context.client_metadata().end() && wish->second.size() == 4 &&
                           ::strncasecmp(wish->second.data(), "true", 4) == 0;
  return caller;
}

grpc::Status finish_with(const CallStatus& status, grpc::ServerContextBase* context) {
  if (status.ok()) return grpc::Status::OK;
  for (const auto& [name, value] : status.trailers) context->AddTrailingMetadata(name, value);
  return {static_cast<grpc::StatusCode>(status.code), status.message, status.details};
}

}  // namespace twinstream::door
