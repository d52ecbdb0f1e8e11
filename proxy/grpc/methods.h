#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <functional>

#include "proxy/grpc/calls.h"
#include "proxy/protocol/streams.grpc.pb.h"  // brings what a service is made of

namespace twinstream::door {

/// The work of a call with one request and one answer. It runs on the door's executor.
template <class Request, class Response>
using Work = std::function<Awaitable<CallStatus>(Door&, Request, Response&)>;
/// The same for work that itself decides what the caller may do.
template <class Request, class Response>
using WorkForCaller = std::function<Awaitable<CallStatus>(Door&, const Caller&, Request, Response&)>;

/// One request, one answer, and the end of the requests seen before the call is ended.
template <class Request, class Response>
class UnaryCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  UnaryCall(Door& door, grpc::CallbackServerContext* context, const WorkForCaller<Request, Response>& work)
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
    const Caller caller = caller_of(call->door_, *call->context_);
    const CallStatus status = co_await call->work_(call->door_, caller, std::move(call->request_), call->response_);
    const grpc::Status end = finish_with(status, call->context_);
    if (!status.ok()) co_return call->Finish(end);
    call->StartWriteAndFinish(&call->response_, {}, end);
  }

  Door& door_;
  grpc::CallbackServerContext* context_;
  const WorkForCaller<Request, Response>& work_;
  Request request_;
  Request beyond_;
  Response response_;
  bool received_ = false;
};

/// A service whose methods are registered by hand and not by the generated classes, as streams in both directions
/// although most take one request: only so is the end of the requests seen. A call that is answered before the client's
/// half-close has arrived is reset by gRPC, with code NO_ERROR, and clients in Rust then report a complete answer as a
/// failure.
class MethodTable : public grpc::Service {
 public:
  explicit MethodTable(Door& door) : door_(door) {}

 protected:
  /// Takes over `handler`.
  void add(const char* path, grpc::internal::RpcMethod::RpcType type, grpc::internal::MethodHandler* handler) {
    AddMethod(new grpc::internal::RpcServiceMethod(path, type, nullptr));
    MarkMethodCallback(methods_++, handler);
  }

  template <class Request, class Response>
  void add_unary(const char* path, Work<Request, Response> work, Need need = Need::login) {
    auto checked = [work = std::move(work), need](Door& door, const Caller& caller, Request request,
                                                  Response& response) -> Awaitable<CallStatus> {
      const CallStatus refusal = check(caller, need);
      if (!refusal.ok()) co_return refusal;
      co_return co_await work(door, std::move(request), response);
    };
    add_unary(path, WorkForCaller<Request, Response>(std::move(checked)));
  }

  template <class Request, class Response>
  void add_unary(const char* path, WorkForCaller<Request, Response> work) {
    add(path, grpc::internal::RpcMethod::BIDI_STREAMING,
        new grpc::internal::CallbackBidiHandler<Request, Response>([this, work = std::move(work)](auto* context) {
          return new UnaryCall<Request, Response>(door_, context, work);
        }));
  }

  /// One request, many answers. Takes a WorkWithResponses; defined in response_call.h.
  template <class Request, class Response, class Work>
  void add_responses(const char* path, Work work);

  Door& door_;

 private:
  int methods_ = 0;
};

}  // namespace twinstream::door
