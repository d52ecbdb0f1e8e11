#include "adapters/eventstore/unary_calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "proxy/core/await.h"
#include "proxy/protocol/gossip.grpc.pb.h"
#include "proxy/protocol/server_features.grpc.pb.h"
#include "proxy/protocol/streams.grpc.pb.h"

namespace twinstream::eventstore {
namespace {

namespace proto = event_store::client;
namespace streams = event_store::client::streams;
using Target = ChannelFactory::Target;

/// Everything gRPC needs until the answer is there; its callback owns it.
template <class Request, class Response>
struct UnaryCall {
  UnaryCall(ConnectionPtr connection, Target target, std::chrono::milliseconds timeout,
            Completion<Reply<Response>> completion)
      : scope(std::move(connection)), registered(*scope.connection->calls, context), done(std::move(completion)) {
    scope.connection->factory->add_headers(context, target);
    set_deadline(context, timeout);
  }

  CallScope scope;
  grpc::ClientContext context;
  CallRegistry::Entry registered;
  Request request;
  Response response;
  Completion<Reply<Response>> done;
};

/// `method` is called as `method(context, request, response, callback)`.
template <class Request, class Response, class Method>
Awaitable<Reply<Response>> unary(ConnectionPtr connection, Target target, Request request, Method method,
                                 std::chrono::milliseconds timeout) {
  auto start = [&](Completion<Reply<Response>> done) {
    auto call = std::make_shared<UnaryCall<Request, Response>>(connection, target, timeout, std::move(done));
    call->request = std::move(request);
    method(&call->context, &call->request, &call->response, [call](grpc::Status status) {
      call->done({call_status(status, call->context, *call->scope.connection), std::move(call->response)});
    });
  };
  co_return co_await await_completion<Reply<Response>>(start);
}

Features read_features(const proto::server_features::SupportedMethods& supported) {
  Features features;
  features.version = supported.event_store_server_version();
  for (const auto& method : supported.methods()) {
    const bool session = method.service_name() == "kurrentdb.protocol.v2.streams.streamsservice" &&
                         method.method_name() == "appendsession";
    if (session) features.append_session = true;
    if (method.service_name() != "event_store.client.streams.streams" || method.method_name() != "batchappend")
      continue;
    features.batch_append = true;
    for (const auto& feature : method.features()) features.batch_deadline_duration |= feature == "deadline_duration";
  }
  return features;
}

Member::Role read_role(proto::gossip::MemberInfo::VNodeState state) {
  using Info = proto::gossip::MemberInfo;
  switch (state) {
    case Info::Leader: return Member::Role::leader;
    case Info::Follower: return Member::Role::follower;
    case Info::ReadOnlyReplica: return Member::Role::read_only_replica;
    case Info::PreReadOnlyReplica: return Member::Role::pre_read_only_replica;
    case Info::ReadOnlyLeaderless: return Member::Role::read_only_leaderless;
    default: return Member::Role::other;
  }
}

std::vector<Member> read_members(const proto::gossip::ClusterInfo& cluster) {
  std::vector<Member> members;
  for (const auto& info : cluster.members()) {
    const auto& address = info.http_end_point();
    const bool usable = !address.address().empty() && address.port() > 0 && address.port() <= 65535;
    const auto port = static_cast<std::uint16_t>(usable ? address.port() : 0);
    members.push_back({read_role(info.state()), info.is_alive(), {address.address(), port}});
  }
  return members;
}

template <class Options>
void fill_options(Options& options, const std::string& stream, const ExpectedRevision& expected) {
  options.mutable_stream_identifier()->set_stream_name(stream);
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: options.mutable_any(); break;
    case ExpectedRevision::Kind::no_stream: options.mutable_no_stream(); break;
    case ExpectedRevision::Kind::stream_exists: options.mutable_stream_exists(); break;
    case ExpectedRevision::Kind::exact: options.set_revision(expected.revision); break;
  }
}

template <class Response>
Reply<Deleted> read_deleted(const Reply<Response>& reply) {
  Reply<Deleted> result{reply.status, {}};
  if (reply.value.has_position()) {
    result.value.position = {reply.value.position().commit_position(), reply.value.position().prepare_position()};
  }
  return result;
}

}  // namespace

Awaitable<Reply<Features>> fetch_features(ConnectionPtr connection, std::chrono::milliseconds timeout) {
  const std::shared_ptr stub = proto::server_features::ServerFeatures::NewStub(connection->channel);
  auto method = [stub](auto* context, auto* request, auto* response, auto callback) {
    stub->async()->GetSupportedMethods(context, request, response, std::move(callback));
  };
  using Answer = proto::server_features::SupportedMethods;
  auto reply = co_await unary<proto::Empty, Answer>(connection, Target::any, {}, method, timeout);
  if (reply.status.code == StatusCode::unimplemented) co_return Reply<Features>{};
  co_return Reply<Features>{std::move(reply.status), read_features(reply.value)};
}

Awaitable<Reply<std::vector<Member>>> fetch_members(ConnectionPtr connection, std::chrono::milliseconds timeout) {
  const std::shared_ptr stub = proto::gossip::Gossip::NewStub(connection->channel);
  auto method = [stub](auto* context, auto* request, auto* response, auto callback) {
    stub->async()->Read(context, request, response, std::move(callback));
  };
  auto reply = co_await unary<proto::Empty, proto::gossip::ClusterInfo>(connection, Target::any, {}, method, timeout);
  co_return Reply<std::vector<Member>>{std::move(reply.status), read_members(reply.value)};
}

namespace {

Awaitable<Reply<Deleted>> soft_delete(ConnectionPtr connection, streams::DeleteReq request,
                                      std::chrono::milliseconds timeout) {
  const std::shared_ptr stub = streams::Streams::NewStub(connection->channel);
  auto method = [stub](auto* context, auto* question, auto* response, auto callback) {
    stub->async()->Delete(context, question, response, std::move(callback));
  };
  co_return read_deleted(co_await unary<streams::DeleteReq, streams::DeleteResp>(connection, Target::preferred,
                                                                                 std::move(request), method, timeout));
}

Awaitable<Reply<Deleted>> tombstone(ConnectionPtr connection, streams::TombstoneReq request,
                                    std::chrono::milliseconds timeout) {
  const std::shared_ptr stub = streams::Streams::NewStub(connection->channel);
  auto method = [stub](auto* context, auto* question, auto* response, auto callback) {
    stub->async()->Tombstone(context, question, response, std::move(callback));
  };
  co_return read_deleted(co_await unary<streams::TombstoneReq, streams::TombstoneResp>(
      connection, Target::preferred, std::move(request), method, timeout));
}

}  // namespace

Awaitable<Reply<Deleted>> delete_stream(ConnectionPtr connection, Deletion deletion, std::string stream,
                                        ExpectedRevision expected, std::chrono::milliseconds timeout) {
  if (deletion == Deletion::soft) {
    streams::DeleteReq request;
    fill_options(*request.mutable_options(), stream, expected);
    co_return co_await soft_delete(std::move(connection), std::move(request), timeout);
  }
  streams::TombstoneReq request;
  fill_options(*request.mutable_options(), stream, expected);
  co_return co_await tombstone(std::move(connection), std::move(request), timeout);
}

}  // namespace twinstream::eventstore
