#include "tests/bench/grpc_load.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "proxy/core/event.h"
#include "proxy/protocol/streams.grpc.pb.h"

namespace twinstream::bench {
namespace {

namespace streams = event_store::client::streams;
using Clock = std::chrono::steady_clock;

std::unique_ptr<streams::Streams::Stub> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(17 << 20);
  return streams::Streams::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// What the callers of one load share: when to stop, what was done, and the wait for the last of them.
class Progress {
 public:
  Progress(std::uint64_t events, std::chrono::milliseconds time)
      : limit_(events), deadline_(time.count() > 0 ? Clock::now() + time : Clock::time_point::max()) {}

  /// Whether another `events` may be begun.
  bool begin(std::uint64_t events) {
    if (Clock::now() >= deadline_ || errors_ > 0) return false;
    return begun_.fetch_add(events) < limit_ || limit_ == 0;
  }
  void done(std::uint64_t events) { done_ += events; }
  void fail(const std::string& reason) {
    if (errors_++ > 0) return;
    const std::scoped_lock lock(mutex_);
    first_error_ = reason;
  }

  void caller_starts() {
    const std::scoped_lock lock(mutex_);
    ++callers_;
  }
  void caller_ends() {
    const std::scoped_lock lock(mutex_);
    if (--callers_ == 0) idle_.notify_all();
  }
  Measured wait() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return callers_ == 0; });
    return {done_, since(start_), errors_, first_error_};
  }

 private:
  const std::uint64_t limit_;
  const Clock::time_point start_ = Clock::now();
  const Clock::time_point deadline_;
  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::mutex mutex_;
  std::condition_variable idle_;
  unsigned callers_ = 0;
  std::string first_error_;
};

/// Random ids and stream names, cheap enough not to count.
class Source {
 public:
  Source(const AppendLoad& load, std::uint64_t seed)
      : streams_(load.streams), data_(load.event_bytes, 'x'), random_(seed) {}

  std::string stream() { return "bench-" + std::to_string(random_() % streams_); }
  template <class Proposed>
  void fill(Proposed& proposed) {
    auto& id = *proposed.mutable_id()->mutable_structured();
    id.set_most_significant_bits(static_cast<std::int64_t>(random_()));
    id.set_least_significant_bits(static_cast<std::int64_t>(random_()));
    (*proposed.mutable_metadata())["type"] = "Measured";
    (*proposed.mutable_metadata())["content-type"] = "application/json";
    proposed.set_data(data_);
  }

 private:
  std::uint64_t streams_;
  std::string data_;
  std::mt19937_64 random_;
};

std::uint64_t fresh_seed() { return std::random_device()() * 4294967296ull + std::random_device()(); }

/// One caller: the next call begins when the one before has ended.
class SingleAppend final : public grpc::ClientWriteReactor<streams::AppendReq> {
 public:
  /// Deletes itself after its last call.
  static void run(streams::Streams::Stub& stub, Progress& progress, const AppendLoad& load) {
    progress.caller_starts();
    (new Caller{stub, progress, Source(load, fresh_seed())})->next();
  }

  void OnWriteDone(bool ok) override {
    if (!ok || sent_event_) return;
    sent_event_ = true;
    StartWriteLast(&event_, grpc::WriteOptions());
  }
  void OnDone(const grpc::Status& status) override {
    Caller& caller = caller_;
    if (!status.ok() || !response_.has_success()) {
      caller.progress.fail(status.ok() ? response_.ShortDebugString() : status.error_message());
    } else {
      caller.progress.done(1);
    }
    delete this;
    caller.next();
  }

 private:
  struct Caller {
    streams::Streams::Stub& stub;
    Progress& progress;
    Source source;

    void next() {
      if (progress.begin(1)) return new SingleAppend(*this), void();
      progress.caller_ends();
      delete this;
    }
  };

  explicit SingleAppend(Caller& caller) : caller_(caller) {
    auto& options = *opening_.mutable_options();
    options.mutable_stream_identifier()->set_stream_name(caller.source.stream());
    options.mutable_any();
    caller.source.fill(*event_.mutable_proposed_message());
    context_.set_initial_metadata_corked(true);
    caller.stub.async()->Append(&context_, &response_, this);
    StartWrite(&opening_, grpc::WriteOptions().set_buffer_hint());
    StartCall();
  }

  Caller& caller_;
  grpc::ClientContext context_;
  streams::AppendReq opening_;
  streams::AppendReq event_;
  streams::AppendResp response_;
  bool sent_event_ = false;
};

/// Keeps so many appends under way in one call.
class BatchAppends final : public grpc::ClientBidiReactor<streams::BatchAppendReq, streams::BatchAppendResp> {
 public:
  BatchAppends(streams::Streams::Stub& stub, Progress& progress, const AppendLoad& load, std::string stream = "")
      : progress_(progress), load_(load), source_(load, fresh_seed()), stream_(std::move(stream)) {
    progress_.caller_starts();
    stub.async()->BatchAppend(&context_, this);
    StartRead(&answer_);
    prepare();
    std::unique_lock lock(mutex_);
    write_on(lock);
    StartCall();
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (!ok) ended_ = true;
    write_on(lock);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (answer_.has_success()) {
      progress_.done(load_.events_per_append);
    } else {
      progress_.fail(answer_.ShortDebugString());
    }
    StartRead(&answer_);
    std::unique_lock lock(mutex_);
    --under_way_;
    write_on(lock);
  }
  void OnDone(const grpc::Status& status) override {
    if (!status.ok()) progress_.fail(status.error_message());
    progress_.caller_ends();
  }

 private:
  /// Events once for all appends: only ids and streams change.
  void prepare() {
    chunk_.mutable_options()->mutable_any();
    chunk_.set_is_final(true);
    for (std::uint64_t i = 0; i < load_.events_per_append; ++i) source_.fill(*chunk_.add_proposed_messages());
  }

  void write_on(std::unique_lock<std::mutex>& lock) {
    if (writing_ || ended_ || under_way_ >= load_.concurrency) return;
    if (!progress_.begin(load_.events_per_append)) {
      ended_ = true;
      lock.unlock();
      return StartWritesDone();
    }
    writing_ = true;
    ++under_way_;
    const std::string stream = stream_.empty() ? source_.stream() : stream_;
    chunk_.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
    chunk_.mutable_correlation_id()->mutable_structured()->set_least_significant_bits(++correlation_);
    for (auto& proposed : *chunk_.mutable_proposed_messages()) {
      proposed.mutable_id()->mutable_structured()->set_least_significant_bits(static_cast<std::int64_t>(ids_()));
      proposed.mutable_id()->mutable_structured()->set_most_significant_bits(static_cast<std::int64_t>(ids_()));
    }
    lock.unlock();
    StartWrite(&chunk_);
  }

  Progress& progress_;
  const AppendLoad load_;
  Source source_;
  const std::string stream_;
  std::mt19937_64 ids_{fresh_seed()};
  grpc::ClientContext context_;
  streams::BatchAppendReq chunk_;
  streams::BatchAppendResp answer_;
  std::mutex mutex_;
  std::int64_t correlation_ = 0;
  unsigned under_way_ = 0;
  bool writing_ = false;
  bool ended_ = false;
};

streams::ReadReq read_request(std::uint64_t count) {
  streams::ReadReq request;
  request.mutable_options()->set_count(count);
  request.mutable_options()->mutable_no_filter();
  request.mutable_options()->mutable_uuid_option()->mutable_string();
  return request;
}

class Reader final : public grpc::ClientReadReactor<streams::ReadResp> {
 public:
  static void run(streams::Streams::Stub& stub, Progress& progress, const ReadLoad& load) {
    progress.caller_starts();
    (new Caller{stub, progress, load, std::mt19937_64(fresh_seed())})->next();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    found_ += response_.has_event();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    Caller& caller = caller_;
    if (!status.ok()) caller.progress.fail(status.error_message());
    caller.progress.done(found_);
    delete this;
    caller.next();
  }

 private:
  struct Caller {
    streams::Streams::Stub& stub;
    Progress& progress;
    ReadLoad load;
    std::mt19937_64 random;

    void next() {
      if (progress.begin(1)) return new Reader(*this), void();
      progress.caller_ends();
      delete this;
    }
  };

  explicit Reader(Caller& caller) : caller_(caller), request_(read_request(caller.load.count)) {
    auto& options = *request_.mutable_options();
    if (caller.load.all) {
      options.mutable_all()->mutable_start();
    } else {
      const std::string stream = "bench-" + std::to_string(caller.random() % caller.load.streams);
      options.mutable_stream()->mutable_stream_identifier()->set_stream_name(stream);
      options.mutable_stream()->mutable_start();
    }
    caller.stub.async()->Read(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  Caller& caller_;
  grpc::ClientContext context_;
  streams::ReadReq request_;
  streams::ReadResp response_;
  std::uint64_t found_ = 0;
};

class Subscriber final : public grpc::ClientReadReactor<streams::ReadResp> {
 public:
  Subscriber(streams::Streams::Stub& stub, Progress& confirmed, Progress& complete, const FanOutLoad& load)
      : confirmed_(confirmed), complete_(complete), expected_(load.events), request_(read_request(0)) {
    confirmed_.caller_starts();
    complete_.caller_starts();
    auto& options = *request_.mutable_options();
    options.mutable_subscription();
    options.mutable_stream()->mutable_stream_identifier()->set_stream_name(load.stream);
    options.mutable_stream()->mutable_start();
    stub.async()->Read(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  ~Subscriber() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    gone_.wait(lock, [this] { return ended_; });
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.has_confirmation() && !std::exchange(is_confirmed_, true)) confirmed_.caller_ends();
    if (response_.has_event()) {
      complete_.done(1);
      if (++found_ == expected_) complete_.caller_ends();
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    if (!is_confirmed_) confirmed_.caller_ends();
    if (found_ < expected_) {
      complete_.fail(status.error_message());
      complete_.caller_ends();
    }
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    gone_.notify_all();
  }

 private:
  Progress& confirmed_;
  Progress& complete_;
  const std::uint64_t expected_;
  grpc::ClientContext context_;
  streams::ReadReq request_;
  streams::ReadResp response_;
  std::uint64_t found_ = 0;
  bool is_confirmed_ = false;
  std::mutex mutex_;
  std::condition_variable gone_;
  bool ended_ = false;
};

}  // namespace

Measured append_singly(const AppendLoad& load) {
  const auto stub = connect(load.address);
  Progress progress(load.events, load.time);
  for (unsigned i = 0; i < load.concurrency; ++i) SingleAppend::run(*stub, progress, load);
  return progress.wait();
}

Measured append_in_batches(const AppendLoad& load) {
  const auto stub = connect(load.address);
  Progress progress(load.events, load.time);
  BatchAppends call(*stub, progress, load);
  return progress.wait();
}

Measured read_events(const ReadLoad& load) {
  const auto stub = connect(load.address);
  Progress progress(0, load.time);
  for (unsigned i = 0; i < load.concurrency; ++i) Reader::run(*stub, progress, load);
  return progress.wait();
}

Measured fan_out(const FanOutLoad& load) {
  std::vector<std::unique_ptr<streams::Streams::Stub>> stubs;
  for (int i = 0; i < 4; ++i) stubs.push_back(connect(load.address));
  Progress confirmed(0, {}), complete(0, {}), appended(load.events, {});
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (unsigned i = 0; i < load.subscribers; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(*stubs[i % stubs.size()], confirmed, complete, load));
  }
  confirmed.wait();
  const auto start = Clock::now();
  AppendLoad appends;
  appends.events_per_append = load.events_per_append;
  appends.concurrency = load.concurrency;
  BatchAppends call(*stubs.front(), appended, appends, load.stream);
  const Measured written = appended.wait();
  if (written.errors > 0) return written;
  Measured measured = complete.wait();
  measured.seconds = since(start);
  return measured;
}

}  // namespace twinstream::bench
