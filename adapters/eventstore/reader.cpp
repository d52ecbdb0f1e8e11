#include "adapters/eventstore/reader.h"

#include <algorithm>

#include "adapters/eventstore/retried_read.h"
#include "adapters/eventstore/wire.h"

namespace twinstream::eventstore {
namespace {

using std::chrono::milliseconds;

/// Far above every real revision, and below what servers refuse.
constexpr std::uint64_t beyond_every_head = 1ull << 62;

Failure stream_not_found() { return {FailureCode::stream_not_found, "the stream has no visible events", {}}; }

std::uint64_t one_more(std::size_t count) {
  constexpr std::uint64_t most = 1ull << 53;  // what the official clients send for "all"
  return std::min<std::uint64_t>(count, most) + 1;
}

ReadQuery stream_query(const ReadStream& request) {
  ReadQuery query{request.stream, request.direction, FromStart{}};
  if (request.from) {
    query.from = std::min(*request.from, beyond_every_head);
  } else if (request.direction == Direction::backwards) {
    query.from = FromEnd{};
  }
  return query;
}

ReadQuery all_query(const ReadAll& request) {
  ReadQuery query{std::nullopt, request.direction, request.from};
  if (request.from == Position::start()) query.from = FromStart{};
  if (request.from == Position::end()) query.from = FromEnd{};
  return query;
}

/// Takes at most `count` events; whether that was all.
bool cut(std::vector<RecordedEvent>& events, std::size_t count) {
  if (events.size() <= count) return true;
  events.resize(count);
  return false;
}

/// What the page itself shows of where visible events begin; nothing when it does not show it.
std::optional<std::uint64_t> first_visible(const ReadStream& request, const StreamPage& page,
                                           const ReadAnswer& answer) {
  if (request.direction == Direction::backwards) {
    if (!page.end || page.events.empty()) return std::nullopt;
    return page.events.back().revision;
  }
  const std::uint64_t from = request.from.value_or(0);
  if (!page.events.empty() && (from == 0 || page.events.front().revision > from)) return page.events.front().revision;
  if (page.events.empty() && from == 0) return answer.first_revision;
  return std::nullopt;
}

}  // namespace

Reader::Reader(Cluster& cluster, Appender& appender, milliseconds connect_timeout, milliseconds read_timeout)
    : cluster_(cluster), appender_(appender), connect_timeout_(connect_timeout), read_timeout_(read_timeout) {}

Awaitable<Result<ReadAnswer>> Reader::read(ReadQuery query, std::uint64_t count) {
  return retried_read(cluster_, std::move(query), count, std::chrono::steady_clock::now() + connect_timeout_,
                      read_timeout_);
}

Awaitable<Result<StreamPage>> Reader::read_stream(ReadStream request) {
  auto answer = co_await read(stream_query(request), one_more(request.max_count));
  if (!answer) co_return answer.failure();
  StreamPage page;
  if (answer->stream_not_found) {
    if (!request.include_hidden) co_return stream_not_found();
    auto head = co_await invisible_head(request.stream);
    if (!head) co_return head.failure();
    if (head->state != Head::State::soft_deleted) co_return stream_not_found();
    co_return StreamPage{{}, *head, true};
  }
  page.events = std::move(answer->events);
  page.end = cut(page.events, request.max_count);
  auto head = co_await head_of_page(request, page, *answer);
  if (!head) co_return head.failure();
  page.head = *head;
  co_return page;
}

/// The head as of the read; where visible events begin takes a second read unless the page shows it.
Awaitable<Result<Head>> Reader::head_of_page(ReadStream request, const StreamPage& page, const ReadAnswer& answer) {
  const auto shown = first_visible(request, page, answer);
  if (shown && answer.last_revision) co_return Head{Head::State::live, answer.last_revision, *shown};
  auto head = co_await this->head(request.stream);
  if (head && answer.last_revision) head->revision = answer.last_revision;
  co_return head;
}

Awaitable<Result<Head>> Reader::head(std::string stream) {
  // The first visible event and the last revision come in one forward read.
  auto answer = co_await read({stream, Direction::forwards, FromStart{}}, 1);
  if (answer.failed_with(FailureCode::stream_deleted)) co_return Head{Head::State::tombstoned, std::nullopt, 0};
  if (!answer) co_return answer.failure();
  if (answer->stream_not_found) co_return co_await invisible_head(stream);
  const auto last = co_await last_revision(stream, *answer);
  if (!last) co_return last.failure();
  const std::uint64_t first =
      answer->events.empty() ? answer->first_revision.value_or(*last + 1) : answer->events.front().revision;
  co_return Head{Head::State::live, *last, first};
}

/// Servers before 21.10 do not say it along with a read.
Awaitable<Result<std::uint64_t>> Reader::last_revision(std::string stream, const ReadAnswer& answer) {
  if (answer.last_revision) co_return *answer.last_revision;
  auto backwards = co_await read({stream, Direction::backwards, FromEnd{}}, 1);
  if (!backwards) co_return backwards.failure();
  if (backwards->events.empty()) co_return stream_not_found();
  co_return backwards->events.front().revision;
}

/// A stream that cannot be read: it never existed, or it is soft-deleted, which only its metadata tells.
Awaitable<Result<Head>> Reader::invisible_head(std::string stream) {
  auto text = co_await metadata(stream);
  if (text.failed_with(FailureCode::stream_deleted)) co_return Head{Head::State::tombstoned, std::nullopt, 0};
  if (!text) co_return text.failure();
  if (truncated_before(*text) != deleted_revision) co_return Head{};
  co_return co_await probe_soft_deleted(stream);
}

/// No read tells the last revision of a soft-deleted stream. An empty append that expects too much does: it is refused
/// with the revision, and writes nothing.
Awaitable<Result<Head>> Reader::probe_soft_deleted(std::string stream) {
  std::vector<AppendRequest> probe;
  probe.push_back({stream, ExpectedRevision::exact(beyond_every_head), {}});
  const auto answers = co_await appender_.append(std::move(probe), 0);
  const Result<Appended>& answer = answers.front();
  if (answer.failed_with(FailureCode::stream_deleted)) co_return Head{Head::State::tombstoned, std::nullopt, 0};
  if (!answer.failed_with(FailureCode::wrong_expected_revision)) {
    if (!answer) co_return answer.failure();
    co_return Failure{FailureCode::unavailable, "EventStore accepted an impossible expectation", {}};
  }
  const auto last = answer.failure().actual;
  co_return Head{Head::State::soft_deleted, last, last ? *last + 1 : 0};
}

Awaitable<Result<std::string>> Reader::metadata(std::string stream) {
  if (stream.starts_with("$$")) co_return std::string{};  // metadata has none of its own
  auto answer = co_await read({"$$" + stream, Direction::backwards, FromEnd{}}, 1);
  if (!answer) co_return answer.failure();
  if (answer->events.empty()) co_return std::string{};
  const Event& event = answer->events.front().event;
  const bool valid = event.type == "$metadata" && event.content_type == ContentType::json;
  co_return valid ? event.data : std::string{};
}

Awaitable<Result<AllPage>> Reader::read_all(ReadAll request) {
  // Forwards the protocol includes the start position: one more, which is dropped; and one to see whether more follows.
  const bool forwards = request.direction == Direction::forwards;
  auto answer = co_await read(all_query(request), one_more(request.max_count) + (forwards ? 1 : 0));
  if (!answer) co_return answer.failure();
  AllPage page{std::move(answer->events), request.from, false};
  if (forwards) std::erase_if(page.events, [&](const RecordedEvent& event) { return event.position <= request.from; });
  page.end = cut(page.events, request.max_count);
  if (!page.events.empty()) page.next = page.events.back().position;
  co_return page;
}

Awaitable<Result<Position>> Reader::tip() {
  auto answer = co_await read({std::nullopt, Direction::backwards, FromEnd{}}, 1);
  if (!answer) co_return answer.failure();
  co_return answer->events.empty() ? Position::start() : answer->events.front().position;
}

}  // namespace twinstream::eventstore
