#include "config/config.h"

#include <algorithm>
#include <array>

namespace twinstream {

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::observe: return "observe";
    case Phase::dual_write: return "dual-write";
    case Phase::backfill: return "backfill";
    case Phase::read_switch: return "read-switch";
    case Phase::retire: return "retire";
  }
  return "observe";
}

std::string_view to_string(Ack ack) { return ack == Ack::both ? "both" : "authority"; }

std::string_view to_string(ReadSource source) {
  switch (source) {
    case ReadSource::backend: return "backend";
    case ReadSource::postgres: return "postgres";
    case ReadSource::eventstore: return "eventstore";
  }
  return "backend";
}

std::optional<Phase> parse_phase(std::string_view text) {
  constexpr std::array phases{Phase::observe, Phase::dual_write, Phase::backfill, Phase::read_switch, Phase::retire};
  const auto found =
      std::find_if(phases.begin(), phases.end(), [text](Phase phase) { return to_string(phase) == text; });
  if (found == phases.end()) return std::nullopt;
  return *found;
}

const CategoryConfig& Config::category(std::string_view name) const {
  static const CategoryConfig observed{};
  const auto entry = [this](std::string_view wanted) {
    return std::find_if(categories.begin(), categories.end(),
                        [wanted](const auto& each) { return each.name == wanted; });
  };
  if (const auto named = entry(name); named != categories.end()) return *named;
  if (const auto others = entry("*"); others != categories.end()) return *others;
  return observed;
}

}  // namespace twinstream
