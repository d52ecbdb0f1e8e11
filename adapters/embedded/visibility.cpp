#include "adapters/embedded/visibility.h"

#include <algorithm>

namespace twinstream::embedded {

std::uint64_t first_visible(EventTable& table, const StreamState& state) {
  const StreamMetadata& metadata = state.metadata;
  std::uint64_t first = metadata.truncate_before;
  if (metadata.max_count && *metadata.max_count <= *state.last) {
    first = std::max(first, *state.last - *metadata.max_count + 1);
  }
  if (!metadata.max_age_seconds) return first;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto since_epoch = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.time_since_epoch().count()));
  if (*metadata.max_age_seconds > since_epoch / 1'000'000) return first;
  return first_younger_than(table, state, now - std::chrono::seconds(*metadata.max_age_seconds), first);
}

/// By bisection: in a stream the times never go back. Revisions that were scavenged count as old.
std::uint64_t first_younger_than(EventTable& table, const StreamState& state, Timestamp limit, std::uint64_t low) {
  std::uint64_t high = std::max(low, state.next());
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (table.created_at(*state.key, middle) < limit) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace twinstream::embedded
