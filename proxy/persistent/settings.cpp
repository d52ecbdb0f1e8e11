#include "proxy/persistent/settings.h"

#include <array>
#include <charconv>
#include <utility>

namespace twinstream::persistent {
namespace {

constexpr std::array<std::pair<Strategy, std::string_view>, 4> strategy_names{{
    {Strategy::round_robin, "RoundRobin"},
    {Strategy::dispatch_to_single, "DispatchToSingle"},
    {Strategy::pinned, "Pinned"},
    {Strategy::pinned_by_correlation, "PinnedByCorrelation"},
}};

constexpr std::string_view group_stream_prefix = "$persistentsubscription-";

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// `C:x/P:y`
std::optional<Position> parse_position(std::string_view text) {
  const auto slash = text.find("/P:");
  if (!text.starts_with("C:") || slash == std::string_view::npos) return std::nullopt;
  const auto commit = parse_number(text.substr(2, slash - 2));
  const auto prepare = parse_number(text.substr(slash + 3));
  if (!commit || !prepare) return std::nullopt;
  return Position{*commit, *prepare};
}

std::string position_text(const Position& position) {
  return "C:" + std::to_string(position.commit) + "/P:" + std::to_string(position.prepare);
}

}  // namespace

std::optional<Strategy> parse_strategy(std::string_view name) {
  for (const auto& [strategy, text] : strategy_names) {
    if (text == name) return strategy;
  }
  return std::nullopt;
}

std::string_view to_string(Strategy strategy) {
  for (const auto& [known, text] : strategy_names) {
    if (known == strategy) return text;
  }
  return "";
}

std::optional<std::string> Settings::problem() const {
  const std::pair<std::string_view, std::int64_t> numbers[] = {
      {"the message timeout", message_timeout.count()}, {"the maximum retry count", max_retry_count},
      {"checkpoint after", checkpoint_after.count()},   {"the minimum checkpoint count", min_checkpoint_count},
      {"the maximum checkpoint count", max_checkpoint_count}, {"the maximum subscriber count", max_subscriber_count},
      {"the live buffer size", live_buffer_size},       {"the history buffer size", history_buffer_size},
  };
  for (const auto& [name, value] : numbers) {
    if (value < 0) return std::string(name) + " is negative";
  }
  if (read_batch_size < 1) return "the read batch size is less than 1";
  if (read_batch_size >= history_buffer_size) return "the read batch size is not less than the history buffer size";
  return std::nullopt;
}

std::string place_text(const GroupName& name, const Place& place) {
  if (!name.is_all()) return place.next_revision == 0 ? "" : std::to_string(place.next_revision - 1);
  return place.position == Position::start() ? "" : position_text(place.position);
}

std::optional<Place> parse_place(const GroupName& name, std::string_view text) {
  if (name.is_all()) {
    const auto position = parse_position(text);
    return position ? std::optional(Place{0, *position}) : std::nullopt;
  }
  const auto revision = parse_number(text);
  return revision ? std::optional(Place{*revision + 1, {}}) : std::nullopt;
}

std::string start_text(const GroupName& name, const Start& start) {
  if (start.kind == Start::Kind::end) return name.is_all() ? "C:-1/P:-1" : "-1";
  const bool at = start.kind == Start::Kind::at;
  if (name.is_all()) return position_text(at ? start.position : Position::start());
  return at ? std::to_string(start.revision) : "0";
}

std::optional<Start> parse_start(const GroupName& name, std::string_view text) {
  if (text == "-1" || text == "C:-1/P:-1") return Start{Start::Kind::end, 0, {}};
  if (name.is_all()) {
    const auto position = parse_position(text);
    if (!position) return std::nullopt;
    return *position == Position::start() ? Start{Start::Kind::beginning, 0, {}} : Start{Start::Kind::at, 0, *position};
  }
  const auto revision = parse_number(text);
  if (!revision) return std::nullopt;
  return *revision == 0 ? Start{Start::Kind::beginning, 0, {}} : Start{Start::Kind::at, *revision, {}};
}

std::string config_stream(std::string_view prefix) { return std::string(prefix) + "$persistentSubscriptionConfig"; }

std::string checkpoint_stream(std::string_view prefix, const GroupName& name) {
  return std::string(prefix) + std::string(group_stream_prefix) + name.text() + "-checkpoint";
}

std::string parked_stream(std::string_view prefix, const GroupName& name) {
  return std::string(prefix) + std::string(group_stream_prefix) + name.text() + "-parked";
}

bool is_bookkeeping_of_all(std::string_view prefix, std::string_view stream) {
  if (!stream.starts_with(prefix)) return false;
  stream.remove_prefix(prefix.size());
  if (!stream.starts_with(std::string(group_stream_prefix) + std::string(all_source) + "::")) return false;
  return stream.ends_with("-checkpoint") || stream.ends_with("-parked");
}

}  // namespace twinstream::persistent
