#include <algorithm>

#include "proxy/grpc/reading.h"

namespace twinstream::door {
namespace {

constexpr std::uint64_t page_size = 500;
constexpr std::uint64_t first_page_numbers = 32;

wire::streams::ReadResp not_found_response(const std::string& stream) {
  wire::streams::ReadResp response;
  response.mutable_stream_not_found()->mutable_stream_identifier()->set_stream_name(stream);
  return response;
}

wire::streams::ReadResp first_position_response(std::uint64_t revision) {
  wire::streams::ReadResp response;
  response.set_first_stream_position(revision);
  return response;
}

wire::streams::ReadResp last_position_response(std::uint64_t revision) {
  wire::streams::ReadResp response;
  response.set_last_stream_position(revision);
  return response;
}

/// Where readable data begins, when a forward reader who asked for `from` would see nothing on its first page.
std::optional<std::uint64_t> first_position_to_tell(const Head& head, std::uint64_t from, std::uint64_t count) {
  const std::uint64_t next = head.next_revision();
  const std::uint64_t readable = std::min(std::max(from, head.first_visible), next);
  const bool on_first_page = readable < next && readable < from + std::min(count, first_page_numbers);
  if (on_first_page || readable == from) return std::nullopt;
  return readable;
}

ReadStream first_request(const ReadPlan& plan) {
  ReadStream request{*plan.stream, plan.direction, std::nullopt, 0, false};
  if (plan.start == ReadPlan::Start::at) request.from = plan.revision;
  if (plan.start == ReadPlan::Start::start) request.from = 0;
  return request;
}

/// Positions of the wire are inclusive forwards, those of the log exclusive; and a log takes only positions that it
/// gave out. So a forward read from P starts after the last event before P.
Awaitable<Result<Position>> exclusive_start(EventLog& log, const ReadPlan& plan) {
  const bool forwards = plan.direction == Direction::forwards;
  if (plan.start == ReadPlan::Start::start) co_return Position::start();
  if (plan.start == ReadPlan::Start::end) co_return Position::end();
  if (!forwards) co_return plan.position;
  const auto before = co_await log.read_all({Direction::backwards, plan.position, 1});
  if (!before.ok()) co_return before.failure();
  co_return before->events.empty() ? Position::start() : before->events.front().position;
}

/// Keeps at most `remaining` events of the page that the reader wants.
Result<std::vector<RecordedEvent>> select(const ReadPlan& plan, std::vector<RecordedEvent> page,
                                          std::uint64_t remaining) {
  std::vector<RecordedEvent> selected;
  for (RecordedEvent& recorded : page) {
    if (selected.size() == remaining) break;
    if (is_hidden_from_all(recorded.stream)) continue;
    if (plan.filter) {
      const auto matches = plan.filter->matches(recorded);
      if (!matches.ok()) return matches.failure();
      if (!*matches) continue;
    }
    selected.push_back(std::move(recorded));
  }
  return selected;
}

CallStatus end_of(const Failure& failure, const ReadPlan& plan) {
  return from_failure(failure, plan.stream.value_or("$all"));
}

}  // namespace

Awaitable<CallStatus> read_stream(EventLog& log, ReadPlan plan, ResponseStream& responses) {
  const bool forwards = plan.direction == Direction::forwards;
  ReadStream request = first_request(plan);
  std::uint64_t remaining = *plan.count;
  Head head;
  for (bool first = true, more = true; more && remaining > 0; first = false) {
    request.max_count = std::min(remaining, page_size);
    auto page = co_await log.read_stream(request);
    if (page.failed_with(FailureCode::stream_not_found)) {
      // Deleted while it was read: what has been sent was true.
      if (first) co_await responses.send({not_found_response(*plan.stream)});
      co_return CallStatus{};
    }
    if (!page.ok()) co_return end_of(page.failure(), plan);
    head = page->head;
    if (first && forwards && plan.tells_positions) {
      const auto position = first_position_to_tell(head, *request.from, *plan.count);
      if (position && !co_await responses.send({first_position_response(*position)})) co_return CallStatus{};
    }
    remaining -= std::min<std::uint64_t>(remaining, page->events.size());
    more = !page->end && !page->events.empty();
    if (more) {
      const std::uint64_t last = page->events.back().revision;
      more = forwards || last > 0;
      request.from = forwards ? last + 1 : last - 1;
    }
    auto batch = co_await to_responses(log, plan, std::move(page->events));
    if (!batch.ok()) co_return end_of(batch.failure(), plan);
    if (!co_await responses.send(std::move(*batch))) co_return CallStatus{};
  }
  if (plan.tells_positions && head.revision) co_await responses.send({last_position_response(*head.revision)});
  co_return CallStatus{};
}

Awaitable<CallStatus> read_all(EventLog& log, ReadPlan plan, ResponseStream& responses) {
  const bool forwards = plan.direction == Direction::forwards;
  const auto nothing = forwards ? ReadPlan::Start::end : ReadPlan::Start::start;
  if (plan.start == nothing || *plan.count == 0) co_return CallStatus{};
  const auto start = co_await exclusive_start(log, plan);
  if (!start.ok()) co_return end_of(start.failure(), plan);
  ReadAll request{plan.direction, *start, page_size};
  std::uint64_t remaining = *plan.count;
  for (bool more = true; more && remaining > 0;) {
    if (!plan.filter) request.max_count = std::min(remaining, page_size);
    auto page = co_await log.read_all(request);
    if (!page.ok()) co_return end_of(page.failure(), plan);
    more = !page->end && page->next != request.from;
    request.from = page->next;
    auto selected = select(plan, std::move(page->events), remaining);
    if (!selected.ok()) co_return end_of(selected.failure(), plan);
    remaining -= selected->size();
    auto batch = co_await to_responses(log, plan, std::move(*selected));
    if (!batch.ok()) co_return end_of(batch.failure(), plan);
    if (!co_await responses.send(std::move(*batch))) co_return CallStatus{};
  }
  co_return CallStatus{};
}

Awaitable<CallStatus> read(EventLog& log, ReadPlan plan, ResponseStream& responses) {
  const bool subscription = !plan.count;
  if (plan.stream) {
    co_return subscription ? co_await subscribe_stream(log, std::move(plan), responses)
                           : co_await read_stream(log, std::move(plan), responses);
  }
  co_return subscription ? co_await subscribe_all(log, std::move(plan), responses)
                         : co_await read_all(log, std::move(plan), responses);
}

}  // namespace twinstream::door
