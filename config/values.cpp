#include "config/values.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <numeric>
#include <utility>
#include <vector>

namespace twinstream {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

/// A number with one of the units; whether it may stand without one is for the caller (a unit without a name).
template <std::size_t size>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, size>& units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  text.remove_prefix(digits);
  if (text.starts_with(' ')) text.remove_prefix(1);
  const auto unit = std::find_if(units.begin(), units.end(), [text](const Unit& each) { return each.name == text; });
  if (!number || unit == units.end() || *number > UINT64_MAX / unit->factor) return std::nullopt;
  return *number * unit->factor;
}

std::string duration_text(std::chrono::milliseconds value) {
  constexpr std::array units{Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000}};
  const auto count = static_cast<std::uint64_t>(value.count());
  for (const Unit& unit : units) {
    if (count > 0 && count % unit.factor == 0) return std::to_string(count / unit.factor).append(unit.name);
  }
  return std::to_string(count) + "ms";
}

template <class Number>
Problem parse_count(const Count& bounds, std::string_view text, Number& value) {
  const auto number = parse_number(text);
  if (!number || *number < bounds.least || *number > bounds.most) {
    return "must be a whole number from " + std::to_string(bounds.least) + " to " + std::to_string(bounds.most);
  }
  value = static_cast<Number>(*number);
  return std::nullopt;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

bool is_ipv6_text(std::string_view text) {
  return text.find(':') != std::string_view::npos && text.find_first_not_of("0123456789abcdefABCDEF:.") == text.npos;
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
bool split_authority(std::string_view text, std::string& host, std::optional<std::string_view>& port) {
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6_text(text.substr(1, end - 1))) return false;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const auto colon = std::min(text.find(':'), text.size());
    if (!is_host_name(text.substr(0, colon))) return false;
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (rest.empty()) return true;
  if (!rest.starts_with(':')) return false;
  port = rest.substr(1);
  return true;
}

bool parse_port(std::string_view text, std::uint64_t least, std::uint16_t& port) {
  const auto number = parse_number(text);
  if (!number || *number < least || *number > 65535) return false;
  port = static_cast<std::uint16_t>(*number);
  return true;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Problem Count::operator()(std::string_view text, unsigned& value) const { return parse_count(*this, text, value); }
Problem Count::operator()(std::string_view text, int& value) const { return parse_count(*this, text, value); }
Problem Count::operator()(std::string_view text, std::size_t& value) const { return parse_count(*this, text, value); }

Problem Duration::operator()(std::string_view text, std::chrono::milliseconds& value) const {
  constexpr std::array units{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}};
  const auto parsed = text == "0" ? std::optional<std::uint64_t>(0) : parse_with_unit(text, units);
  if (!parsed) return "must be a duration such as 500ms, 2s, 1m or 1h";
  if (*parsed < static_cast<std::uint64_t>(least.count()) || *parsed > static_cast<std::uint64_t>(most.count())) {
    return "must be a duration from " + duration_text(least) + " to " + duration_text(most);
  }
  value = std::chrono::milliseconds(*parsed);
  return std::nullopt;
}

Problem Duration::operator()(std::string_view text, std::chrono::seconds& value) const {
  std::chrono::milliseconds exact{0};
  if (auto problem = (*this)(text, exact)) return problem;
  value = std::chrono::duration_cast<std::chrono::seconds>(exact);
  if (value != exact) return "must be whole seconds";
  return std::nullopt;
}

Problem parse_size(std::string_view text, std::size_t& bytes) {
  constexpr std::array units{Unit{"", 1}, Unit{"KiB", 1 << 10}, Unit{"MiB", 1 << 20}, Unit{"GiB", 1 << 30}};
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  const auto parsed = parse_with_unit(text, units);
  if (!parsed) return "must be a size such as 4096, 32KiB or 8MiB";
  if (*parsed < 1024 || *parsed > most) return "must be a size from 1KiB to 1GiB";
  bytes = *parsed;
  return std::nullopt;
}

Problem parse_percent(std::string_view text, unsigned& percent) {
  constexpr std::array units{Unit{"%", 1}, Unit{"", 1}};
  const auto parsed = parse_with_unit(text, units);
  if (!parsed || *parsed > 100) return "must be a percentage from 0% to 100%";
  percent = static_cast<unsigned>(*parsed);
  return std::nullopt;
}

Problem parse_boolean(std::string_view text, bool& value) {
  if (text != "true" && text != "false") return "must be true or false";
  value = text == "true";
  return std::nullopt;
}

Problem parse_endpoint(std::string_view text, Endpoint& endpoint) {
  std::optional<std::string_view> port;
  Endpoint parsed;
  if (!split_authority(text, parsed.host, port) || !port || !parse_port(*port, 0, parsed.port)) {
    return "must be host:port, such as 127.0.0.1:8080 or [::1]:8080";
  }
  endpoint = parsed;
  return std::nullopt;
}

bool is_loopback(const std::string& host) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return error ? host == "localhost" : address.is_loopback();
}

bool is_open_to_all(const std::string& host, const DoorSecurity& security) {
  return security.tls_cert.empty() && !security.insecure && !is_loopback(host);
}

Problem parse_backend_url(std::string_view text, BackendConfig& backend) {
  constexpr std::string_view scheme = "http://";
  if (text.starts_with("https://")) {
    return "must be an http:// URL: the proxy speaks plain HTTP to the backend, which belongs in the same network";
  }
  std::string wanted =
      "must be a URL such as http://127.0.0.1:3000 or http://backend:3000/base, without user, "
      "query or fragment";
  if (!text.starts_with(scheme)) return wanted;
  text.remove_prefix(scheme.size());
  const auto slash = std::min(text.find('/'), text.size());
  std::string_view path = text.substr(slash);
  std::optional<std::string_view> port;
  Endpoint address{"", 80};
  if (!split_authority(text.substr(0, slash), address.host, port)) return wanted;
  if (port && !parse_port(*port, 1, address.port)) return wanted;
  if (path.find_first_of("?# ") != std::string_view::npos || has_control_characters(path)) return wanted;
  while (path.ends_with('/')) path.remove_suffix(1);
  backend.address = address;
  backend.base_path = path;
  return std::nullopt;
}

Problem check_postgres_url(std::string_view text, std::string& url) {
  const bool uri = text.starts_with("postgresql://") || text.starts_with("postgres://");
  const bool pairs = text.find("://") == std::string_view::npos && text.find('=') != std::string_view::npos;
  if (!uri && !pairs) return "must be postgresql://user:password@host:port/database or libpq's key=value form";
  url = text;
  return std::nullopt;
}

Problem check_eventstore_url(std::string_view text, std::string& url) {
  constexpr std::array<std::string_view, 8> schemes{"esdb",    "esdb+discover",    "kurrentdb", "kurrentdb+discover",
                                                    "kurrent", "kurrent+discover", "kdb",       "kdb+discover"};
  const auto end = text.find("://");
  const bool known =
      end != std::string_view::npos && std::find(schemes.begin(), schemes.end(), text.substr(0, end)) != schemes.end();
  if (!known || text.size() == end + 3) {
    return "must be esdb://host:port, esdb+discover://host:port or the kurrentdb form of them";
  }
  url = text;
  return std::nullopt;
}

Problem parse_phase_name(std::string_view text, Phase& phase) {
  const auto parsed = parse_phase(text);
  if (!parsed) return "must be observe, dual-write, backfill, read-switch or retire";
  phase = *parsed;
  return std::nullopt;
}

Problem parse_ack(std::string_view text, Ack& ack) {
  if (text != "authority" && text != "both") return "must be authority or both";
  ack = text == "both" ? Ack::both : Ack::authority;
  return std::nullopt;
}

Problem parse_read_source(std::string_view text, ReadSource& source) {
  for (ReadSource each : {ReadSource::backend, ReadSource::postgres, ReadSource::eventstore}) {
    if (to_string(each) != text) continue;
    source = each;
    return std::nullopt;
  }
  return "must be backend, postgres or eventstore";
}

Problem check_identifier(std::string_view text, std::string& name) {
  if (text.empty() || text.size() > 63 || has_control_characters(text) || text.find('"') != std::string_view::npos) {
    return "must be a name of PostgreSQL: 1 to 63 bytes, written without quotes";
  }
  name = text;
  return std::nullopt;
}

Problem check_table_name(std::string_view text, std::string& table) {
  const auto dot = text.find('.');
  std::string part;
  const bool right = dot == std::string_view::npos ? !check_identifier(text, part)
                                                   : !check_identifier(text.substr(0, dot), part) &&
                                                         !check_identifier(text.substr(dot + 1), part) &&
                                                         text.find('.', dot + 1) == std::string_view::npos;
  if (!right) return "must be a table such as public.events, written without quotes";
  table = text;
  return std::nullopt;
}

Problem accept_text(std::string_view text, std::string& value) {
  value = text;
  return std::nullopt;
}

std::optional<std::string_view> nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 2)) + 1;
  if (word.size() > 100) return best;
  for (std::string_view each : known) {
    const std::size_t distance = edit_distance(word, each);
    if (distance >= best_distance) continue;
    best = each;
    best_distance = distance;
  }
  return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
  const auto near = nearest(word, known);
  return near ? "; did you mean `" + std::string(*near) + "`?" : std::string();
}

}  // namespace twinstream
