#include "adapters/postgres/known_heads.h"

#include <string_view>

namespace twinstream::postgres {
namespace {

bool fits(const ExpectedRevision& expected, std::uint64_t head) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any:
    case ExpectedRevision::Kind::stream_exists: return true;
    case ExpectedRevision::Kind::no_stream: return false;
    case ExpectedRevision::Kind::exact: break;
  }
  return expected.revision == head;
}

}  // namespace

std::optional<std::vector<std::uint64_t>> KnownHeads::places(const Requests& requests) const {
  std::vector<std::uint64_t> places;
  places.reserve(requests.size());
  std::unordered_map<std::string_view, std::uint64_t> heads;
  for (const auto* request : requests) {
    auto at = heads.find(request->stream);
    if (at == heads.end()) {
      const auto head = get(request->stream);
      if (!head) return std::nullopt;
      at = heads.emplace(request->stream, *head).first;
    }
    if (request->events.empty() || !fits(request->expected, at->second)) return std::nullopt;
    places.push_back(at->second + 1);
    at->second += request->events.size();
  }
  return places;
}

void KnownHeads::learn(const Requests& requests, const std::vector<Result<Appended>>& answers) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& answer = answers[i];
    // A repetition answers the revision of its first time; others may stand above it.
    if (answer.ok() && !answer->duplicate && answer->revision) set(requests[i]->stream, *answer->revision);
  }
}

void KnownHeads::clear() {
  recent_.clear();
  older_.clear();
}

std::optional<std::uint64_t> KnownHeads::get(const std::string& stream) const {
  if (const auto found = recent_.find(stream); found != recent_.end()) return found->second;
  if (const auto found = older_.find(stream); found != older_.end()) return found->second;
  return std::nullopt;
}

/// Two generations stand in for a list in order of use: when the recent one is full, it takes the older one's place.
void KnownHeads::set(const std::string& stream, std::uint64_t head) {
  if (recent_.size() >= limit_ / 2) {
    older_ = std::move(recent_);
    recent_ = {};
  }
  recent_.insert_or_assign(stream, head);
}

}  // namespace twinstream::postgres
