#include "adapters/eventstore/catch_up.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "adapters/eventstore/spawn.h"
#include "adapters/eventstore/wire.h"
#include "proxy/core/log.h"

namespace twinstream::eventstore {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t most_events = 1'000;
constexpr std::size_t most_bytes = 8 * 1024 * 1024;
constexpr milliseconds longest_wait{1'000};
constexpr milliseconds connect_timeout{5'000};
constexpr milliseconds first_backoff{50};
constexpr milliseconds longest_backoff{2'000};

Failure closed() { return {FailureCode::cancelled, "the subscription is closed", {}}; }

/// Whether another attempt may fare better. A slow consumer is thrown off with ABORTED by servers before 24.10.
bool worth_another_call(const CallFailure& failure) { return failure.failure.code == FailureCode::unavailable; }

}  // namespace

CatchUp::CatchUp(boost::asio::io_context& io, Cluster& cluster, Start start)
    : io_(io),
      cluster_(cluster),
      stream_(std::move(start.stream)),
      received_(start.after),
      received_revision_(start.after_revision),
      checkpoint_(start.after == Position::end() ? Position::start() : start.after) {}

void CatchUp::begin() { spawn(io_, run(shared_from_this())); }

Awaitable<Result<SubscriptionPage>> CatchUp::next() {
  auto start = [this](Waiting waiting) { wait(std::move(waiting)); };
  co_return co_await await_completion<Result<SubscriptionPage>>(start);
}

void CatchUp::wait(Waiting waiting) {
  SubscribeCall* resumed = nullptr;
  {
    const Lock lock(mutex_);
    waiting_.emplace(std::move(waiting));
    waiting_since_ = Clock::now();
    if (has_news()) answer_waiting();
    if (std::exchange(paused_, false)) resumed = call_;
  }
  if (resumed) resumed->resume();  // lives until the read that this starts has ended
}

/// With the lock held and news or the time for an empty page.
void CatchUp::answer_waiting() {
  Waiting waiting = std::move(*waiting_);
  waiting_.reset();
  waiting(take_page());
}

Result<SubscriptionPage> CatchUp::take_page() {
  if (buffer_.empty() && failure_) return *failure_;
  SubscriptionPage page;
  page.events = std::exchange(buffer_, {});
  buffered_bytes_ = 0;
  if (!page.events.empty()) checkpoint_ = std::max(checkpoint_, page.events.back().position);
  page.checkpoint = checkpoint_;
  page.caught_up = told_caught_up_ = caught_up_;
  return page;
}

void CatchUp::sweep(SteadyTime now) {
  const Lock lock(mutex_);
  if (!waiting_ || now - waiting_since_ < longest_wait) return;
  // A server that does not say when the end is reached has nothing more if nothing comes for so long.
  if (!announces_caught_up_ && call_) caught_up_ = true;
  answer_waiting();
}

void CatchUp::close() {
  const Lock lock(mutex_);
  failure_ = closed();
  buffer_.clear();
  if (waiting_) answer_waiting();
  if (call_) call_->cancel(std::exchange(paused_, false));
}

void CatchUp::fail(Failure failure) {
  const Lock lock(mutex_);
  if (failure_) return;
  failure_ = std::move(failure);
  if (waiting_) answer_waiting();
}

bool CatchUp::is_closed() {
  const Lock lock(mutex_);
  return failure_.has_value();
}

bool CatchUp::on_notice(SubscribeCall::Notice notice, RecordedEvent event) {
  using Notice = SubscribeCall::Notice;
  const Lock lock(mutex_);
  if (failure_) return true;
  if (notice == Notice::event) keep(std::move(event));
  if (notice == Notice::caught_up) caught_up_ = progress_ = true;
  if (notice == Notice::fell_behind) caught_up_ = false;
  if (waiting_ && has_news()) answer_waiting();
  paused_ = buffer_.size() >= most_events || buffered_bytes_ >= most_bytes;
  if (paused_) {
    // Not reading is falling behind. A server need not notice, and then it does not tell either when the end is
    // reached.
    caught_up_ = false;
    announces_caught_up_ = false;
  }
  return !paused_;
}

void CatchUp::keep(RecordedEvent event) {
  progress_ = true;
  received_ = std::max(received_, event.position);
  // The mark that a tombstone leaves is the end of the stream, no event of it.
  if (stream_ && event.revision == deleted_revision) return;
  received_revision_ = event.revision;
  buffered_bytes_ += event.event.data.size() + event.event.metadata.size();
  buffer_.push_back(std::move(event));
}

void CatchUp::on_end(CallStatus status) {
  Lock lock(mutex_);
  call_ = nullptr;
  paused_ = false;
  caught_up_ = false;
  Completion<CallStatus> ended = std::move(*ended_);
  ended_.reset();
  lock.unlock();
  ended(std::move(status));
}

Awaitable<void> CatchUp::run(std::shared_ptr<CatchUp> self) {
  milliseconds backoff = first_backoff;
  boost::asio::steady_timer timer(io_);
  while (!is_closed()) {
    auto connection = co_await cluster_.connection(Clock::now() + connect_timeout);
    if (connection.failed_with(FailureCode::rejected)) co_return fail(connection.failure());
    if (connection && co_await settle_start()) {
      CallStatus status = co_await one_call(*connection);
      if (status.ok()) status = {StatusCode::unavailable, "the server ended the subscription", {}};
      const CallFailure failure = explain(status, Intent::read);
      if (is_closed()) co_return;
      if (!worth_another_call(failure)) co_return fail(failure.failure);
      log::info("subscription to EventStore broken, resuming", {{"reason", failure.failure.reason}});
      cluster_.report(*connection, failure);
      if (std::exchange(progress_, false)) backoff = first_backoff;
    }
    timer.expires_after(backoff);
    co_await timer.async_wait(boost::asio::use_awaitable);
    backoff = std::min(backoff * 2, longest_backoff);
  }
}

/// Turns `the end` into a position, once: otherwise what is written while a broken call is resumed would be left out.
Awaitable<bool> CatchUp::settle_start() {
  if (stream_ || received_ != Position::end()) co_return true;
  const auto connection = cluster_.current();
  if (!connection) co_return false;
  const ReadQuery last{std::nullopt, Direction::backwards, FromEnd{}};
  const auto answer = co_await read_call(connection, last, 1, connect_timeout);
  if (!answer.status.ok()) {
    const CallFailure failure = explain(answer.status, Intent::read);
    cluster_.report(connection, failure);
    if (!worth_another_call(failure)) fail(failure.failure);
    co_return false;
  }
  const Lock lock(mutex_);
  received_ = answer.events.empty() ? Position::start() : answer.events.front().position;
  checkpoint_ = received_;
  co_return true;
}

Awaitable<CallStatus> CatchUp::one_call(ConnectionPtr connection) {
  auto start = [&](Completion<CallStatus> ended) { begin_call(connection, std::move(ended)); };
  co_return co_await await_completion<CallStatus>(start);
}

void CatchUp::begin_call(const ConnectionPtr& connection, Completion<CallStatus> ended) {
  Lock lock(mutex_);
  if (failure_) return ended({StatusCode::cancelled, "closed", {}});
  ended_.emplace(std::move(ended));
  announces_caught_up_ = connection->features.announces_caught_up();
  SubscribeCall* const call = SubscribeCall::make(connection, query(), shared_from_this());
  call_ = call;
  call->start();
}

ReadQuery CatchUp::query() const {
  ReadQuery query{stream_, Direction::forwards, FromStart{}};
  if (stream_ && received_revision_) query.from = *received_revision_;
  if (!stream_ && received_ != Position::start()) query.from = received_;
  return query;
}

}  // namespace twinstream::eventstore
