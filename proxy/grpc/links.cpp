#include <charconv>

#include "proxy/grpc/reading.h"

namespace twinstream::door {
namespace {

constexpr std::string_view link_type = "$>";

struct LinkTarget {
  std::uint64_t revision = 0;
  std::string stream;
};

/// `N@stream`
std::optional<LinkTarget> parse_link(std::string_view data) {
  LinkTarget target;
  const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), target.revision);
  if (error != std::errc() || end == data.data() + data.size() || *end != '@') return std::nullopt;
  target.stream = data.substr(static_cast<std::size_t>(end + 1 - data.data()));
  if (target.stream.empty()) return std::nullopt;
  return target;
}

/// Nothing when the target cannot be seen (deleted, truncated, expired, never there).
Awaitable<Result<std::optional<RecordedEvent>>> follow(EventLog& log, std::string data) {
  using Target = std::optional<RecordedEvent>;
  const auto target = parse_link(data);
  if (!target) co_return Target();
  auto page = co_await log.read_stream({target->stream, Direction::forwards, target->revision, 1, false});
  if (page.failed_with(FailureCode::stream_not_found) || page.failed_with(FailureCode::stream_deleted)) {
    co_return Target();
  }
  if (!page.ok()) co_return page.failure();
  const bool found = !page->events.empty() && page->events.front().revision == target->revision;
  co_return found ? Target(std::move(page->events.front())) : Target();
}

}  // namespace

Awaitable<Result<ResponseStream::Batch>> to_responses(EventLog& log, const ReadPlan& plan,
                                                      std::vector<RecordedEvent> events) {
  ResponseStream::Batch batch;
  batch.reserve(events.size());
  for (RecordedEvent& recorded : events) {
    if (!plan.resolve_links || recorded.event.type != link_type) {
      batch.push_back(to_response(std::move(recorded), std::nullopt, plan.string_ids));
      continue;
    }
    auto target = co_await follow(log, recorded.event.data);
    if (!target.ok()) co_return target.failure();
    batch.push_back(to_response(std::move(*target), std::move(recorded), plan.string_ids));
  }
  co_return batch;
}

}  // namespace twinstream::door
