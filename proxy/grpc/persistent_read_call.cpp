#include "proxy/grpc/persistent_read_call.h"

#include <atomic>
#include <boost/asio/strand.hpp>
#include <deque>
#include <mutex>

#include "proxy/core/run_on.h"
#include "proxy/grpc/messages.h"
#include "proxy/grpc/persistent_requests.h"

namespace twinstream::door {
namespace {

using persistent::Delivery;
using persistent::Runner;

/// `ipv4:127.0.0.1:4711` without the kind of address.
std::string address_of(const std::string& peer) {
  const auto colon = peer.find(':');
  return peer.starts_with("ipv") && colon != std::string::npos ? peer.substr(colon + 1) : peer;
}

std::string header(const grpc::CallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

/// Requests are taken one at a time: the next is read when the group has worked the last one off. Deliveries that wait
/// to be written are bounded by the consumer's window, in which the group counts them.
class PersistentReadCall final : public grpc::ServerBidiReactor<groups::ReadReq, groups::ReadResp>,
                                 public persistent::Consumer {
 public:
  static PersistentReadCall* start(Door& door, persistent::Groups& all, grpc::CallbackServerContext* context) {
    auto call = std::make_shared<PersistentReadCall>(door, all, context);
    call->self_ = call;
    call->StartRead(&call->request_);
    return call.get();
  }

  PersistentReadCall(Door& door, persistent::Groups& all, grpc::CallbackServerContext* context)
      : door_(door), executor_(boost::asio::make_strand(door.executor)), groups_(all), context_(context) {}

  // ---- reactions, on threads of gRPC

  void OnReadDone(bool ok) override {
    if (!ok) return gone();
    if (!started_.exchange(true)) return door_.tasks.spawn(executor_, connect(self_));
    door_.tasks.spawn(runner_->executor(), answer(self_));
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    const bool event = waiting_.front().has_value();
    waiting_.pop_front();
    if (!ok || end_) waiting_.clear();
    const bool more = !waiting_.empty();
    const bool finish = may_finish();
    lock.unlock();
    if (finish) return Finish(finish_with(*end_, context_));
    if (event) door_.tasks.spawn(runner_->executor(), written(self_));
    if (more) write_next();
  }

  void OnCancel() override { gone(); }

  void OnDone() override { const auto last = std::move(self_); }

  // ---- what the group says, on its executor

  void confirm() override { enqueue(std::nullopt); }
  void deliver(const Delivery& delivery) override { enqueue(delivery); }
  void drop(const persistent::Drop& drop) override { end(group_dropped(name_, drop)); }

 private:
  /// Nothing stands for the confirmation.
  using Outgoing = std::optional<Delivery>;

  void enqueue(Outgoing outgoing) {
    std::unique_lock lock(mutex_);
    if (end_) return;
    waiting_.push_back(std::move(outgoing));
    const bool idle = waiting_.size() == 1;
    lock.unlock();
    if (idle) write_next();
  }

  void write_next() {
    std::unique_lock lock(mutex_);
    const Outgoing next = waiting_.front();
    lock.unlock();
    if (next) {
      response_ = event_response(*next, string_ids_);
    } else {
      response_.Clear();
      response_.mutable_subscription_confirmation()->set_subscription_id(name_.text());
    }
    StartWrite(&response_);
  }

  /// Nothing may be started on a call after Finish, so Finish waits until a read has been started.
  void read_next() {
    std::unique_lock lock(mutex_);
    if (end_) return;
    ++starting_;
    lock.unlock();
    StartRead(&request_);
    lock.lock();
    --starting_;
    const bool finish = may_finish();
    lock.unlock();
    if (finish) Finish(finish_with(*end_, context_));
  }

  /// Ends the call with a status once the write under way has ended. Only the first end counts.
  void end(CallStatus status) {
    std::unique_lock lock(mutex_);
    if (end_) return;
    end_ = std::move(status);
    const bool finish = may_finish();
    lock.unlock();
    if (finish) Finish(finish_with(*end_, context_));
  }

  /// True once.
  bool may_finish() { return end_ && starting_ == 0 && waiting_.empty() && !std::exchange(finished_, true); }

  /// The client has ended its requests or is not there any more.
  void gone() { door_.tasks.spawn(executor_, leave(self_)); }

  static Awaitable<void> connect(std::shared_ptr<PersistentReadCall> call) {
    const CallStatus status = co_await call->join();
    if (!status.ok()) co_return call->end(status);
    call->read_next();
  }

  Awaitable<CallStatus> join() {
    if (!request_.has_options()) co_return invalid_argument("the options are missing");
    const auto& options = request_.options();
    auto parsed = parse_group(options);
    if (auto* refused = std::get_if<CallStatus>(&parsed)) co_return std::move(*refused);
    if (!options.has_uuid_option()) co_return invalid_argument("the form of UUIDs is not set");
    if (options.buffer_size() < 1) co_return invalid_argument("the buffer size is less than 1");
    name_ = std::get<persistent::GroupName>(parsed);
    string_ids_ = options.uuid_option().has_string();
    const auto elsewhere = check_leads(door_.node);
    if (!elsewhere.ok()) co_return elsewhere;
    const std::string source = options.has_all() ? "$all" : options.stream_identifier().stream_name();
    const Caller caller = caller_of(door_, *context_);
    const auto refusal = co_await check(door_.log, caller, StreamRight::read, source);
    if (!refusal.ok()) co_return refusal;
    auto found = co_await groups_.find(name_);
    if (!found.ok()) co_return group_failure(name_, found.failure());
    if (std::holds_alternative<persistent::Groups::Refused>(*found)) co_return group_not_found(name_);
    runner_ = std::get<std::shared_ptr<Runner>>(*found);
    persistent::ConsumerInfo who{address_of(context_->peer()), caller.login.empty() ? "anonymous" : caller.login,
                                 header(*context_, "connection-name")};
    co_return co_await run_on(runner_->executor(),
                              take_place(std::move(who), static_cast<std::size_t>(options.buffer_size())));
  }

  /// On the group's executor.
  Awaitable<CallStatus> take_place(persistent::ConsumerInfo who, std::size_t window) {
    const auto connected = co_await runner_->connect(self_, std::move(who), window);
    if (!connected.ok()) co_return group_failure(name_, connected.failure());
    if (const auto* refused = std::get_if<Runner::Refused>(&*connected)) {
      const bool full = *refused == Runner::Refused::full;
      co_return full ? group_full(name_) : group_dropped(name_, {persistent::Drop::Kind::dropped, "it is changing"});
    }
    consumer_ = std::get<persistent::ConsumerId>(*connected);
    if (left_) runner_->disconnect(consumer_);
    co_return CallStatus{};
  }

  static Awaitable<void> answer(std::shared_ptr<PersistentReadCall> call) {
    const CallStatus status = call->take_answer();
    if (!status.ok()) {
      call->runner_->disconnect(call->consumer_);
      call->end(status);
    } else {
      call->read_next();
    }
    co_return;
  }

  CallStatus take_answer() {
    if (request_.has_options()) return invalid_argument("the options were sent twice");
    const bool ack = request_.has_ack();
    std::vector<EventId> ids;
    for (const auto& uuid : ack ? request_.ack().ids() : request_.nack().ids()) {
      const auto id = parse_uuid(uuid);
      if (!id) return invalid_argument("an event id is no UUID");
      ids.push_back(*id);
    }
    if (ack) {
      runner_->acknowledge(consumer_, ids);
      return {};
    }
    auto refusal = persistent::Refusal::retry;
    if (request_.nack().action() == groups::ReadReq::Nack::Park) refusal = persistent::Refusal::park;
    if (request_.nack().action() == groups::ReadReq::Nack::Skip) refusal = persistent::Refusal::skip;
    if (request_.nack().action() == groups::ReadReq::Nack::Stop) refusal = persistent::Refusal::skip;
    runner_->refuse(consumer_, ids, refusal, request_.nack().reason());
    return {};
  }

  static Awaitable<void> written(std::shared_ptr<PersistentReadCall> call) {
    call->runner_->written(call->consumer_);
    co_return;
  }

  /// Whoever is just taking a place for it finds that it has left.
  static Awaitable<void> leave(std::shared_ptr<PersistentReadCall> call) {
    call->left_ = true;
    call->end(call->started_ ? CallStatus{} : invalid_argument("the options are missing"));
    if (call->runner_) co_await run_on(call->runner_->executor(), step_out(call));
  }

  static Awaitable<Done> step_out(std::shared_ptr<PersistentReadCall> call) {
    if (call->consumer_ != 0) call->runner_->disconnect(call->consumer_);
    co_return Done{};
  }

  Door& door_;
  boost::asio::any_io_executor executor_;  ///< what is done before there is a group, and the leaving
  persistent::Groups& groups_;
  grpc::CallbackServerContext* context_;
  std::shared_ptr<PersistentReadCall> self_;
  groups::ReadReq request_;
  groups::ReadResp response_;  ///< the one being written
  persistent::GroupName name_;
  bool string_ids_ = false;
  std::atomic<bool> started_ = false;
  std::atomic<bool> left_ = false;
  std::shared_ptr<Runner> runner_;
  persistent::ConsumerId consumer_ = 0;  ///< on the group's executor
  std::mutex mutex_;
  std::deque<Outgoing> waiting_;  ///< the first one is being written
  std::optional<CallStatus> end_;
  int starting_ = 0;  ///< reads that are just being started
  bool finished_ = false;
};

}  // namespace

grpc::ServerBidiReactor<groups::ReadReq, groups::ReadResp>* start_persistent_read(
    Door& door, persistent::Groups& all, grpc::CallbackServerContext* context) {
  return PersistentReadCall::start(door, all, context);
}

}  // namespace twinstream::door
