#include "proxy/core/links.h"

#include <charconv>

namespace twinstream {

std::optional<LinkTarget> parse_link(std::string_view data) {
  LinkTarget target;
  const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), target.revision);
  if (error != std::errc() || end == data.data() + data.size() || *end != '@') return std::nullopt;
  target.stream = data.substr(static_cast<std::size_t>(end + 1 - data.data()));
  if (target.stream.empty()) return std::nullopt;
  return target;
}

std::string link_data(const std::string& stream, std::uint64_t revision) {
  return std::to_string(revision) + "@" + stream;
}

Awaitable<Result<std::optional<RecordedEvent>>> follow_link(EventLog& log, std::string data) {
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

}  // namespace twinstream
