#include "adapters/eventstore/append_queue.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "adapters/eventstore/append_call.h"
#include "adapters/eventstore/retried_read.h"
#include "adapters/eventstore/spawn.h"
#include "adapters/eventstore/wire.h"
#include "proxy/core/log.h"

namespace twinstream::eventstore {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Stage = PendingAppend::Stage;
using Kind = ExpectedRevision::Kind;

constexpr std::size_t chunk_bytes = 3 * 1024 * 1024;
constexpr std::size_t largest_batch = 4 * chunk_bytes;  // beyond it an append gets a call of its own
constexpr std::size_t most_in_flight = 512;             // so that the server's own timeouts do not run out in its queue
constexpr std::size_t most_alone = 32;
constexpr std::size_t look_back = 500;  // events of others that may have followed a lost append
constexpr milliseconds retry_pause{50};
constexpr milliseconds longest_pause{1'000};

milliseconds time_left(const PendingPtr& pending) {
  return std::max(std::chrono::ceil<milliseconds>(pending->deadline - Clock::now()), milliseconds{1});
}

/// Whether sending it again cannot write twice, whatever happened to the first: the protocol compares the ids of what
/// follows an exact revision, also after a restart and on another node. With `any` it only asks a cache.
bool repeatable(const AppendRequest& request) {
  return request.events.empty() || request.expected.kind == Kind::exact || request.expected.kind == Kind::no_stream;
}

Awaitable<void> pause(boost::asio::io_context& io, milliseconds time) {
  boost::asio::steady_timer timer(io, time);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

Failure expiry(const PendingPtr& pending, milliseconds timeout) {
  const std::string within = " within " + std::to_string(timeout.count()) + " ms";
  const bool sent = pending->stage == Stage::sent || pending->stage == Stage::sending || pending->stage == Stage::alone;
  if (sent || pending->maybe_written) {
    return {FailureCode::unknown_outcome, "no answer from EventStore" + within + ": repeat it or read it back", {}};
  }
  return {FailureCode::unavailable, "could not be sent to EventStore" + within, {}};
}

}  // namespace

AppendQueue::AppendQueue(boost::asio::io_context& io, CompletionThread& completions, Cluster& cluster,
                         milliseconds timeout, AppendShared& shared)
    : io_(io), completions_(completions), cluster_(cluster), timeout_(timeout), shared_(shared) {}

void AppendQueue::submit(std::vector<PendingPtr> appends) {
  Lock lock(mutex_);
  // The deadline is set here, under the lock: so deadlines are in the order of the backlog.
  const auto deadline = Clock::now() + timeout_;
  for (PendingPtr& pending : appends) {
    pending->deadline = deadline;
    backlog_.add(pending);
    if (closed_) settle(pending, Failure{FailureCode::cancelled, "the log is closed", {}});
  }
  advance(lock);
}

void AppendQueue::sweep(SteadyTime now) {
  Lock lock(mutex_);
  bool unanswered = false;
  for (const PendingPtr& pending : backlog_.expired(now)) {
    if (in_flight_.erase(pending->correlation) > 0) unanswered = astray_ = true;
    if (!started_) unanswered = true;
    settle(pending, expiry(pending, timeout_));
  }
  // A server that answers nothing at all for so long hangs: another node may not.
  if (call_ && unanswered && now - last_answer_ >= timeout_) {
    given_up_ = true;
    call_->cancel();
  }
  advance(lock);
}

void AppendQueue::close() {
  const Lock lock(mutex_);
  closed_ = true;
  for (const PendingPtr& pending : backlog_.all()) {
    settle(pending, Failure{FailureCode::cancelled, "the log is closed", {}});
  }
}

/// Does whatever can be done now.
void AppendQueue::advance(Lock& lock) {
  if (closed_ || opening_) return;
  if (!connection_) {
    if (backlog_.has_ready()) begin_opening();
  } else if (!connection_->features.batch_append) {
    while (backlog_.has_ready() && alone_ < most_alone) start_alone(backlog_.take_ready());
  } else if (call_ && !writing_ && !given_up_ && !answers_ended_) {
    write_chunk(lock);
  }
}

void AppendQueue::begin_opening() {
  opening_ = true;
  spawn(io_, open());
}

Awaitable<void> AppendQueue::open() {
  if (failures_ > 0) co_await pause(io_, std::min(retry_pause * (1 << std::min(failures_ - 1, 8u)), longest_pause));
  auto connection = co_await cluster_.connection(Clock::now() + timeout_);
  Lock lock(mutex_);
  opening_ = false;
  if (closed_) co_return;
  if (!connection) {
    // Without a connection appends wait for their deadlines, unless waiting is of no use.
    if (connection.failed_with(FailureCode::rejected)) {
      for (const PendingPtr& pending : backlog_.all()) settle(pending, connection.failure());
    }
    co_return advance(lock);
  }
  connection_ = *connection;
  if (connection_->features.batch_append) {
    call_ = BatchCall::make(connection_, completions_, *this);
    writing_ = true;
    started_ = proven_ = given_up_ = answers_ended_ = astray_ = false;
    last_answer_ = Clock::now();
    call_->start();
  }
  advance(lock);
}

PendingPtr AppendQueue::next_to_send() {
  while (backlog_.has_ready() && in_flight_.size() < (proven_ ? most_in_flight : 1)) {
    if (backlog_.ready()->bytes > largest_batch) {
      if (alone_ == most_alone) return nullptr;
      start_alone(backlog_.take_ready());
      continue;
    }
    PendingPtr pending = backlog_.take_ready();
    before_sending(*pending);
    pending->stage = Stage::sending;
    pending->correlation = ++last_correlation_;
    in_flight_.emplace(pending->correlation, pending);
    return pending;
  }
  return nullptr;
}

/// Writes the next chunk, and chooses at once what follows it: gRPC may then hold the chunk back and send both
/// together. What has been chosen is written whatever happens, so nothing stays held back.
void AppendQueue::write_chunk(Lock& lock) {
  if (!current_) current_ = next_to_send();
  if (!current_) return;
  const PendingPtr pending = current_;
  const auto& events = pending->request.events;
  const std::size_t first = next_event_;
  std::size_t bytes = 0;
  while (next_event_ < events.size()) {
    bytes += encoded_size(events[next_event_]);
    if (bytes > chunk_bytes && next_event_ > first) break;
    ++next_event_;
  }
  const std::size_t count = next_event_ - first;
  const bool final = next_event_ == events.size();
  if (final) {
    if (pending->stage == Stage::sending) pending->stage = Stage::sent;
    next_event_ = 0;
    current_ = next_to_send();
  }
  const BatchChunk chunk{pending->request,   pending->correlation, first, count, final,
                         time_left(pending), current_ != nullptr};
  writing_ = true;
  const auto call = call_;
  lock.unlock();
  call->write(chunk);
  lock.lock();
}

/// Answers and forgets it, unless that has happened. After a first attempt that may have written, a refusal of the
/// second does not say that nothing is written.
void AppendQueue::settle(const PendingPtr& pending, Result<Appended> result) {
  if (pending->stage == Stage::done) return;
  if (result) judge(*pending, *result);
  const bool doubtful = result.failed_with(FailureCode::unavailable) || result.failed_with(FailureCode::rejected);
  if (pending->maybe_written && doubtful) result.failure().code = FailureCode::unknown_outcome;
  backlog_.finish(pending);
  shared_.unanswered.fetch_sub(1, std::memory_order_relaxed);
  pending->gathering->answer(pending->index, std::move(result));
}

void AppendQueue::before_sending(PendingAppend& pending) const {
  if (!pending.log_end) pending.log_end = shared_.log_end.load(std::memory_order_relaxed);
}

/// The server does not tell a repetition from a write. But what lies at or before a position that existed before the
/// first sending cannot have been written by it.
void AppendQueue::judge(const PendingAppend& pending, Appended& appended) {
  const std::uint64_t commit = appended.position.commit;
  if (pending.request.events.empty() || commit == 0) return;
  appended.duplicate = pending.log_end && commit <= *pending.log_end;
  std::uint64_t end = shared_.log_end.load(std::memory_order_relaxed);
  while (end < commit && !shared_.log_end.compare_exchange_weak(end, commit, std::memory_order_relaxed)) {
  }
}

void AppendQueue::on_answer(std::uint64_t correlation, Result<Appended> answer) {
  Lock lock(mutex_);
  proven_ = true;
  failures_ = 0;
  last_answer_ = Clock::now();
  const auto found = in_flight_.find(correlation);
  if (found != in_flight_.end()) {
    const PendingPtr pending = std::move(found->second);
    in_flight_.erase(found);
    settle(pending, std::move(answer));
  }
  advance(lock);
}

bool AppendQueue::on_written(bool ok) {
  Lock lock(mutex_);
  writing_ = false;
  started_ = true;
  if (!ok) given_up_ = true;
  if (answers_ended_) return true;
  advance(lock);
  return false;
}

bool AppendQueue::on_answers_end() {
  const Lock lock(mutex_);
  answers_ended_ = true;
  return !writing_;
}

void AppendQueue::on_end(CallStatus status) {
  // A server that ends the call properly goes away.
  if (status.ok()) status = {StatusCode::unavailable, "the server ended the call", {}};
  CallFailure failure = explain(status, Intent::write);
  Lock lock(mutex_);
  call_ = nullptr;
  const ConnectionPtr connection = std::exchange(connection_, nullptr);
  if (closed_) return;
  if (!proven_) ++failures_;
  cluster_.report(connection, failure);  // first: what is looked up must not go to the same connection
  recover_in_flight(failure);
  advance(lock);
}

/// What the end of the shared call means for those it carried. Its reason is that of one of them; only when there was
/// no other is it certain which.
void AppendQueue::recover_in_flight(const CallFailure& failure) {
  auto in_flight = std::exchange(in_flight_, {});
  current_.reset();
  next_event_ = 0;
  const bool certain = in_flight.size() == 1 && !astray_;
  const CallFailure not_sent{{}, {}, true, true};
  const CallFailure in_doubt{{FailureCode::unknown_outcome, failure.failure.reason, {}}, {}, true, false};
  for (auto each = in_flight.rbegin(); each != in_flight.rend(); ++each) {  // each goes to the front: keeps the order
    const PendingPtr& pending = each->second;
    if (pending->stage == Stage::done) continue;
    const bool complete = pending->stage == Stage::sent;
    lost(pending, !complete ? not_sent : certain ? failure : in_doubt);
  }
}

/// A pending append whose call failed: sent again, looked up, or given up.
void AppendQueue::lost(const PendingPtr& pending, const CallFailure& failure) {
  if (pending->stage == Stage::done) return;
  if (!failure.reconnect) {
    settle(pending, failure.failure);
  } else if (failure.not_executed) {
    backlog_.retry(pending);
  } else if (repeatable(pending->request)) {
    pending->maybe_written = !pending->request.events.empty();
    backlog_.retry(pending);
  } else {
    pending->maybe_written = true;
    pending->stage = Stage::alone;
    spawn(io_, look_up(pending, failure.failure));
  }
}

void AppendQueue::start_alone(PendingPtr pending) {
  before_sending(*pending);
  pending->stage = Stage::alone;
  ++alone_;
  spawn(io_, append_alone(std::move(pending)));
}

Awaitable<void> AppendQueue::append_alone(PendingPtr pending) {
  const auto connection = co_await cluster_.connection(pending->deadline);
  std::optional<CallFailure> failure;
  std::optional<Result<Appended>> answer;
  if (!connection) {
    answer = connection.failure();
  } else {
    auto reply = co_await append_call(*connection, {pending, &pending->request}, time_left(pending));
    answer = std::move(reply.answer);
    if (!answer) failure = explain(reply.status, Intent::write);
  }
  if (failure) {
    cluster_.report(*connection, *failure);
    if (failure->reconnect) co_await pause(io_, retry_pause);
  }
  Lock lock(mutex_);
  --alone_;
  if (answer) settle(pending, std::move(*answer));
  if (failure) lost(pending, *failure);
  const bool broken = failure && failure->reconnect && connection_ == *connection;
  if (broken && !call_) connection_.reset();
  advance(lock);
}

Awaitable<void> AppendQueue::look_up(PendingPtr pending, Failure doubt) {
  auto found = co_await find_written(pending);
  Lock lock(mutex_);
  if (found) {
    settle(pending, *found);
  } else {
    settle(pending, std::move(doubt));
  }
  advance(lock);
}

/// Its events at the end of the stream, in one run. Not finding them proves nothing: they may be on their way.
Awaitable<std::optional<Appended>> AppendQueue::find_written(PendingPtr pending) {
  const auto& wanted = pending->request.events;
  const ReadQuery query{pending->request.stream, Direction::backwards, FromEnd{}};
  auto answer =
      co_await retried_read(cluster_, query, wanted.size() + look_back, pending->deadline, time_left(pending));
  if (!answer) co_return std::nullopt;
  const auto same_id = [](const RecordedEvent& recorded, const Event& event) { return recorded.event.id == event.id; };
  std::reverse(answer->events.begin(), answer->events.end());
  const auto run = std::search(answer->events.begin(), answer->events.end(), wanted.begin(), wanted.end(), same_id);
  if (run == answer->events.end()) co_return std::nullopt;
  const RecordedEvent& last = *(run + static_cast<std::ptrdiff_t>(wanted.size()) - 1);
  co_return Appended{last.revision, last.position, false, MirrorState::none};
}

}  // namespace twinstream::eventstore
