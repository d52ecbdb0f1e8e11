#include "proxy/http/negotiation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "proxy/http/json_text.h"
#include "proxy/http/tokens.h"

namespace twinstream::http {
namespace {

constexpr std::string_view description_type = "application/vnd.eventstore.streamdesc+json";
constexpr std::string_view atom_type = "application/vnd.eventstore.atom+json";
constexpr std::size_t accept_range_limit = 64;

constexpr std::array<MediaType, 5> feed_offers{{
    {description_type, Representation::description},
    {"application/vnd.kurrent.streamdesc+json", Representation::description},
    {atom_type, Representation::atom},
    {"application/vnd.kurrent.atom+json", Representation::atom},
    {"application/json", Representation::atom},
}};

constexpr std::array<MediaType, 6> event_offers{{
    {atom_type, Representation::atom},
    {"application/vnd.kurrent.atom+json", Representation::atom},
    {"application/json", Representation::json},
    {"application/vnd.eventstore.event+json", Representation::event},
    {"application/vnd.kurrent.event+json", Representation::event},
    {"application/octet-stream", Representation::binary},
}};

constexpr auto nothing = Representation::empty;
constexpr std::array<MediaType, 16> write_offers{{
    {description_type, nothing},
    {"application/vnd.kurrent.streamdesc+json", nothing},
    {"application/atom+xml", nothing},
    {atom_type, nothing},
    {"application/vnd.kurrent.atom+json", nothing},
    {"text/xml", nothing},
    {"application/xml", nothing},
    {"application/json", nothing},
    {"application/vnd.eventstore.event+xml", nothing},
    {"application/vnd.eventstore.event+json", nothing},
    {"application/vnd.kurrent.event+json", nothing},
    {"application/vnd.eventstore.events+xml", nothing},
    {"application/vnd.eventstore.events+json", nothing},
    {"application/vnd.kurrent.events+json", nothing},
    {"application/octet-stream", nothing},
    {"text/plain", nothing},
}};

/// Takes what stands before the separator off the front.
std::string_view next_part(std::string_view& text, char separator) {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return trim(part);
}

struct Range {
  std::string_view type;
  double quality = 1;
};

Range parse_range(std::string_view text) {
  Range range{next_part(text, ';')};
  while (!text.empty()) {
    std::string_view parameter = next_part(text, ';');
    if (!same_token(next_part(parameter, '='), "q")) continue;
    const auto [end, error] = std::from_chars(parameter.data(), parameter.data() + parameter.size(), range.quality);
    if (error != std::errc{}) range.quality = 0;
  }
  return range;
}

/// By falling quality; what is equally good stays in the order of the header.
std::vector<Range> parse_accept(std::string_view accept) {
  const auto better = [](const Range& a, const Range& b) { return a.quality > b.quality; };
  std::vector<Range> ranges;
  while (!accept.empty() && ranges.size() < accept_range_limit) {
    const Range range = parse_range(next_part(accept, ','));
    if (range.quality > 0) ranges.insert(std::upper_bound(ranges.begin(), ranges.end(), range, better), range);
  }
  return ranges;
}

bool fits(std::string_view range, std::string_view type) {
  const std::string_view wanted_main = next_part(range, '/');
  const std::string_view main = next_part(type, '/');
  return (wanted_main == "*" || same_token(wanted_main, main)) && (range == "*" || same_token(range, type));
}

std::optional<MediaType> find_offer(std::span<const MediaType> offers, std::string_view range) {
  const auto offer =
      std::find_if(offers.begin(), offers.end(), [&](const auto& each) { return fits(range, each.name); });
  if (offer == offers.end()) return std::nullopt;
  return *offer;
}

std::string_view type_of_format(std::string_view format) {
  if (format == "json") return "application/json";
  if (format == "atomxj") return atom_type;
  if (format == "xml") return "text/xml";
  if (format == "atom") return "application/atom+xml";
  if (format == "text") return "text/plain";
  return "unknown/format";
}

bool is_utf8_charset(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view value = next_part(parameters, ';');
    if (!same_token(next_part(value, '='), "charset")) continue;
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (!same_token(value, "utf-8")) return false;
  }
  return true;
}

}  // namespace

std::optional<BodyType> body_type(const Fields& headers) {
  std::string_view parameters = headers.get("Content-Type").value_or("");
  const std::string_view type = next_part(parameters, ';');
  if (!is_utf8_charset(parameters)) return std::nullopt;
  if (type == "application/json") return BodyType::json;
  if (type == "application/octet-stream") return BodyType::binary;
  if (type == "text/xml" || type == "application/xml") return BodyType::xml;
  for (const std::string_view family : {"application/vnd.eventstore.", "application/vnd.kurrent."}) {
    if (!type.starts_with(family)) continue;
    const std::string_view name = type.substr(family.size());
    if (name == "events+json" || name == "event+json") return BodyType::batch;
  }
  return std::nullopt;
}

std::span<const MediaType> feed_types() { return feed_offers; }
std::span<const MediaType> event_types() { return event_offers; }
std::span<const MediaType> write_types() { return write_offers; }

std::optional<MediaType> negotiate(const Request& request, std::span<const MediaType> offers) {
  if (const auto format = query_value(request.query(), "format")) return find_offer(offers, type_of_format(*format));
  const auto accept = request.headers.get("Accept");
  if (!accept) return offers.front();
  for (const Range& range : parse_accept(*accept)) {
    if (auto offer = find_offer(offers, range.type)) return offer;
  }
  return std::nullopt;
}

bool accepts_anything(const Fields& headers) {
  const auto accept = headers.get("Accept");
  return !accept || accept->find("*/*") != std::string_view::npos;
}

}  // namespace twinstream::http
