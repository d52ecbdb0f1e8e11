#include <grpcpp/grpcpp.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <iterator>
#include <mutex>

#include "proxy/grpc/batch_assembly.h"
#include "proxy/grpc/calls.h"

namespace twinstream::door {
namespace {

/// With this much under way the next chunk is not read: the sender is held back by flow control.
constexpr std::size_t max_under_way = 2'000;
constexpr std::size_t max_bytes_under_way = 64 * 1024 * 1024;

/// Chunks are read one by one, appends run side by side, answers are written in the order in which they come. Where the
/// log commits many appends as cheaply as one, those that arrive during a commit make up the next.
class BatchAppendCall final : public grpc::ServerBidiReactor<streams::BatchAppendReq, streams::BatchAppendResp> {
 public:
  static BatchAppendCall* start(Door& door, grpc::CallbackServerContext* context) {
    auto call = std::make_shared<BatchAppendCall>(door, context);
    call->self_ = call;
    call->weak_ = call;
    // By a weak reference: the registry must not keep a call that gRPC has dropped.
    call->registered_ = door.calls.add([weak = call->weak_] {
      if (auto alive = weak.lock()) alive->stop();
    });
    call->StartSendInitialMetadata();
    call->StartRead(&call->chunk_);
    return call.get();
  }

  BatchAppendCall(Door& door, grpc::CallbackServerContext* context)
      : door_(door), context_(context), caller_(caller_of(door, *context)), assembly_(door.log) {}

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mutex_);
    reading_ = false;
    if (!ok) reads_ended_ = true;
    if (reads_ended_) return finish_if_done(lock);
    const std::size_t size = chunk_.ByteSizeLong();
    auto outcome = assembly_.take(chunk_);
    lock.unlock();
    act(std::move(outcome), size);
    read_on();
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    answers_.pop_front();
    if (!ok) {
      broken_ = true;
      answers_.clear();
    }
    if (!answers_.empty()) {
      write_next(lock);
    } else {
      lock.unlock();
    }
    read_on();
  }

  void OnCancel() override {
    std::unique_lock lock(mutex_);
    broken_ = true;
    reads_ended_ = true;
    finish_if_done(lock);
  }

  void OnDone() override {
    door_.calls.remove(registered_);
    const auto last = std::move(self_);
  }

 private:
  void act(BatchAssembly::Outcome outcome, std::size_t size) {
    if (auto* complete = std::get_if<BatchAssembly::Complete>(&outcome)) {
      std::unique_lock lock(mutex_);
      ++under_way_;
      bytes_under_way_ += size;
      waiting_.push_back({std::move(*complete), size});
      if (grouping_) return;
      grouping_ = in_groups_;
      lock.unlock();
      door_.tasks.spawn(door_.executor, append_waiting(self()));
    } else if (auto* begun = std::get_if<BatchAssembly::Begun>(&outcome)) {
      // Not a task that a shutdown waits for: it holds nothing.
      boost::asio::co_spawn(door_.executor, time_out(weak_, door_.executor, *begun), boost::asio::detached);
    } else if (auto* answer = std::get_if<BatchAnswer>(&outcome)) {
      std::unique_lock lock(mutex_);
      push_answer(lock, std::move(*answer));
    } else if (auto* status = std::get_if<CallStatus>(&outcome)) {
      std::unique_lock lock(mutex_);
      end_reading(*status, lock);
    }
  }

  struct Waiting {
    BatchAssembly::Complete append;
    std::size_t size;
  };
  using Group = std::vector<Waiting>;

  static Awaitable<void> append_waiting(std::shared_ptr<BatchAppendCall> call) {
    for (Group group = call->take_waiting(); !group.empty(); group = call->take_waiting()) {
      const auto elsewhere = check(call->door_.node, call->caller_, Intent::write);
      std::vector<BatchAnswer> answers;
      if (elsewhere.ok()) {
        answers = co_await append_group(*call, group);
      } else {
        for (const Waiting& each : group) {
          answers.push_back(busy_answer(each.append.address, elsewhere.message));
        }
      }
      std::unique_lock lock(call->mutex_);
      for (const Waiting& done : group) call->bytes_under_way_ -= done.size;
      call->under_way_ -= group.size();
      if (elsewhere.code == StatusCode::not_found) {
        call->end_reading(elsewhere, lock);  // the leader is known: none of them is answered
      } else {
        call->push_answers(lock, std::move(answers));
      }
    }
  }

  Group take_waiting() {
    std::scoped_lock lock(mutex_);
    Group group;
    while (!waiting_.empty() && (in_groups_ || group.empty())) {
      group.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    if (group.empty()) grouping_ = false;
    return group;
  }

  /// One answer for each, in another order where some were refused.
  static Awaitable<std::vector<BatchAnswer>> append_group(BatchAppendCall& call, Group& group) {
    EventLog& log = call.door_.log;
    std::vector<AppendRequest> requests;
    std::vector<BatchAddress> addresses;
    std::vector<BatchAnswer> answers;
    const Caller caller = caller_now(call.door_.users, call.caller_);
    for (Waiting& each : group) {
      const auto refusal = co_await check(log, caller, StreamRight::write, each.append.request.stream);
      if (!refusal.ok()) {
        const bool denied = refusal.code == StatusCode::permission_denied;
        answers.push_back(denied ? denied_answer(each.append.address)
                                 : busy_answer(each.append.address, refusal.message));
        continue;
      }
      requests.push_back(std::move(each.append.request));
      addresses.push_back(std::move(each.append.address));
    }
    std::vector<ExpectedRevision> expected;
    std::vector<bool> too_large;
    for (const AppendRequest& request : requests) {
      expected.push_back(request.expected);
      too_large.push_back(is_too_large(request, log));
    }
    const auto results = co_await log.append_many(std::move(requests));
    for (std::size_t i = 0; i < results.size(); ++i) {
      const BatchAddress& address = addresses[i];
      if (results[i].ok()) {
        answers.push_back(appended_answer(address, *results[i]));
      } else if (results[i].failed_with(FailureCode::rejected) && too_large[i]) {
        answers.push_back(too_large_answer(address, log.traits().max_append_bytes));
      } else {
        answers.push_back(failed_answer(address, expected[i], results[i].failure()));
      }
    }
    co_return answers;
  }

  static Awaitable<void> time_out(std::weak_ptr<BatchAppendCall> weak, boost::asio::any_io_executor executor,
                                  BatchAssembly::Begun begun) {
    boost::asio::steady_timer timer(executor, begun.allowed);
    co_await timer.async_wait(boost::asio::use_awaitable);
    const auto call = weak.lock();
    if (!call) co_return;
    std::unique_lock lock(call->mutex_);
    auto answer = call->assembly_.timed_out(begun.key);
    if (answer) call->push_answer(lock, std::move(*answer));
  }

  void push_answer(std::unique_lock<std::mutex>& lock, BatchAnswer answer) {
    std::vector<BatchAnswer> one;
    one.push_back(std::move(answer));
    push_answers(lock, std::move(one));
  }

  void push_answers(std::unique_lock<std::mutex>& lock, std::vector<BatchAnswer> answers) {
    if (finished_) return;
    if (broken_) return finish_if_done(lock);
    const bool idle = answers_.empty();
    std::move(answers.begin(), answers.end(), std::back_inserter(answers_));
    if (idle) write_next(lock);
  }

  /// Gives up the lock: gRPC may call back from inside. Answers that are followed by another one leave together with it.
  /// The completion of such a write comes at once, because the call's headers went ahead: with headers of its own to send
  /// gRPC would hold it back until other traffic, and a sender whose window is full sends none.
  void write_next(std::unique_lock<std::mutex>& lock) {
    const auto& answer = answers_.front();
    grpc::WriteOptions options;
    if (answers_.size() > 1) options.set_buffer_hint();
    lock.unlock();
    StartWrite(&answer, options);
  }

  void read_on() {
    std::unique_lock lock(mutex_);
    if (reading_ || reads_ended_) return finish_if_done(lock);
    const bool room = under_way_ + answers_.size() < max_under_way && bytes_under_way_ < max_bytes_under_way;
    if (!room) return;
    reading_ = true;
    lock.unlock();
    StartRead(&chunk_);
  }

  void stop() {
    std::unique_lock lock(mutex_);
    end_reading(shutting_down(), lock);
  }

  void end_reading(CallStatus status, std::unique_lock<std::mutex>& lock) {
    reads_ended_ = true;
    status_ = std::move(status);
    finish_if_done(lock);
  }

  void finish_if_done(std::unique_lock<std::mutex>& lock) {
    if (!reads_ended_ || under_way_ > 0 || !answers_.empty() || finished_) return;
    finished_ = true;
    lock.unlock();
    Finish(finish_with(status_, context_));
  }

  std::shared_ptr<BatchAppendCall> self() { return weak_.lock(); }

  Door& door_;
  grpc::CallbackServerContext* context_;
  const Caller caller_;
  std::shared_ptr<BatchAppendCall> self_;
  std::weak_ptr<BatchAppendCall> weak_;
  CallRegistry::Key registered_ = 0;
  streams::BatchAppendReq chunk_;

  std::mutex mutex_;
  BatchAssembly assembly_;
  const bool in_groups_ = door_.log.traits().appends_in_groups;
  std::deque<Waiting> waiting_;
  bool grouping_ = false;  ///< a group is under way, and its coroutine will take what waits
  std::deque<BatchAnswer> answers_;  ///< the first one is being written
  std::size_t under_way_ = 0;
  std::size_t bytes_under_way_ = 0;
  bool reading_ = true;
  bool reads_ended_ = false;
  bool broken_ = false;
  bool finished_ = false;
  CallStatus status_;
};

}  // namespace

grpc::ServerBidiReactor<streams::BatchAppendReq, streams::BatchAppendResp>* start_batch_append(
    Door& door, grpc::CallbackServerContext* context) {
  return BatchAppendCall::start(door, context);
}

}  // namespace twinstream::door
