#include "adapters/eventstore/read_call.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "adapters/eventstore/wire.h"
#include "proxy/core/await.h"
#include "proxy/protocol/streams.grpc.pb.h"

namespace twinstream::eventstore {
namespace {

namespace streams = event_store::client::streams;
using streams::ReadReq;
using streams::ReadResp;

void fill_start(const ReadQuery& query, ReadReq::Options::StreamOptions& options) {
  options.mutable_stream_identifier()->set_stream_name(*query.stream);
  if (std::holds_alternative<FromStart>(query.from)) {
    options.mutable_start();
  } else if (std::holds_alternative<FromEnd>(query.from)) {
    options.mutable_end();
  } else {
    options.set_revision(std::get<std::uint64_t>(query.from));
  }
}

void fill_start(const ReadQuery& query, ReadReq::Options::AllOptions& options) {
  if (std::holds_alternative<FromStart>(query.from)) {
    options.mutable_start();
  } else if (std::holds_alternative<FromEnd>(query.from)) {
    options.mutable_end();
  } else {
    const auto& position = std::get<Position>(query.from);
    options.mutable_position()->set_commit_position(position.commit);
    options.mutable_position()->set_prepare_position(position.prepare);
  }
}

ReadReq make_request(const ReadQuery& query) {
  ReadReq request;
  auto& options = *request.mutable_options();
  if (query.stream) {
    fill_start(query, *options.mutable_stream());
  } else {
    fill_start(query, *options.mutable_all());
  }
  const bool backwards = query.direction == Direction::backwards;
  options.set_read_direction(backwards ? ReadReq::Options::Backwards : ReadReq::Options::Forwards);
  options.mutable_no_filter();
  options.mutable_uuid_option()->mutable_structured();
  return request;
}

ReadReq make_request(const ReadQuery& query, std::uint64_t count) {
  ReadReq request = make_request(query);
  request.mutable_options()->set_count(count);
  if (query.stream) request.mutable_options()->mutable_control_option()->set_compatibility(1);
  return request;
}

/// Deletes itself when gRPC is done with it.
class FiniteRead final : public grpc::ClientReadReactor<ReadResp> {
 public:
  FiniteRead(ConnectionPtr connection, ReadReq request, std::chrono::milliseconds timeout, Completion<ReadAnswer> done)
      : scope_(std::move(connection)),
        registered_(*scope_.connection->calls, context_),
        request_(std::move(request)),
        done_(std::move(done)) {
    scope_.connection->factory->add_headers(context_, ChannelFactory::Target::preferred);
    set_deadline(context_, timeout);
    streams::Streams::NewStub(scope_.connection->channel)->async()->Read(&context_, &request_, this);
  }

  void start() {
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    take();
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    answer_.status = call_status(status, context_, *scope_.connection);
    done_(std::move(answer_));
    delete this;
  }

 private:
  void take() {
    switch (response_.content_case()) {
      case ReadResp::kEvent:
        if (response_.event().has_event()) answer_.events.push_back(read_event(*response_.mutable_event()));
        break;
      case ReadResp::kStreamNotFound: answer_.stream_not_found = true; break;
      case ReadResp::kFirstStreamPosition: answer_.first_revision = response_.first_stream_position(); break;
      case ReadResp::kLastStreamPosition: answer_.last_revision = response_.last_stream_position(); break;
      default: break;
    }
  }

  CallScope scope_;
  grpc::ClientContext context_;
  CallRegistry::Entry registered_;
  ReadReq request_;
  ReadResp response_;
  ReadAnswer answer_;
  Completion<ReadAnswer> done_;
};

/// A hold keeps the call open while no read is outstanding; it goes when a read fails or a paused call is cancelled.
class SubscribeReactor final : public SubscribeCall, public grpc::ClientReadReactor<ReadResp> {
 public:
  SubscribeReactor(ConnectionPtr connection, const ReadQuery& query, std::shared_ptr<Owner> owner)
      : scope_(std::move(connection)),
        registered_(*scope_.connection->calls, context_),
        request_(make_request(query)),
        owner_(std::move(owner)) {
    request_.mutable_options()->mutable_subscription();
    scope_.connection->factory->add_headers(context_, ChannelFactory::Target::preferred);
    streams::Streams::NewStub(scope_.connection->channel)->async()->Read(&context_, &request_, this);
  }

  void start() override {
    AddHold();
    StartRead(&response_);
    StartCall();
  }

  void resume() override { StartRead(&response_); }

  void cancel(bool paused) override {
    context_.TryCancel();
    if (paused) RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      RemoveHold();
    } else if (hand_over()) {
      StartRead(&response_);
    }
  }

  void OnDone(const grpc::Status& status) override {
    owner_->on_end(call_status(status, context_, *scope_.connection));
    delete this;
  }

 private:
  bool hand_over() {
    switch (response_.content_case()) {
      case ReadResp::kEvent:
        if (!response_.event().has_event()) return owner_->on_notice(Notice::other, {});
        return owner_->on_notice(Notice::event, read_event(*response_.mutable_event()));
      case ReadResp::kCaughtUp: return owner_->on_notice(Notice::caught_up, {});
      case ReadResp::kFellBehind: return owner_->on_notice(Notice::fell_behind, {});
      default: return owner_->on_notice(Notice::other, {});
    }
  }

  CallScope scope_;
  grpc::ClientContext context_;
  CallRegistry::Entry registered_;
  ReadReq request_;
  ReadResp response_;
  std::shared_ptr<Owner> owner_;
};

}  // namespace

Awaitable<ReadAnswer> read_call(ConnectionPtr connection, ReadQuery query, std::uint64_t count,
                                std::chrono::milliseconds timeout) {
  auto start = [&](Completion<ReadAnswer> done) {
    (new FiniteRead(connection, make_request(query, count), timeout, std::move(done)))->start();
  };
  co_return co_await await_completion<ReadAnswer>(start);
}

SubscribeCall* SubscribeCall::make(ConnectionPtr connection, const ReadQuery& query, std::shared_ptr<Owner> owner) {
  return new SubscribeReactor(std::move(connection), query, std::move(owner));
}

}  // namespace twinstream::eventstore
