#include "adapters/eventstore/batch_call.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <random>

#include "adapters/eventstore/wire.h"
#include "proxy/protocol/streams.grpc.pb.h"

namespace twinstream::eventstore {
namespace {

namespace streams = event_store::client::streams;
using streams::BatchAppendReq;
using streams::BatchAppendResp;

void fill_expectation(const ExpectedRevision& expected, BatchAppendReq::Options& options) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: options.mutable_any(); break;
    case ExpectedRevision::Kind::no_stream: options.mutable_no_stream(); break;
    case ExpectedRevision::Kind::stream_exists: options.mutable_stream_exists(); break;
    case ExpectedRevision::Kind::exact: options.set_stream_position(expected.revision); break;
  }
}

void fill_deadline(std::chrono::milliseconds time_left, bool as_duration, BatchAppendReq::Options& options) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  const auto fill = [](nanoseconds time, auto& target) {
    const auto whole = std::chrono::floor<seconds>(time);
    target.set_seconds(whole.count());
    target.set_nanos(static_cast<std::int32_t>((time - whole).count()));
  };
  if (as_duration) {
    fill(time_left, *options.mutable_deadline());
  } else {
    fill(std::chrono::system_clock::now().time_since_epoch() + time_left, *options.mutable_deadline_21_10_0());
  }
}

/// Distinguishes the correlation ids of this call from any other's; the rest of an id is a counter.
std::int64_t random_prefix() {
  std::random_device device;
  return static_cast<std::int64_t>(std::uint64_t{device()} << 32 | device());
}

/// A hold keeps the call open for writes from outside; it goes when both directions have come to their end.
class BatchReactor final : public BatchCall, public grpc::ClientBidiReactor<BatchAppendReq, BatchAppendResp> {
 public:
  BatchReactor(ConnectionPtr connection, Owner& owner)
      : scope_(std::move(connection)), registered_(*scope_.connection->calls, context_), owner_(owner) {
    scope_.connection->factory->add_headers(context_, ChannelFactory::Target::preferred);
    streams::Streams::NewStub(scope_.connection->channel)->async()->BatchAppend(&context_, this);
  }

  void start() override {
    AddHold();
    StartRead(&response_);
    StartCall();
  }

  /// With the hint gRPC keeps a message for the next one and reports it written; beyond 64 KiB it sends. It would keep
  /// the report back too, until other traffic, if the headers went with the message, as on a server: here StartCall sends
  /// them on their own. So the next chunk, which the owner has chosen already, always follows.
  void write(const BatchChunk& chunk) override {
    fill(chunk);
    grpc::WriteOptions options;
    if (chunk.more_follows) options.set_buffer_hint();
    StartWrite(&request_, options);
  }

  void cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      if (owner_.on_answers_end()) RemoveHold();
      return;
    }
    const auto id = read_uuid(response_.correlation_id());
    if (ours(id)) owner_.on_answer(counter_of(id), read_answer(response_));
    StartRead(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (owner_.on_written(ok)) RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    owner_.on_end(call_status(status, context_, *scope_.connection));
    delete this;
  }

 private:
  void fill(const BatchChunk& chunk) {
    request_.Clear();
    auto& id = *request_.mutable_correlation_id()->mutable_structured();
    id.set_most_significant_bits(prefix_);
    id.set_least_significant_bits(static_cast<std::int64_t>(chunk.correlation));
    if (chunk.first_event == 0) {
      auto& options = *request_.mutable_options();
      options.mutable_stream_identifier()->set_stream_name(chunk.request.stream);
      fill_expectation(chunk.request.expected, options);
      fill_deadline(chunk.time_left, scope_.connection->features.batch_deadline_duration, options);
    }
    for (std::size_t i = 0; i < chunk.event_count; ++i) {
      write_event(chunk.request.events[chunk.first_event + i], *request_.add_proposed_messages());
    }
    request_.set_is_final(chunk.final);
  }

  static std::uint64_t half_of(const EventId& id, std::size_t from) {
    std::uint64_t value = 0;
    for (std::size_t i = from; i < from + 8; ++i) value = value << 8 | id.bytes[i];
    return value;
  }
  bool ours(const EventId& id) const { return half_of(id, 0) == static_cast<std::uint64_t>(prefix_); }
  static std::uint64_t counter_of(const EventId& id) { return half_of(id, 8); }

  CallScope scope_;
  grpc::ClientContext context_;
  CallRegistry::Entry registered_;
  Owner& owner_;
  const std::int64_t prefix_ = random_prefix();
  BatchAppendReq request_;
  BatchAppendResp response_;
};

}  // namespace

BatchCall* BatchCall::make(ConnectionPtr connection, Owner& owner) {
  return new BatchReactor(std::move(connection), owner);
}

}  // namespace twinstream::eventstore
