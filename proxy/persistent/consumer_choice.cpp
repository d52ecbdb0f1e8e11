#include "proxy/persistent/consumer_choice.h"

#include <boost/json.hpp>

#include "proxy/core/links.h"

namespace twinstream::persistent {
namespace {

/// FNV-1a: the same on every machine and in every run.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

std::uint64_t mix(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  value = (value ^ value >> 27) * 0x94d049bb133111ebu;
  return value ^ value >> 31;
}

std::string source_stream(const RecordedEvent& recorded) {
  const auto link = recorded.event.type == link_type ? parse_link(recorded.event.data) : std::nullopt;
  return link ? link->stream : recorded.stream;
}

std::optional<std::string> correlation_of(const RecordedEvent& recorded) {
  boost::json::error_code error;
  const auto value = boost::json::parse(recorded.event.metadata, error);
  if (error || !value.is_object()) return std::nullopt;
  const auto* id = value.get_object().if_contains("$correlationId");
  if (!id || !id->is_string()) return std::nullopt;
  return std::string(id->get_string());
}

}  // namespace

std::uint64_t pin_of(Strategy strategy, const Payload& payload) {
  const RecordedEvent& recorded = payload.target ? *payload.target : payload.original;
  if (strategy == Strategy::pinned_by_correlation) {
    if (const auto correlation = correlation_of(recorded)) return hash_of(*correlation);
  }
  const bool pinned = strategy == Strategy::pinned || strategy == Strategy::pinned_by_correlation;
  return pinned ? hash_of(source_stream(recorded)) : 0;
}

std::optional<std::size_t> ConsumerChoice::next_in_turn(const std::vector<Candidate>& candidates) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].free) continue;
    if (candidates[i].id > last_) return i;
    if (!first) first = i;
  }
  return first;
}

std::optional<std::size_t> ConsumerChoice::choose(const std::vector<Candidate>& candidates, std::uint64_t pin) {
  switch (strategy_) {
    case Strategy::dispatch_to_single:
      for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].free) return i;
      }
      return std::nullopt;
    case Strategy::round_robin: {
      const auto chosen = next_in_turn(candidates);
      if (chosen) last_ = candidates[*chosen].id;
      return chosen;
    }
    case Strategy::pinned:
    case Strategy::pinned_by_correlation: break;
  }
  // Highest random weight: a consumer that comes or goes moves only the share that it gets or had.
  std::optional<std::size_t> best;
  std::uint64_t best_weight = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint64_t weight = mix(pin ^ mix(candidates[i].id));
    if (best && weight <= best_weight) continue;
    best = i;
    best_weight = weight;
  }
  return best && candidates[*best].free ? best : std::nullopt;
}

}  // namespace twinstream::persistent
