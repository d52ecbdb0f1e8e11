#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <functional>

#include "proxy/grpc/calls.h"
#include "proxy/grpc/deletions.h"
#include "proxy/grpc/messages.h"
#include "proxy/protocol/streams.grpc.pb.h"  // brings what a service is made of

namespace twinstream::door {
namespace {

namespace features = wire::server_features;
namespace gossip = wire::gossip;
using grpc::internal::RpcMethod;

template <class Request, class Response>
using Work = std::function<Awaitable<CallStatus>(Door&, Request, Response&)>;

/// One request, one answer, and the end of the requests seen before the call is ended.
template <class Request, class Response>
class UnaryCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  UnaryCall(Door& door, grpc::CallbackServerContext* context, const Work<Request, Response>& work)
      : door_(door), context_(context), work_(work) {
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      received_ = true;
      return this->StartRead(&beyond_);
    }
    if (!received_) return this->Finish({grpc::StatusCode::UNKNOWN, "the request is missing"});
    door_.tasks.spawn(door_.executor, work_off(this));
  }

  void OnDone() override { delete this; }

 private:
  static Awaitable<void> work_off(UnaryCall* call) {
    const CallStatus status = co_await call->work_(call->door_, std::move(call->request_), call->response_);
    const grpc::Status end = finish_with(status, call->context_);
    if (!status.ok()) co_return call->Finish(end);
    call->StartWriteAndFinish(&call->response_, {}, end);
  }

  Door& door_;
  grpc::CallbackServerContext* context_;
  const Work<Request, Response>& work_;
  Request request_;
  Request beyond_;
  Response response_;
  bool received_ = false;
};

Awaitable<CallStatus> supported_methods(Door&, wire::Empty, features::SupportedMethods& response) {
  fill_supported_methods(response);
  co_return CallStatus{};
}

Awaitable<CallStatus> cluster_info(Door& door, wire::Empty, gossip::ClusterInfo& response) {
  fill_cluster(response, door.node);
  co_return CallStatus{};
}

Awaitable<CallStatus> delete_call(Door& door, streams::DeleteReq request, streams::DeleteResp& response) {
  return delete_stream(door.log, std::move(request), response);
}

Awaitable<CallStatus> tombstone_call(Door& door, streams::TombstoneReq request, streams::TombstoneResp& response) {
  return tombstone_stream(door.log, std::move(request), response);
}

/// The methods are registered by hand and not by the generated classes, as streams in both directions although most
/// take one request: only so is the end of the requests seen. A call that is answered before the client's half-close
/// has arrived is reset by gRPC, with code NO_ERROR, and clients in Rust then report a complete answer as a failure.
class DoorService final : public grpc::Service {
 public:
  explicit DoorService(Door& door) : door_(door) {
    add("/event_store.client.streams.Streams/Append", RpcMethod::CLIENT_STREAMING,
        new grpc::internal::CallbackClientStreamingHandler<streams::AppendReq, streams::AppendResp>(
            [this](auto* context, auto* response) { return start_append(door_, context, response); }));
    add("/event_store.client.streams.Streams/BatchAppend", RpcMethod::BIDI_STREAMING,
        new grpc::internal::CallbackBidiHandler<streams::BatchAppendReq, streams::BatchAppendResp>(
            [this](auto*) { return start_batch_append(door_); }));
    add("/event_store.client.streams.Streams/Read", RpcMethod::BIDI_STREAMING,
        new grpc::internal::CallbackBidiHandler<streams::ReadReq, streams::ReadResp>(
            [this](auto* context) { return start_read(door_, context); }));
    add_unary<streams::DeleteReq, streams::DeleteResp>("/event_store.client.streams.Streams/Delete", delete_call);
    add_unary<streams::TombstoneReq, streams::TombstoneResp>("/event_store.client.streams.Streams/Tombstone",
                                                             tombstone_call);
    add_unary<wire::Empty, features::SupportedMethods>(
        "/event_store.client.server_features.ServerFeatures/GetSupportedMethods", supported_methods);
    add_unary<wire::Empty, gossip::ClusterInfo>("/event_store.client.gossip.Gossip/Read", cluster_info);
  }

 private:
  void add(const char* path, RpcMethod::RpcType type, grpc::internal::MethodHandler* handler) {
    AddMethod(new grpc::internal::RpcServiceMethod(path, type, nullptr));
    MarkMethodCallback(methods_++, handler);
  }

  template <class Request, class Response>
  void add_unary(const char* path, Work<Request, Response> work) {
    add(path, RpcMethod::BIDI_STREAMING,
        new grpc::internal::CallbackBidiHandler<Request, Response>([this, work = std::move(work)](auto* context) {
          return new UnaryCall<Request, Response>(door_, context, work);
        }));
  }

  Door& door_;
  int methods_ = 0;
};

}  // namespace

std::unique_ptr<grpc::Service> make_service(Door& door) { return std::make_unique<DoorService>(door); }

grpc::Status finish_with(const CallStatus& status, grpc::CallbackServerContext* context) {
  if (status.ok()) return grpc::Status::OK;
  for (const auto& [name, value] : status.trailers) context->AddTrailingMetadata(name, value);
  return {static_cast<grpc::StatusCode>(status.code), status.message};
}

}  // namespace twinstream::door
