#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <iterator>
#include <mutex>

#include "proxy/grpc/batch_append_service.h"
#include "proxy/grpc/batch_assembly.h"
#include "proxy/protocol/streams.grpc.pb.h"  // brings what a service is made of

namespace twinstream::door {
namespace {

/// With this much under way the next chunk is not read: the sender is held back by flow control.
constexpr std::size_t max_under_way = 2'000;
constexpr std::size_t max_bytes_under_way = 64 * 1024 * 1024;

}  // namespace

/// Chunks are read one by one, appends run side by side, answers are written in the order in which they come. Where the
/// log commits many appends as cheaply as one, those that arrive together or during a commit make up the next.
///
/// Operations end on the completion thread, answers come from the door's executor. Both keep the call alive.
class BatchAppendService::Call final : public std::enable_shared_from_this<Call> {
 public:
  explicit Call(BatchAppendService& service) : service_(service), door_(service.door_), assembly_(door_.log) {
    door_.tasks.begin();
  }
  ~Call() { door_.tasks.end(); }

  void await_client() {
    context_.AsyncNotifyWhenDone(end_.of(shared_from_this()));
    service_.RequestAsyncBidiStreaming(0, &context_, &stream_, service_.queue_, service_.queue_,
                                       accept_.of(shared_from_this()));
  }

  void have_accepted(bool ok) {
    if (!ok) return end_.forget();  // the server shuts down; for a call that did not begin, gRPC tells no end
    std::make_shared<Call>(service_)->await_client();
    caller_ = caller_of(door_, context_);
    stream_.SendInitialMetadata(send_headers_.of(shared_from_this()));
    // By a weak reference: the registry must not keep a call that gRPC has dropped.
    registered_ = door_.calls.add([weak = weak_from_this()] {
      if (auto alive = weak.lock()) alive->stop();
    });
    read_on();
  }

  void have_read(bool ok) {
    std::unique_lock lock(mutex_);
    reading_ = false;
    if (!ok) reads_ended_ = true;
    if (reads_ended_) return finish_if_done(lock);
    const std::size_t size = chunk_.ByteSizeLong();
    act(lock, assembly_.take(chunk_), size);
    if (lock) lock.unlock();
    read_on();
  }

  void have_written(bool ok) {
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

  void nothing_follows(bool) {}

  /// The call is over, properly or because the client has gone.
  void have_ended(bool) {
    door_.calls.remove(registered_);
    std::unique_lock lock(mutex_);
    if (!context_.IsCancelled()) return;
    broken_ = true;
    reads_ended_ = true;
    finish_if_done(lock);
  }

 private:
  /// May give up the lock.
  void act(std::unique_lock<std::mutex>& lock, BatchAssembly::Outcome outcome, std::size_t size) {
    if (auto* complete = std::get_if<BatchAssembly::Complete>(&outcome)) {
      ++under_way_;
      bytes_under_way_ += size;
      waiting_.push_back({std::move(*complete), size});
      if (grouping_) return;
      grouping_ = in_groups_;
      lock.unlock();
      auto work = [call = shared_from_this()] { call->door_.tasks.spawn(call->door_.executor, append_waiting(call)); };
      in_groups_ ? service_.thread_->when_idle(std::move(work)) : work();
    } else if (auto* begun = std::get_if<BatchAssembly::Begun>(&outcome)) {
      lock.unlock();
      // Not a task that a shutdown waits for: it holds nothing.
      boost::asio::co_spawn(door_.executor, time_out(weak_from_this(), door_.executor, *begun), boost::asio::detached);
    } else if (auto* answer = std::get_if<BatchAnswer>(&outcome)) {
      push_answer(lock, std::move(*answer));
    } else if (auto* status = std::get_if<CallStatus>(&outcome)) {
      end_reading(*status, lock);
    }
  }

  struct Waiting {
    BatchAssembly::Complete append;
    std::size_t size;
  };
  using Group = std::vector<Waiting>;

  static Awaitable<void> append_waiting(std::shared_ptr<Call> call) {
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
  static Awaitable<std::vector<BatchAnswer>> append_group(Call& call, Group& group) {
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

  static Awaitable<void> time_out(std::weak_ptr<Call> weak, boost::asio::any_io_executor executor,
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
    stream_.Write(answer, options, write_.of(shared_from_this()));
  }

  void read_on() {
    std::unique_lock lock(mutex_);
    if (reading_ || reads_ended_) return finish_if_done(lock);
    const bool room = under_way_ + answers_.size() < max_under_way && bytes_under_way_ < max_bytes_under_way;
    if (!room) return;
    reading_ = true;
    lock.unlock();
    stream_.Read(&chunk_, read_.of(shared_from_this()));
  }

  void stop() {
    std::unique_lock lock(mutex_);
    end_reading(shutting_down(), lock);
  }

  void end_reading(CallStatus status, std::unique_lock<std::mutex>& lock) {
    if (finished_) return;
    reads_ended_ = true;
    status_ = std::move(status);
    finish_if_done(lock);
  }

  void finish_if_done(std::unique_lock<std::mutex>& lock) {
    if (!reads_ended_ || under_way_ > 0 || !answers_.empty() || finished_) return;
    finished_ = true;
    lock.unlock();
    stream_.Finish(finish_with(status_, &context_), finish_.of(shared_from_this()));
  }

  BatchAppendService& service_;
  Door& door_;
  Caller caller_;
  CallRegistry::Key registered_ = 0;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<streams::BatchAppendResp, streams::BatchAppendReq> stream_{&context_};
  streams::BatchAppendReq chunk_;
  Operation<Call> accept_{&Call::have_accepted};
  Operation<Call> send_headers_{&Call::nothing_follows};
  Operation<Call> read_{&Call::have_read};
  Operation<Call> write_{&Call::have_written};
  Operation<Call> finish_{&Call::nothing_follows};
  Operation<Call> end_{&Call::have_ended};

  std::mutex mutex_;
  BatchAssembly assembly_;
  const bool in_groups_ = door_.log.traits().appends_in_groups;
  std::deque<Waiting> waiting_;
  bool grouping_ = false;  ///< a group is under way, and its coroutine will take what waits
  std::deque<BatchAnswer> answers_;  ///< the first one is being written
  std::size_t under_way_ = 0;
  std::size_t bytes_under_way_ = 0;
  bool reading_ = false;
  bool reads_ended_ = false;
  bool broken_ = false;
  bool finished_ = false;
  CallStatus status_;
};

BatchAppendService::BatchAppendService(Door& door) : door_(door) {
  const char* const path = "/event_store.client.streams.Streams/BatchAppend";
  AddMethod(new grpc::internal::RpcServiceMethod(path, grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
  MarkMethodAsync(0);
}

void BatchAppendService::accept(CompletionThread& thread, grpc::ServerCompletionQueue& queue) {
  thread_ = &thread;
  queue_ = &queue;
  std::make_shared<Call>(*this)->await_client();
}

}  // namespace twinstream::door
