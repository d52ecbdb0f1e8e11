#include <grpcpp/grpcpp.h>

#include <deque>
#include <mutex>

#include "proxy/core/await.h"
#include "proxy/grpc/calls.h"
#include "proxy/grpc/reading.h"

namespace twinstream::door {
namespace {

/// A new batch is taken when no more than this many responses wait to be written.
constexpr std::size_t low_water = 32;
constexpr std::size_t everything = 0;

/// One write is under way at a time; what follows it is written from gRPC's own thread without a detour through the
/// coroutine.
class ReadCall final : public grpc::ServerBidiReactor<streams::ReadReq, streams::ReadResp>, public ResponseStream {
 public:
  static ReadCall* start(Door& door, grpc::CallbackServerContext* context) {
    auto call = std::make_shared<ReadCall>(door, context);
    call->self_ = call;
    call->StartRead(&call->request_);
    return call.get();
  }

  ReadCall(Door& door, grpc::CallbackServerContext* context) : door_(door), context_(context) {}

  /// The first request is worked off at once; after it only the end of the requests is waited for.
  void OnReadDone(bool ok) override {
    if (!ok) return end_of_requests();
    if (!std::exchange(started_, true)) {
      door_.tasks.spawn(door_.executor, work_off(self_, ReadPlan::parse(request_)));
    }
    StartRead(&request_);
  }

  /// A node that has lost its lead sends those away who want the leader.
  Awaitable<bool> send(Batch batch) override {
    if (!belongs_here().ok()) co_return false;
    co_await room(low_water);
    std::unique_lock lock(mutex_);
    if (broken_) co_return false;
    const bool idle = waiting_.empty();
    for (auto& response : batch) waiting_.push_back(std::move(response));
    if (waiting_.empty() || !idle) co_return true;
    lock.unlock();
    write_next();
    co_return true;
  }

  void on_stop(std::function<void()> stop) override {
    std::unique_lock lock(mutex_);
    stop_ = stop;
    const bool now = broken_;
    lock.unlock();
    if (now) return stop();
    registered_ = door_.calls.add(std::move(stop));
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    waiting_.pop_front();
    if (!ok) {
      broken_ = true;
      waiting_.clear();
    }
    const bool more = !waiting_.empty();
    auto resume = take_waiter();
    lock.unlock();
    if (more) write_next();
    if (resume) (*resume)(Done{});
  }

  void OnCancel() override {
    std::unique_lock lock(mutex_);
    broken_ = true;
    auto stop = std::exchange(stop_, nullptr);
    auto resume = take_waiter();
    lock.unlock();
    if (stop) stop();
    if (resume) (*resume)(Done{});
  }

  void OnDone() override {
    door_.calls.remove(registered_);
    const auto last = std::move(self_);
  }

 private:
  void end_of_requests() {
    if (!started_) return Finish({grpc::StatusCode::UNKNOWN, "the request is missing"});
    std::unique_lock lock(mutex_);
    half_closed_ = true;
    auto resume = take_waiter();
    lock.unlock();
    if (resume) (*resume)(Done{});
  }

  CallStatus belongs_here() const { return check(door_.node, caller_, Intent::read); }

  static Awaitable<void> work_off(std::shared_ptr<ReadCall> call, Parsed<ReadPlan> plan) {
    CallStatus status;
    if (auto* refused = std::get_if<CallStatus>(&plan)) {
      status = std::move(*refused);
    } else {
      auto& allowed = std::get<ReadPlan>(plan);
      call->caller_ = allowed.caller = caller_of(call->door_, *call->context_);
      allowed.users = call->door_.users;
      status = call->belongs_here();
      if (status.ok()) {
        status = co_await check(call->door_.log, call->caller_, StreamRight::read, allowed.stream.value_or("$all"));
      }
      if (status.ok()) status = co_await read(call->door_.log, std::move(allowed), *call);
      if (status.ok()) status = call->belongs_here();
    }
    if (status.code == StatusCode::cancelled && call->door_.calls.stopping()) status = shutting_down();
    co_await call->room(everything);
    call->Finish(finish_with(status, call->context_));
  }

  /// Until at most `limit` responses wait to be written, or nobody reads any more; for `everything`, until all are
  /// written and the requests have ended.
  Awaitable<void> room(std::size_t limit) {
    auto start = [this, limit](Completion<Done> done) {
      std::unique_lock lock(mutex_);
      limit_ = limit;
      waiter_.emplace(std::move(done));
      auto resume = take_waiter();
      lock.unlock();
      if (resume) (*resume)(Done{});
    };
    co_await await_completion<Done>(start);
  }

  /// The waiting coroutine, if what it waits for has happened.
  std::optional<Completion<Done>> take_waiter() {
    // A write under way uses its response, so even a broken call waits for the write's end.
    const bool happened =
        limit_ == everything ? waiting_.empty() && half_closed_ : waiting_.size() <= limit_ || broken_;
    return happened ? std::exchange(waiter_, std::nullopt) : std::nullopt;
  }

  /// Without a buffer hint: gRPC would hold the response back, and its completion with it, until other traffic.
  void write_next() {
    std::unique_lock lock(mutex_);
    const auto& response = waiting_.front();
    lock.unlock();
    StartWrite(&response);
  }

  Door& door_;
  grpc::CallbackServerContext* context_;
  std::shared_ptr<ReadCall> self_;
  CallRegistry::Key registered_ = 0;
  streams::ReadReq request_;
  bool started_ = false;  ///< touched by the reading reactions only
  Caller caller_;         ///< touched by the coroutine only
  std::mutex mutex_;
  std::deque<streams::ReadResp> waiting_;  ///< the first one is being written
  bool broken_ = false;
  bool half_closed_ = false;
  std::size_t limit_ = 0;
  std::optional<Completion<Done>> waiter_;
  std::function<void()> stop_;
};

}  // namespace

grpc::ServerBidiReactor<streams::ReadReq, streams::ReadResp>* start_read(Door& door,
                                                                         grpc::CallbackServerContext* context) {
  return ReadCall::start(door, context);
}

}  // namespace twinstream::door
