#include "adapters/postgres/delivered.h"

#include <functional>

namespace twinstream::postgres {

void DeliveredPositions::add(std::uint64_t position) {
  if (contains(position)) return;
  auto after = intervals_.upper_bound(position);
  std::uint64_t last = position;
  if (after != intervals_.end() && after->first == position + 1) {
    last = after->second;
    after = intervals_.erase(after);
  }
  if (after != intervals_.begin()) {
    const auto before = std::prev(after);
    if (before->second + 1 == position) {
      before->second = last;
      return;
    }
  }
  intervals_.emplace(position, last);
}

bool DeliveredPositions::contains(std::uint64_t position) const {
  const auto after = intervals_.upper_bound(position);
  return after != intervals_.begin() && std::prev(after)->second >= position;
}

void DeliveredPositions::drop_up_to(std::uint64_t low) {
  while (!intervals_.empty() && intervals_.begin()->first <= low) {
    const auto last = intervals_.begin()->second;
    intervals_.erase(intervals_.begin());
    if (last > low) intervals_.emplace(low + 1, last);
  }
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> DeliveredPositions::holes(std::uint64_t low,
                                                                               std::uint64_t edge) const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes;
  for (const auto& [first, last] : intervals_) {
    if (first > edge) break;
    if (first > low + 1) holes.emplace_back(low, first);
    low = last;
  }
  if (low < edge) holes.emplace_back(low, edge + 1);
  return holes;
}

std::optional<std::uint64_t> DeliveredHeads::get(std::string_view stream) const {
  const auto key = std::hash<std::string_view>{}(stream);
  if (const auto found = recent_.find(key); found != recent_.end()) return found->second;
  if (const auto found = older_.find(key); found != older_.end()) return found->second;
  return std::nullopt;
}

/// Two generations stand in for a list in order of use: when the recent one is full, it takes the older one's place.
void DeliveredHeads::set(std::string_view stream, std::uint64_t revision) {
  if (recent_.size() >= limit_ / 2) {
    forgot_ = forgot_ || !older_.empty();
    older_ = std::move(recent_);
    recent_ = {};
  }
  recent_[std::hash<std::string_view>{}(stream)] = revision;
}

}  // namespace twinstream::postgres
