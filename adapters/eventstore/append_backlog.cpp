#include "adapters/eventstore/append_backlog.h"

#include <algorithm>

namespace twinstream::eventstore {

using Stage = PendingAppend::Stage;

void AppendBacklog::add(PendingPtr pending) {
  pending->place = pending_.insert(pending_.end(), pending);
  const auto [lane, first] = lanes_.try_emplace(pending->request.stream);
  if (first) {
    pending->stage = Stage::ready;
    ready_.push_back(std::move(pending));
  } else {
    lane->second.push_back(std::move(pending));
  }
}

PendingPtr AppendBacklog::take_ready() {
  PendingPtr pending = std::move(ready_.front());
  ready_.pop_front();
  return pending;
}

void AppendBacklog::retry(PendingPtr pending) {
  pending->stage = Stage::ready;
  ready_.push_front(std::move(pending));
}

void AppendBacklog::finish(const PendingPtr& pending) {
  const Stage stage = std::exchange(pending->stage, Stage::done);
  pending_.erase(pending->place);
  const auto lane = lanes_.find(pending->request.stream);
  if (stage == Stage::waiting) {
    std::erase(lane->second, pending);
    return;
  }
  if (stage == Stage::ready) std::erase(ready_, pending);
  if (lane->second.empty()) {
    lanes_.erase(lane);
    return;
  }
  PendingPtr next = std::move(lane->second.front());
  lane->second.pop_front();
  next->stage = Stage::ready;
  ready_.push_back(std::move(next));
}

std::vector<PendingPtr> AppendBacklog::expired(SteadyTime now) const {
  const auto first_live = std::find_if(pending_.begin(), pending_.end(),
                                       [now](const PendingPtr& pending) { return pending->deadline > now; });
  return {pending_.begin(), first_live};
}

}  // namespace twinstream::eventstore
