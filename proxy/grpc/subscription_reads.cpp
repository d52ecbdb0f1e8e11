#include <algorithm>
#include <chrono>

#include "proxy/grpc/reading.h"

namespace twinstream::door {
namespace {

using Batch = ResponseStream::Batch;

/// Rights that are taken away end a subscription. They are looked at before events are delivered, at most this often:
/// each look reads the log.
constexpr std::chrono::seconds between_checks{1};

wire::streams::ReadResp confirmation() {
  wire::streams::ReadResp response;
  response.mutable_confirmation()->set_subscription_id(EventId::random().to_string());
  return response;
}

wire::streams::ReadResp caught_up() {
  wire::streams::ReadResp response;
  response.mutable_caught_up();
  return response;
}

wire::streams::ReadResp checkpoint(Position position) {
  wire::streams::ReadResp response;
  response.mutable_checkpoint()->set_commit_position(position.commit);
  response.mutable_checkpoint()->set_prepare_position(position.prepare);
  return response;
}

/// Chooses the events that match, and places checkpoints after each interval of examined events.
class Examiner {
 public:
  explicit Examiner(const ReadPlan& plan) : plan_(plan), told_(plan.position) {}

  struct Examined {
    std::vector<RecordedEvent> events;
    /// Position of a checkpoint and how many of `events` come before it.
    std::vector<std::pair<std::size_t, Position>> checkpoints;
  };

  Result<Examined> examine(SubscriptionPage& page) {
    // Only where a page is in global order may a position inside it be told as a checkpoint.
    const bool ordered = std::is_sorted(page.events.begin(), page.events.end(), by_position) &&
                         (page.events.empty() || page.events.back().position <= page.checkpoint);
    Examined examined;
    for (RecordedEvent& recorded : page.events) {
      const Position position = recorded.position;
      const auto wanted = wants(recorded);
      if (!wanted.ok()) return wanted.failure();
      if (*wanted) examined.events.push_back(std::move(recorded));
      ++since_checkpoint_;
      if (ordered && due()) tell(examined, position);
    }
    const bool end_of_catch_up = page.caught_up && !caught_up_ && plan_.filter;
    if (due() || (end_of_catch_up && told_ != page.checkpoint)) tell(examined, page.checkpoint);
    caught_up_ = caught_up_ || page.caught_up;
    return examined;
  }

 private:
  static bool by_position(const RecordedEvent& left, const RecordedEvent& right) {
    return left.position < right.position;
  }

  Result<bool> wants(const RecordedEvent& recorded) const {
    if (!plan_.stream && is_hidden_from_all(recorded.stream)) return false;
    return plan_.filter ? plan_.filter->matches(recorded) : Result<bool>(true);
  }

  bool due() const { return plan_.filter && since_checkpoint_ >= plan_.checkpoint_interval; }

  void tell(Examined& examined, Position position) {
    examined.checkpoints.emplace_back(examined.events.size(), position);
    since_checkpoint_ = 0;
    told_ = position;
  }

  const ReadPlan& plan_;
  Position told_;  ///< what the subscriber can resume from already
  std::uint64_t since_checkpoint_ = 0;
  bool caught_up_ = false;
};

Batch with_checkpoints(Batch events, const std::vector<std::pair<std::size_t, Position>>& checkpoints) {
  if (checkpoints.empty()) return events;
  Batch merged;
  merged.reserve(events.size() + checkpoints.size());
  std::size_t next = 0;
  for (const auto& [before, position] : checkpoints) {
    while (next < before) merged.push_back(std::move(events[next++]));
    merged.push_back(checkpoint(position));
  }
  while (next < events.size()) merged.push_back(std::move(events[next++]));
  return merged;
}

/// Delivers until the caller has gone, may not read any more, or the log refuses to go on.
Awaitable<CallStatus> deliver(EventLog& log, ReadPlan plan, std::shared_ptr<Subscription> subscription,
                              ResponseStream& responses) {
  responses.on_stop([subscription] { subscription->close(); });
  if (!co_await responses.send({confirmation()})) co_return CallStatus{};
  Examiner examiner(plan);
  auto checked = std::chrono::steady_clock::now();
  for (bool told_caught_up = false;;) {
    auto page = co_await subscription->next();
    if (!page.ok()) co_return from_failure(page.failure(), plan.stream.value_or("$all"));
    if (const auto now = std::chrono::steady_clock::now(); now - checked >= between_checks) {
      checked = now;
      plan.caller = caller_now(plan.users, plan.caller);
      auto refusal = co_await check(log, plan.caller, StreamRight::read, plan.stream.value_or("$all"));
      if (!refusal.ok()) co_return refusal;
    }
    auto examined = examiner.examine(*page);
    if (!examined.ok()) co_return from_failure(examined.failure(), "$all");
    auto batch = co_await to_responses(log, plan, std::move(examined->events));
    if (!batch.ok()) co_return from_failure(batch.failure(), plan.stream.value_or("$all"));
    *batch = with_checkpoints(std::move(*batch), examined->checkpoints);
    if (page->caught_up && !told_caught_up) {
      batch->push_back(caught_up());
      told_caught_up = true;
    }
    if (!batch->empty() && !co_await responses.send(std::move(*batch))) co_return CallStatus{};
  }
}

}  // namespace

Awaitable<CallStatus> subscribe_stream(EventLog& log, ReadPlan plan, ResponseStream& responses) {
  const auto head = co_await log.head(*plan.stream);
  if (!head.ok()) co_return from_failure(head.failure(), *plan.stream);
  if (head->state == Head::State::tombstoned) co_return stream_deleted(*plan.stream);
  std::optional<std::uint64_t> after;
  if (plan.start == ReadPlan::Start::at) after = plan.revision;
  if (plan.start == ReadPlan::Start::end) after = head->revision;
  auto subscription = log.subscribe_stream(*plan.stream, after);
  co_return co_await deliver(log, std::move(plan), std::move(subscription), responses);
}

Awaitable<CallStatus> subscribe_all(EventLog& log, ReadPlan plan, ResponseStream& responses) {
  Position after = plan.start == ReadPlan::Start::at ? plan.position : Position::start();
  if (plan.start == ReadPlan::Start::end) {
    const auto tip = co_await log.tip();
    if (!tip.ok()) co_return from_failure(tip.failure(), "$all");
    after = *tip;
  }
  co_return co_await deliver(log, std::move(plan), log.subscribe_all(after), responses);
}

}  // namespace twinstream::door
