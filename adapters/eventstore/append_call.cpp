#include "adapters/eventstore/append_call.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "adapters/eventstore/wire.h"
#include "proxy/core/await.h"
#include "proxy/protocol/streams.grpc.pb.h"

namespace twinstream::eventstore {
namespace {

namespace streams = event_store::client::streams;
using streams::AppendReq;
using streams::AppendResp;

void fill_options(const AppendRequest& request, AppendReq::Options& options) {
  options.mutable_stream_identifier()->set_stream_name(request.stream);
  switch (request.expected.kind) {
    case ExpectedRevision::Kind::any: options.mutable_any(); break;
    case ExpectedRevision::Kind::no_stream: options.mutable_no_stream(); break;
    case ExpectedRevision::Kind::stream_exists: options.mutable_stream_exists(); break;
    case ExpectedRevision::Kind::exact: options.set_revision(request.expected.revision); break;
  }
}

/// Writes the options, then one message for every event. Deletes itself when gRPC is done with it.
class AppendReactor final : public grpc::ClientWriteReactor<AppendReq> {
 public:
  AppendReactor(ConnectionPtr connection, std::shared_ptr<const AppendRequest> append,
                std::chrono::milliseconds timeout, Completion<AppendReply> done)
      : scope_(std::move(connection)),
        registered_(*scope_.connection->calls, context_),
        append_(std::move(append)),
        done_(std::move(done)) {
    scope_.connection->factory->add_headers(context_, ChannelFactory::Target::preferred);
    set_deadline(context_, timeout);
    fill_options(*append_, *request_.mutable_options());
    streams::Streams::NewStub(scope_.connection->channel)->async()->Append(&context_, &response_, this);
  }

  void start() {
    StartWrite(&request_);
    StartCall();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return;
    if (next_ == append_->events.size()) return StartWritesDone();
    request_.Clear();
    write_event(append_->events[next_++], *request_.mutable_proposed_message());
    StartWrite(&request_);
  }

  void OnDone(const grpc::Status& status) override {
    AppendReply reply{call_status(status, context_, *scope_.connection), {}};
    if (status.ok()) reply.answer = read_answer(response_);
    done_(std::move(reply));
    delete this;
  }

 private:
  CallScope scope_;
  grpc::ClientContext context_;
  CallRegistry::Entry registered_;
  std::shared_ptr<const AppendRequest> append_;
  std::size_t next_ = 0;
  AppendReq request_;
  AppendResp response_;
  Completion<AppendReply> done_;
};

}  // namespace

Awaitable<AppendReply> append_call(ConnectionPtr connection, std::shared_ptr<const AppendRequest> request,
                                   std::chrono::milliseconds timeout) {
  auto start = [&](Completion<AppendReply> done) {
    (new AppendReactor(connection, request, timeout, std::move(done)))->start();
  };
  co_return co_await await_completion<AppendReply>(start);
}

}  // namespace twinstream::eventstore
