#include "config/findings.h"

#include <algorithm>
#include <tuple>

namespace twinstream {
namespace {

constexpr std::size_t shown_limit = 20;
constexpr std::size_t kept_limit = 1000;

}  // namespace

void Findings::add(std::string field, Place place, std::string text) {
  if (errors_.size() >= kept_limit) return;
  errors_.push_back({file_, place.line, place.column, std::move(field), std::move(text)});
}

void Findings::add(std::string field, std::string text) {
  const Place place = place_of(field);
  add(std::move(field), place, std::move(text));
}

std::vector<ConfigError> Findings::take() {
  std::sort(errors_.begin(), errors_.end(), [](const auto& a, const auto& b) {
    return std::tie(a.line, a.column, a.field, a.text) < std::tie(b.line, b.column, b.field, b.text);
  });
  if (errors_.size() > shown_limit) errors_.resize(shown_limit);
  return std::move(errors_);
}

Place Findings::place_of(std::string_view field) const {
  while (!field.empty()) {
    if (const auto found = places_.find(field); found != places_.end()) return found->second;
    const auto cut = field.find_last_of(".[");
    field = field.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
  return {};
}

}  // namespace twinstream
