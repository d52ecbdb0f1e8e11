#include "tests/simulation/history.h"

#include "proxy/core/json.h"

namespace twinstream::simulation {
namespace {

using Streams = std::map<std::string, std::vector<const RecordedEvent*>>;

Streams by_stream(const std::vector<RecordedEvent>& events) {
  Streams streams;
  for (const RecordedEvent& event : events) streams[event.stream].push_back(&event);
  return streams;
}

std::string comparable(const std::string& json, bool exact_bytes) {
  return exact_bytes ? json : canonical_json(json).value_or(json);
}

std::string different_event(const Event& postgres, const Event& eventstore, bool exact_bytes) {
  if (postgres.id != eventstore.id) return "another id";
  if (postgres.type != eventstore.type) return "another type";
  if (comparable(postgres.data, exact_bytes) != comparable(eventstore.data, exact_bytes)) return "other data";
  const auto carried = strip_original_created(eventstore.metadata);
  // Metadata that was empty has become an object that held nothing but the time.
  const bool was_empty = carried.created && postgres.metadata.empty() && carried.metadata == "{}";
  const bool same = comparable(postgres.metadata, exact_bytes) == comparable(carried.metadata, exact_bytes);
  if (!same && !was_empty) return "other metadata";
  if (carried.created && carried.created != postgres.created) return "another time";
  return {};
}

std::string describe(const Head& head) {
  constexpr const char* names[] = {"none", "live", "soft-deleted", "tombstoned"};
  return std::string(names[static_cast<int>(head.state)]) + " at " +
         (head.revision ? std::to_string(*head.revision) : "-") + " visible from " + std::to_string(head.first_visible);
}

}  // namespace

void History::violation(std::string what) { violations_.push_back(std::move(what)); }

void History::know(const std::string& stream, std::uint64_t revision) {
  auto [known, added] = heads_.emplace(stream, revision);
  if (!added) known->second = std::max(known->second, revision);
}

void History::promise(const EventId& id, Place place, const char* how) {
  const auto [known, added] = promised_.emplace(id, place);
  if (added || known->second == place) return;
  violation("event " + id.to_string() + " was at " + known->second.to_string() + " and is now " + how + " at " +
            place.to_string());
}

void History::accepted(const AppendRequest& request, const Appended& answer) {
  if (request.events.empty()) return;
  if (!answer.revision || *answer.revision + 1 < request.events.size()) {
    violation("an append of " + std::to_string(request.events.size()) + " events to " + request.stream +
              " was answered without a possible revision");
    return;
  }
  const std::uint64_t first = *answer.revision + 1 - request.events.size();
  for (std::size_t i = 0; i < request.events.size(); ++i) {
    promise(request.events[i].id, {request.stream, first + i}, "acknowledged");
  }
  know(request.stream, *answer.revision);
}

void History::refused(const AppendRequest& request, const Failure& failure) {
  for (const Event& event : request.events) {
    if (promised_.contains(event.id)) {
      violation("event " + event.id.to_string() + " was accepted and then refused: " + failure.reason);
    }
    refused_.insert(event.id);
  }
}

std::optional<std::uint64_t> History::known_head(const std::string& stream) const {
  const auto found = heads_.find(stream);
  if (found == heads_.end()) return std::nullopt;
  return found->second;
}

void History::read(const std::string& stream, std::optional<std::uint64_t> known, const Result<StreamPage>& answer) {
  if (!answer.ok()) {
    const bool gone =
        answer.failed_with(FailureCode::stream_not_found) || answer.failed_with(FailureCode::stream_deleted);
    if (gone && known && !deleted_.contains(stream)) {
      violation("stream " + stream + " had revision " + std::to_string(*known) + " and was not found by a later read");
    }
    return;
  }
  const Head& head = answer->head;
  if (known && (!head.revision || *head.revision < *known)) {
    violation("stream " + stream + " went back in time: revision " + std::to_string(*known) +
              " was known, a read shows " + describe(head));
  }
  for (const RecordedEvent& event : answer->events) promise(event.event.id, {stream, event.revision}, "read");
  if (head.revision) know(stream, *head.revision);
}

void History::judge(const std::string& store, const std::vector<RecordedEvent>& events,
                    const std::set<std::string>& exempt) {
  std::map<EventId, Place> found;
  for (const RecordedEvent& event : events) {
    const Place place{event.stream, event.revision};
    const auto [other, added] = found.emplace(event.event.id, place);
    if (!added) {
      violation(store + " holds event " + event.event.id.to_string() + " twice: at " + other->second.to_string() +
                " and at " + place.to_string());
    }
    if (refused_.contains(event.event.id)) {
      violation(store + " holds event " + event.event.id.to_string() + " at " + place.to_string() +
                " although it was refused");
    }
  }
  for (const auto& [id, place] : promised_) {
    if (exempt.contains(place.stream)) continue;
    const auto at = found.find(id);
    if (at == found.end()) {
      violation(store + " lost event " + id.to_string() + " promised at " + place.to_string());
    } else if (at->second != place) {
      violation(store + " has event " + id.to_string() + " at " + at->second.to_string() + ", promised at " +
                place.to_string());
    }
  }
}

std::vector<std::string> differences(const StoreContents& postgres, const StoreContents& eventstore,
                                     const std::set<std::string>& streams, bool exact_bytes) {
  std::vector<std::string> found;
  Streams ours = by_stream(postgres.events);
  Streams theirs = by_stream(eventstore.events);
  for (const std::string& stream : streams) {
    const Head our_head = postgres.heads.contains(stream) ? postgres.heads.at(stream) : Head{};
    const Head their_head = eventstore.heads.contains(stream) ? eventstore.heads.at(stream) : Head{};
    const bool both_tombstoned =
        our_head.state == Head::State::tombstoned && their_head.state == Head::State::tombstoned;
    if (both_tombstoned) continue;  // nothing of it can be read any more, by anybody
    if (our_head != their_head) {
      found.push_back("stream " + stream + ": postgres is " + describe(our_head) + ", eventstore is " +
                      describe(their_head));
      continue;
    }
    const auto& left = ours[stream];
    const auto& right = theirs[stream];
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      const std::string what = left[i]->revision != i || right[i]->revision != i
                                   ? "another revision"
                                   : different_event(left[i]->event, right[i]->event, exact_bytes);
      if (!what.empty()) found.push_back("stream " + stream + " has " + what + " at revision " + std::to_string(i));
    }
    if (left.size() != right.size()) {
      found.push_back("stream " + stream + ": postgres has " + std::to_string(left.size()) +
                      " events, eventstore has " + std::to_string(right.size()));
    }
  }
  return found;
}

}  // namespace twinstream::simulation
