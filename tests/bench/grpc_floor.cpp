#include "tests/bench/grpc_floor.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <set>

#include "proxy/protocol/streams.grpc.pb.h"

namespace twinstream::bench {
namespace {

namespace streams = event_store::client::streams;
using grpc::CallbackServerContext;

class FloorRead;

/// What all calls share.
struct Counter {
  std::atomic<std::uint64_t> events{0};
  std::mutex mutex;
  std::set<FloorRead*> subscribers;
  streams::ReadResp event;

  void count(std::uint64_t appended);
};

class FloorAppend final : public grpc::ServerReadReactor<streams::AppendReq> {
 public:
  FloorAppend(Counter& counter, streams::AppendResp* response) : counter_(counter), response_(response) {
    StartRead(&message_);
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      events_ += message_.has_proposed_message();
      return StartRead(&message_);
    }
    counter_.count(events_);
    const std::uint64_t last = counter_.events;
    response_->mutable_success()->set_current_revision(last);
    response_->mutable_success()->mutable_position()->set_commit_position(last);
    response_->mutable_success()->mutable_position()->set_prepare_position(last);
    Finish(grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  Counter& counter_;
  streams::AppendResp* response_;
  streams::AppendReq message_;
  std::uint64_t events_ = 0;
};

class FloorBatchAppend final : public grpc::ServerBidiReactor<streams::BatchAppendReq, streams::BatchAppendResp> {
 public:
  explicit FloorBatchAppend(Counter& counter) : counter_(counter) { StartRead(&chunk_); }

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mutex_);
    if (!ok) {
      reads_ended_ = true;
      return finish_if_done(lock);
    }
    counter_.count(static_cast<std::uint64_t>(chunk_.proposed_messages_size()));
    if (chunk_.is_final()) {
      answers_.push_back(answer());
      if (answers_.size() == 1) StartWrite(&answers_.front());
    }
    lock.unlock();
    StartRead(&chunk_);
  }
  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    answers_.pop_front();
    if (!ok) answers_.clear();
    if (!answers_.empty()) return StartWrite(&answers_.front());
    finish_if_done(lock);
  }
  void OnDone() override { delete this; }

 private:
  streams::BatchAppendResp answer() {
    streams::BatchAppendResp response;
    *response.mutable_correlation_id() = chunk_.correlation_id();
    *response.mutable_stream_identifier() = chunk_.options().stream_identifier();
    response.mutable_success()->set_current_revision(counter_.events);
    response.mutable_success()->mutable_position()->set_commit_position(counter_.events);
    response.mutable_success()->mutable_position()->set_prepare_position(counter_.events);
    return response;
  }
  void finish_if_done(std::unique_lock<std::mutex>& lock) {
    if (!reads_ended_ || !answers_.empty()) return;
    lock.unlock();
    Finish(grpc::Status::OK);
  }

  Counter& counter_;
  streams::BatchAppendReq chunk_;
  std::mutex mutex_;
  std::deque<streams::BatchAppendResp> answers_;  ///< the first one is being written
  bool reads_ended_ = false;
};

/// Writes the prepared event as often as it is owed.
class FloorRead final : public grpc::ServerWriteReactor<streams::ReadResp> {
 public:
  FloorRead(Counter& counter, const streams::ReadReq& request)
      : counter_(counter), subscription_(request.options().has_subscription()), owed_(request.options().count()) {
    if (!subscription_) {
      go_on();
      return;
    }
    confirmation_.mutable_confirmation()->set_subscription_id("floor");
    writing_ = true;
    StartWrite(&confirmation_);
    const std::scoped_lock lock(counter_.mutex);
    counter_.subscribers.insert(this);
  }
  void owe(std::uint64_t more) {
    std::unique_lock lock(mutex_);
    owed_ += more;
    if (std::exchange(writing_, true)) return;
    --owed_;
    lock.unlock();
    StartWrite(&counter_.event);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return end();
    go_on();
  }
  void OnCancel() override {
    if (subscription_) end();
  }
  void OnDone() override { delete this; }

 private:
  void go_on() {
    std::unique_lock lock(mutex_);
    writing_ = owed_ > 0;
    if (owed_ > 0) {
      --owed_;
      lock.unlock();
      return StartWrite(&counter_.event);
    }
    lock.unlock();
    if (!subscription_) end();
  }
  void end() {
    {
      const std::scoped_lock lock(counter_.mutex);
      counter_.subscribers.erase(this);
    }
    if (!ended_.exchange(true)) Finish(grpc::Status::OK);
  }

  Counter& counter_;
  const bool subscription_;
  streams::ReadResp confirmation_;
  std::mutex mutex_;
  std::uint64_t owed_;
  bool writing_ = false;
  std::atomic<bool> ended_ = false;
};

void Counter::count(std::uint64_t appended) {
  events += appended;
  const std::scoped_lock lock(mutex);
  for (FloorRead* subscriber : subscribers) subscriber->owe(appended);
}

class FloorService final : public streams::Streams::CallbackService {
 public:
  explicit FloorService(std::size_t event_bytes) {
    auto& event = *counter_.event.mutable_event();
    auto& recorded = *event.mutable_event();
    event.set_commit_position(1'000'000);
    recorded.mutable_id()->set_string("8f5ff3bd-25a1-4f0e-a5dc-a0f4ac6a1f55");
    recorded.mutable_stream_identifier()->set_stream_name("bench-123456");
    recorded.set_stream_revision(1'000);
    recorded.set_commit_position(1'000'000);
    recorded.set_prepare_position(1'000'000);
    (*recorded.mutable_metadata())["type"] = "Measured";
    (*recorded.mutable_metadata())["created"] = "17000000000000000";
    (*recorded.mutable_metadata())["content-type"] = "application/json";
    recorded.set_data(std::string(event_bytes, 'x'));
  }

  grpc::ServerReadReactor<streams::AppendReq>* Append(CallbackServerContext*, streams::AppendResp* response) override {
    return new FloorAppend(counter_, response);
  }
  grpc::ServerBidiReactor<streams::BatchAppendReq, streams::BatchAppendResp>* BatchAppend(
      CallbackServerContext*) override {
    return new FloorBatchAppend(counter_);
  }
  grpc::ServerWriteReactor<streams::ReadResp>* Read(CallbackServerContext*, const streams::ReadReq* request) override {
    return new FloorRead(counter_, *request);
  }

 private:
  Counter counter_;
};

class Server final : public FloorServer {
 public:
  explicit Server(std::size_t event_bytes) : service_(event_bytes) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(16 * 1024 * 1024);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  std::uint16_t port() const override { return static_cast<std::uint16_t>(port_); }

 private:
  int port_ = 0;
  FloorService service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

std::unique_ptr<FloorServer> FloorServer::start(std::size_t event_bytes) {
  return std::make_unique<Server>(event_bytes);
}

}  // namespace twinstream::bench
