#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/core/event_log.h"

// Link events: data `N@stream` points to the event with that revision.

namespace twinstream {

inline constexpr std::string_view link_type = "$>";

struct LinkTarget {
  std::uint64_t revision = 0;
  std::string stream;
};

std::optional<LinkTarget> parse_link(std::string_view data);
std::string link_data(const std::string& stream, std::uint64_t revision);

/// The event that a link's `data` points to; nothing when it cannot be seen (deleted, truncated, expired, never there).
Awaitable<Result<std::optional<RecordedEvent>>> follow_link(EventLog& log, std::string data);

}  // namespace twinstream
