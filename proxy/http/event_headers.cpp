#include "proxy/http/event_headers.h"

#include <algorithm>
#include <charconv>

#include "proxy/http/json_text.h"

namespace twinstream::http {
namespace {

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Of a list that several proxies have added to, the one nearest to the client.
std::string_view first_item(std::string_view list) { return trim(list.substr(0, list.find(','))); }

std::string without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  return std::string(host.substr(0, has_port ? colon : host.size()));
}

}  // namespace

std::optional<std::string_view> event_header(const Fields& headers, std::string_view name) {
  for (const std::string_view prefix : {"Kurrent-", "ES-"}) {
    if (const auto value = headers.get(std::string(prefix).append(name))) return trim(*value);
  }
  return std::nullopt;
}

std::optional<ExpectedRevision> parse_expected_version(std::string_view text) {
  const auto version = parse_integer(text);
  if (!version) return std::nullopt;
  if (*version >= 0) return ExpectedRevision::exact(static_cast<std::uint64_t>(*version));
  if (*version == -1) return ExpectedRevision::no_stream();
  if (*version == -2) return ExpectedRevision::any();
  if (*version == -4) return ExpectedRevision::stream_exists();
  return std::nullopt;
}

std::optional<EventId> parse_event_id(std::string_view text) {
  const auto id = EventId::parse(text);
  return id && !id->is_nil() ? id : std::nullopt;
}

std::optional<bool> parse_flag(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "true") return true;
  if (lower == "false") return false;
  return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  const auto value = parse_integer(text);
  if (!value || *value < 0 || text.front() == '-') return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::string public_base(const Fields& headers) {
  const auto field = [&](std::string_view name) { return first_item(headers.get(name).value_or("")); };
  std::string_view scheme = field("X-Forwarded-Proto");
  std::string host(field("X-Forwarded-Host"));
  if (host.empty()) host = trim(headers.get("Host").value_or("localhost"));
  if (const auto port = field("X-Forwarded-Port"); !port.empty()) host = without_port(host).append(":").append(port);
  std::string_view prefix = field("X-Forwarded-Prefix");
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  std::string base = std::string(scheme.empty() ? "http" : scheme).append("://").append(host);
  if (!prefix.empty()) base.append("/").append(prefix);
  return base;
}

}  // namespace twinstream::http
