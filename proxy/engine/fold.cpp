#include "proxy/engine/fold.h"

#include <algorithm>
#include <cstring>

#include "proxy/core/json.h"

namespace twinstream {
namespace {

std::uint64_t mix(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdull;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ull;
  return hash ^ (hash >> 33);
}

/// Two independent 64-bit digests of the same bytes, eight at a time. Not cryptographic: it guards against faults, and
/// what differs is read again and compared in full.
void add_bytes(Fold& fold, std::string_view bytes) {
  const auto add_word = [&](std::uint64_t word) {
    fold.digest_high = mix(fold.digest_high ^ word) + 0x9e3779b97f4a7c15ull;
    fold.digest_low = mix(fold.digest_low + word) * 0xd6e8feb86659fd93ull;
  };
  add_word(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
    add_word(word);
  }
}

std::string canonical_or_same(std::string text) {
  auto canonical = canonical_json(text);
  return canonical ? std::move(*canonical) : std::move(text);
}

/// Empty metadata and an empty object mean the same and cannot be told apart once a time was carried in them.
std::string normal_metadata(std::string metadata) {
  auto canonical = canonical_json(metadata);
  if (!canonical) return metadata;
  return *canonical == "{}" || *canonical == "null" ? std::string() : std::move(*canonical);
}

}  // namespace

Comparison comparison_of(const EventLog& postgres, const EventLog& eventstore) {
  Comparison comparison;
  comparison.exact_bytes = postgres.traits().exact_bytes && eventstore.traits().exact_bytes;
  comparison.same_ids = postgres.traits().keeps_event_ids && eventstore.traits().keeps_event_ids;
  comparison.times = postgres.traits().keeps_created;
  return comparison;
}

Comparable Comparison::comparable(const RecordedEvent& recorded, Side side) const {
  const Event& event = recorded.event;
  auto stripped = strip_original_created(event.metadata);
  Comparable result;
  if (same_ids) result.id = event.id.to_string();
  result.type = event.type;
  result.data = exact_bytes ? event.data : canonical_or_same(event.data);
  const bool wanted = times && original_created(recorded.stream);
  const bool carries_time = stripped.metadata.empty() || is_json_object(stripped.metadata);
  if (wanted && carries_time) {
    // Without the key, an event at EventStore was written there first: its own time is the time it happened.
    const auto happened = side == Side::eventstore && stripped.created ? stripped.created : event.created;
    if (happened) result.created = to_rfc3339(*happened);
  }
  result.metadata = normal_metadata(std::move(stripped.metadata));
  return result;
}

void add(Fold& fold, const RecordedEvent& event, const Comparable& comparable) {
  if (event.revision != fold.count) fold.contiguous = false;
  ++fold.count;
  add_bytes(fold, comparable.id);
  add_bytes(fold, comparable.type);
  add_bytes(fold, comparable.data);
  add_bytes(fold, comparable.metadata);
  add_bytes(fold, comparable.created);
}

std::string difference(const Comparable& postgres, const Comparable& eventstore) {
  const auto both = [](std::string_view what, const std::string& one, const std::string& other) {
    return std::string(what) + " is " + one + " in postgres and " + other + " in eventstore";
  };
  if (postgres.id != eventstore.id) return both("event id", postgres.id, eventstore.id);
  if (postgres.type != eventstore.type) return both("type", '"' + postgres.type + '"', '"' + eventstore.type + '"');
  if (postgres.data != eventstore.data) {
    return both("data", std::to_string(postgres.data.size()) + " bytes", std::to_string(eventstore.data.size()) + " other bytes");
  }
  if (postgres.metadata != eventstore.metadata) {
    return both("metadata", std::to_string(postgres.metadata.size()) + " bytes",
                std::to_string(eventstore.metadata.size()) + " other bytes");
  }
  return both("time", postgres.created, eventstore.created);
}

}  // namespace twinstream
