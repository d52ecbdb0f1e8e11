#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/core/result.h"

namespace twinstream::eventstore {

enum class NodePreference { leader, follower, random, read_only_replica };

struct Credentials {
  std::string user;
  std::string password;
};

/// What a connection string says, with the defaults of the official clients.
struct ConnectionSettings {
  std::vector<Endpoint> hosts;  ///< never empty
  bool discover = false;        ///< `+discover`: the hosts are seeds for gossip, however few
  std::optional<Credentials> credentials;
  std::string credentials_file;  ///< in their place; not part of the string

  bool tls = true;
  bool verify_certificate = true;
  std::string ca_file;         ///< empty: the system's authorities
  std::string user_cert_file;  ///< both or none
  std::string user_key_file;

  std::string connection_name;  ///< empty: not sent
  NodePreference node_preference = NodePreference::leader;
  unsigned max_discover_attempts = 10;
  std::chrono::milliseconds discovery_interval{100};
  std::chrono::milliseconds gossip_timeout{5'000};
  std::optional<std::chrono::milliseconds> keep_alive_interval{10'000};  ///< absent: no keep-alive
  std::optional<std::chrono::milliseconds> keep_alive_timeout{10'000};   ///< absent: waits for ever
  std::chrono::milliseconds default_deadline{10'000};

  bool uses_gossip() const { return discover || hosts.size() > 1; }
};

/// Reads `scheme://[user:password@]host[:port][,host[:port]...][/][?key=value[&key=value...]]`. Schemes: esdb,
/// kurrentdb, kurrent, kdb, each also with `+discover`. Keys are compared without case, `_` and `-`.
///
/// `gossipTimeout` is in milliseconds. Official clients disagree (Node: seconds; Rust and .NET: milliseconds), so a
/// number below 100, which can only have been meant as seconds, is refused instead of guessed at.
///
/// Failures are `rejected`; their texts never repeat the part that may hold credentials.
Result<ConnectionSettings> parse_connection_string(std::string_view text);

/// For logs: the same connection without credentials.
std::string redacted(const ConnectionSettings& settings);

std::string to_string(const Endpoint& endpoint);  ///< `host:port`, IPv6 in brackets

}  // namespace twinstream::eventstore
