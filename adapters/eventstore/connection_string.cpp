#include "adapters/eventstore/connection_string.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <utility>

namespace twinstream::eventstore {
namespace {

using std::chrono::milliseconds;

constexpr std::uint16_t default_port = 2113;
constexpr std::string_view encode_hint = "; a user or password that contains @ : / ? # % must be percent-encoded";

Failure bad(std::string reason) {
  return {FailureCode::rejected, "connection string of EventStore: " + std::move(reason), {}};
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Keys and enumerated values are compared in this form.
std::string normalized(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != '_' && c != '-') result += lower(c);
  }
  return result;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

// What a value has to look like: an empty text means it was fine.
using Problem = std::string;

Problem read_bool(std::string_view value, bool& target) {
  if (value != "true" && value != "false") return "must be true or false";
  target = value == "true";
  return {};
}

Problem read_text(std::string_view value, std::string& target) {
  auto decoded = percent_decode(value);
  if (!decoded) return "has a % that does not begin a percent-encoded byte";
  if (decoded->empty()) return "must not be empty";
  target = std::move(*decoded);
  return {};
}

Problem read_milliseconds(std::string_view value, milliseconds& target) {
  constexpr std::int64_t most = 24 * 60 * 60 * 1000;
  const auto number = parse_number<std::int64_t>(value);
  if (!number || *number < 1 || *number > most) return "must be a number of milliseconds from 1 to 86400000";
  target = milliseconds{*number};
  return {};
}

Problem read_keep_alive(std::string_view value, std::optional<milliseconds>& target) {
  if (value == "-1") {
    target.reset();
    return {};
  }
  milliseconds number{};
  if (!read_milliseconds(value, number).empty()) return "must be a number of milliseconds, or -1 for never";
  target = number;
  return {};
}

Problem read_gossip_timeout(std::string_view value, milliseconds& target) {
  milliseconds number{};
  if (auto problem = read_milliseconds(value, number); !problem.empty()) return problem;
  if (number < milliseconds{100}) return "is in milliseconds, at least 100: write 5000 for five seconds";
  target = number;
  return {};
}

Problem read_attempts(std::string_view value, unsigned& target) {
  const auto number = parse_number<unsigned>(value);
  if (!number || *number < 1 || *number > 10'000) return "must be a number from 1 to 10000";
  target = *number;
  return {};
}

Problem read_preference(std::string_view value, NodePreference& target) {
  const std::string name = normalized(value);
  if (name == "leader") return target = NodePreference::leader, Problem{};
  if (name == "follower") return target = NodePreference::follower, Problem{};
  if (name == "random") return target = NodePreference::random, Problem{};
  if (name == "readonlyreplica") return target = NodePreference::read_only_replica, Problem{};
  return "must be leader, follower, random or readOnlyReplica";
}

/// How official Node clients report conflicts: of no meaning here, but connection strings are shared with them.
Problem read_ignored_bool(std::string_view value, ConnectionSettings&) {
  bool ignored = false;
  return read_bool(value, ignored);
}

struct Key {
  std::string_view name;
  std::function<Problem(std::string_view, ConnectionSettings&)> read;
};

template <class Member, class Reader>
Key key(std::string_view name, Member ConnectionSettings::* member, Reader reader) {
  return {name, [member, reader](std::string_view value, ConnectionSettings& s) { return reader(value, s.*member); }};
}

const std::array<Key, 14>& known_keys() {
  using S = ConnectionSettings;
  static const std::array<Key, 14> keys{
      key("tls", &S::tls, read_bool),
      key("tlsVerifyCert", &S::verify_certificate, read_bool),
      key("tlsCAFile", &S::ca_file, read_text),
      key("userCertFile", &S::user_cert_file, read_text),
      key("userKeyFile", &S::user_key_file, read_text),
      key("connectionName", &S::connection_name, read_text),
      key("nodePreference", &S::node_preference, read_preference),
      key("maxDiscoverAttempts", &S::max_discover_attempts, read_attempts),
      key("discoveryInterval", &S::discovery_interval, read_milliseconds),
      key("gossipTimeout", &S::gossip_timeout, read_gossip_timeout),
      key("keepAliveInterval", &S::keep_alive_interval, read_keep_alive),
      key("keepAliveTimeout", &S::keep_alive_timeout, read_keep_alive),
      key("defaultDeadline", &S::default_deadline, read_milliseconds),
      Key{"throwOnAppendFailure", read_ignored_bool},
  };
  return keys;
}

Failure unknown_key(std::string_view name) {
  const std::string given = normalized(name);
  const auto distance = [&](const Key& key) { return edit_distance(given, normalized(key.name)); };
  const auto nearest = std::min_element(known_keys().begin(), known_keys().end(),
                                        [&](const Key& a, const Key& b) { return distance(a) < distance(b); });
  return bad("unknown key '" + std::string(name) + "'; did you mean '" + std::string(nearest->name) + "'?");
}

std::optional<Failure> read_pair(std::string_view pair, std::set<std::string>& seen, ConnectionSettings& settings) {
  const auto equals = pair.find('=');
  const std::string_view name = pair.substr(0, equals);
  const std::string wanted = normalized(name);
  const auto found = std::find_if(known_keys().begin(), known_keys().end(),
                                  [&](const Key& key) { return normalized(key.name) == wanted; });
  if (found == known_keys().end()) return unknown_key(name);
  const std::string shown{found->name};
  if (equals == std::string_view::npos) return bad("key '" + shown + "' has no value; write " + shown + "=...");
  if (!seen.insert(wanted).second) return bad("key '" + shown + "' is given twice");
  if (const Problem problem = found->read(pair.substr(equals + 1), settings); !problem.empty()) {
    return bad("key '" + shown + "' " + problem);
  }
  return std::nullopt;
}

std::optional<Failure> read_query(std::string_view query, ConnectionSettings& settings) {
  std::set<std::string> seen;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    if (pair.empty()) continue;
    if (auto failure = read_pair(pair, seen, settings)) return failure;
  }
  if (settings.user_cert_file.empty() != settings.user_key_file.empty()) {
    return bad("userCertFile and userKeyFile belong together: give both or none");
  }
  return std::nullopt;
}

std::optional<Failure> read_credentials(std::string_view text, ConnectionSettings& settings) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return bad("credentials must be user:password" + std::string(encode_hint));
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(text.substr(colon + 1));
  if (!user || !password) {
    return bad("the credentials have a % that does not begin a percent-encoded byte" + std::string(encode_hint));
  }
  if (user->empty()) return bad("the user name before ':' is empty");
  settings.credentials = Credentials{std::move(*user), std::move(*password)};
  return std::nullopt;
}

bool is_host(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const char small = lower(c);
    return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
  });
}

/// Splits off the port; the host of an IPv6 literal comes without its brackets.
std::optional<Endpoint> read_host(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return std::nullopt;
    if (has_port) port = rest.substr(1);
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    has_port = true;
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (!is_host(host)) return std::nullopt;
  if (!has_port) return Endpoint{std::string(host), default_port};
  const auto number = parse_number<std::uint16_t>(port);
  if (!number || *number == 0) return std::nullopt;
  return Endpoint{std::string(host), *number};
}

std::optional<Failure> read_hosts(std::string_view text, ConnectionSettings& settings) {
  std::size_t index = 1;
  while (true) {
    const auto comma = text.find(',');
    auto host = read_host(trim(text.substr(0, comma)));
    if (!host) {
      return bad("host number " + std::to_string(index) + " is not host or host:port with a port from 1 to 65535" +
                 std::string(encode_hint));
    }
    settings.hosts.push_back(std::move(*host));
    if (comma == std::string_view::npos) return std::nullopt;
    text = text.substr(comma + 1);
    ++index;
  }
}

std::optional<Failure> read_scheme(std::string_view scheme, ConnectionSettings& settings) {
  constexpr std::string_view suffix = "+discover";
  settings.discover = scheme.ends_with(suffix);
  if (settings.discover) scheme.remove_suffix(suffix.size());
  const std::array<std::string_view, 4> known{"esdb", "kurrentdb", "kurrent", "kdb"};
  if (std::find(known.begin(), known.end(), scheme) != known.end()) return std::nullopt;
  return bad("the scheme must be esdb, kurrentdb, kurrent or kdb, each also with +discover");
}

std::string_view to_string(NodePreference preference) {
  switch (preference) {
    case NodePreference::leader: return "leader";
    case NodePreference::follower: return "follower";
    case NodePreference::random: return "random";
    case NodePreference::read_only_replica: return "readOnlyReplica";
  }
  return "?";
}

}  // namespace

Result<ConnectionSettings> parse_connection_string(std::string_view text) {
  text = trim(text);
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return bad("it must begin with esdb:// or kurrentdb://");
  ConnectionSettings settings;
  if (auto failure = read_scheme(text.substr(0, scheme_end), settings)) return *failure;

  text.remove_prefix(scheme_end + 3);
  const std::string_view authority = text.substr(0, text.find_first_of("/?"));
  std::string_view rest = text.substr(authority.size());
  const auto at = authority.rfind('@');
  // An @ behind the authority, but none in it: part of what follows is a password that was not encoded.
  if (at == std::string_view::npos && rest.find('@') != std::string_view::npos) {
    return bad("there is an @ behind the hosts" + std::string(encode_hint));
  }
  if (at != std::string_view::npos) {
    if (auto failure = read_credentials(authority.substr(0, at), settings)) return *failure;
  }
  const auto hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  if (auto failure = read_hosts(hosts, settings)) return *failure;

  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (!rest.empty() && !rest.starts_with('?')) return bad("nothing but ?key=value may follow the hosts");
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (!rest.empty()) rest.remove_prefix(1);
  if (auto failure = read_query(rest, settings)) return *failure;
  return settings;
}

std::string to_string(const Endpoint& endpoint) {
  const bool ipv6 = endpoint.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? "[" + endpoint.host + "]" : endpoint.host;
  return host + ":" + std::to_string(endpoint.port);
}

std::string redacted(const ConnectionSettings& settings) {
  std::string text = settings.discover ? "esdb+discover://" : "esdb://";
  if (settings.credentials) text += "***@";
  for (std::size_t i = 0; i < settings.hosts.size(); ++i) {
    text += (i == 0 ? "" : ",") + to_string(settings.hosts[i]);
  }
  text += "?tls=" + std::string(settings.tls ? "true" : "false");
  return text + "&nodePreference=" + std::string(to_string(settings.node_preference));
}

}  // namespace twinstream::eventstore
