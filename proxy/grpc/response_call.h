#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "proxy/core/await.h"
#include "proxy/grpc/methods.h"

namespace twinstream::door {

/// The answering side of a call with one request and many answers, as its work sees it. One coroutine, one call at a
/// time.
template <class Response>
class Responses {
 public:
  virtual ~Responses() = default;
  /// Done when gRPC has taken it. False when nobody reads any more.
  virtual Awaitable<bool> send(Response response) = 0;
  /// False, and at once, when the caller has gone or the server shuts down.
  virtual Awaitable<bool> pause(std::chrono::milliseconds time) = 0;
};

template <class Request, class Response>
using WorkWithResponses =
    std::function<Awaitable<CallStatus>(Door&, const Caller&, Request, Responses<Response>&)>;

template <class Request, class Response>
class ResponseCall final : public grpc::ServerBidiReactor<Request, Response>, public Responses<Response> {
 public:
  using Work = WorkWithResponses<Request, Response>;

  static ResponseCall* start(Door& door, grpc::CallbackServerContext* context, const Work& work) {
    auto call = std::make_shared<ResponseCall>(door, context, work);
    call->self_ = call;
    call->registered_ = door.calls.add([weak = std::weak_ptr(call)] {
      if (auto alive = weak.lock()) alive->stop();
    });
    call->StartRead(&call->request_);
    return call.get();
  }

  ResponseCall(Door& door, grpc::CallbackServerContext* context, const Work& work)
      : door_(door), context_(context), work_(work) {}

  /// After the first request only the end of the requests is waited for: see MethodTable.
  void OnReadDone(bool ok) override {
    if (!ok) return end_of_requests();
    if (!std::exchange(started_, true)) {
      door_.tasks.spawn(door_.executor, work_off(self_, std::move(request_)));
    }
    this->StartRead(&request_);
  }

  void OnWriteDone(bool ok) override { resume(written_, ok); }
  void OnCancel() override { stop(); }

  void OnDone() override {
    door_.calls.remove(registered_);
    const auto last = std::move(self_);
  }

  Awaitable<bool> send(Response response) override {
    response_ = std::move(response);
    auto start = [this](Completion<bool> done) {
      std::unique_lock lock(mutex_);
      written_.emplace(std::move(done));
      lock.unlock();
      this->StartWrite(&response_);
    };
    co_return co_await await_completion<bool>(start);
  }

  Awaitable<bool> pause(std::chrono::milliseconds time) override {
    boost::asio::steady_timer timer(door_.executor, time);
    auto start = [&](Completion<bool> done) {
      std::unique_lock lock(mutex_);
      if (stopped_) {
        lock.unlock();
        return done(false);
      }
      pausing_.emplace(std::move(done));
      // Set up under the lock: once it is free, the coroutine and with it the timer may be gone at any moment.
      timer.async_wait([self = self_, round = ++round_](auto error) {
        if (!error) self->time_up(round);
      });
    };
    co_return co_await await_completion<bool>(start);
  }

 private:
  static Awaitable<void> work_off(std::shared_ptr<ResponseCall> call, Request request) {
    const Caller caller = caller_of(call->door_, *call->context_);
    CallStatus status = co_await call->work_(call->door_, caller, std::move(request), *call);
    if (status.code == StatusCode::cancelled && call->door_.calls.stopping()) status = shutting_down();
    co_await call->all_requests();
    call->Finish(finish_with(status, call->context_));
  }

  Awaitable<void> all_requests() {
    auto start = [this](Completion<bool> done) {
      std::unique_lock lock(mutex_);
      if (!half_closed_) {
        half_close_.emplace(std::move(done));
        return;
      }
      lock.unlock();
      done(true);
    };
    co_await await_completion<bool>(start);
  }

  void end_of_requests() {
    if (!started_) return this->Finish({grpc::StatusCode::UNKNOWN, "the request is missing"});
    std::unique_lock lock(mutex_);
    half_closed_ = true;
    lock.unlock();
    resume(half_close_, true);
  }

  void stop() {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    lock.unlock();
    resume(pausing_, false);
  }

  void time_up(std::uint64_t round) {
    std::unique_lock lock(mutex_);
    const bool current = round == round_;
    lock.unlock();
    if (current) resume(pausing_, true);
  }

  void resume(std::optional<Completion<bool>>& waiting, bool value) {
    std::unique_lock lock(mutex_);
    auto done = std::exchange(waiting, std::nullopt);
    lock.unlock();
    if (done) (*done)(value);
  }

  Door& door_;
  grpc::CallbackServerContext* context_;
  const Work& work_;
  std::shared_ptr<ResponseCall> self_;
  CallRegistry::Key registered_ = 0;
  Request request_;
  Response response_;
  bool started_ = false;  ///< touched by the reading reactions only
  std::mutex mutex_;
  bool half_closed_ = false;
  bool stopped_ = false;
  std::uint64_t round_ = 0;
  std::optional<Completion<bool>> written_;
  std::optional<Completion<bool>> pausing_;
  std::optional<Completion<bool>> half_close_;
};

template <class Request, class Response, class Work>
void MethodTable::add_responses(const char* path, Work work) {
  add(path, grpc::internal::RpcMethod::BIDI_STREAMING,
      new grpc::internal::CallbackBidiHandler<Request, Response>(
          [this, work = WorkWithResponses<Request, Response>(std::move(work))](auto* context) {
            return ResponseCall<Request, Response>::start(door_, context, work);
          }));
}

}  // namespace twinstream::door
