#include "adapters/eventstore/batch_call.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <random>

#include "adapters/eventstore/wire.h"
#include "proxy/protocol/completion_thread.h"
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

/// The operations under way keep it alive.
class BatchStream final : public BatchCall, public std::enable_shared_from_this<BatchStream> {
 public:
  BatchStream(ConnectionPtr connection, CompletionThread& thread, Owner& owner)
      : scope_(std::move(connection)), registered_(*scope_.connection->calls, context_), owner_(owner) {
    scope_.connection->factory->add_headers(context_, ChannelFactory::Target::preferred);
    stream_ =
        streams::Streams::NewStub(scope_.connection->channel)->PrepareAsyncBatchAppend(&context_, &thread.queue());
  }

  void start() override { stream_->StartCall(start_.of(shared_from_this())); }

  /// With the hint gRPC keeps a message for the next one and reports it written; beyond 64 KiB it sends. The next chunk,
  /// which the owner has chosen already, always follows.
  void write(const BatchChunk& chunk) override {
    fill(chunk);
    grpc::WriteOptions options;
    if (chunk.more_follows) options.set_buffer_hint();
    stream_->Write(request_, options, write_.of(shared_from_this()));
  }

  void cancel() override { context_.TryCancel(); }

  /// A call that could not be started tells why when it is finished.
  void started(bool ok) {
    stream_->Read(&response_, read_.of(shared_from_this()));
    owner_.on_written(ok);
  }

  void have_read(bool ok) {
    if (!ok) {
      if (owner_.on_answers_end()) finish();
      return;
    }
    const auto id = read_uuid(response_.correlation_id());
    if (ours(id)) owner_.on_answer(counter_of(id), read_answer(response_));
    stream_->Read(&response_, read_.of(shared_from_this()));
  }

  void have_written(bool ok) {
    if (owner_.on_written(ok)) finish();
  }

  void finish() { stream_->Finish(&status_, finish_.of(shared_from_this())); }
  void finished(bool) { owner_.on_end(call_status(status_, context_, *scope_.connection)); }

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
  std::unique_ptr<grpc::ClientAsyncReaderWriter<BatchAppendReq, BatchAppendResp>> stream_;
  BatchAppendReq request_;
  BatchAppendResp response_;
  grpc::Status status_;
  Operation<BatchStream> start_{&BatchStream::started};
  Operation<BatchStream> read_{&BatchStream::have_read};
  Operation<BatchStream> write_{&BatchStream::have_written};
  Operation<BatchStream> finish_{&BatchStream::finished};
};

}  // namespace

std::shared_ptr<BatchCall> BatchCall::make(ConnectionPtr connection, CompletionThread& thread, Owner& owner) {
  return std::make_shared<BatchStream>(std::move(connection), thread, owner);
}

}  // namespace twinstream::eventstore
