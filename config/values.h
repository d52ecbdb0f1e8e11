#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

// Single values of the file: text to value. Each parser answers nothing when all is well and otherwise what the value
// must be (`must be a duration such as 500ms`); the caller knows where it stands and what it is.

namespace twinstream {

using Problem = std::optional<std::string>;

/// A whole number within bounds.
struct Count {
  std::uint64_t least = 0;
  std::uint64_t most = 1'000'000'000;

  Problem operator()(std::string_view text, unsigned& value) const;
  Problem operator()(std::string_view text, int& value) const;
  Problem operator()(std::string_view text, std::size_t& value) const;
};

/// `500ms`, `2s`, `1m`, `1h`.
struct Duration {
  std::chrono::milliseconds least{1};
  std::chrono::milliseconds most{std::chrono::hours(24)};

  Problem operator()(std::string_view text, std::chrono::milliseconds& value) const;
  Problem operator()(std::string_view text, std::chrono::seconds& value) const;
};

Problem parse_size(std::string_view text, std::size_t& bytes);      ///< `512`, `32KiB`, `8MiB`, `1GiB`
Problem parse_percent(std::string_view text, unsigned& percent);    ///< `25%`
Problem parse_boolean(std::string_view text, bool& value);          ///< `true`, `false`
Problem parse_endpoint(std::string_view text, Endpoint& endpoint);  ///< `host:port`, `[::1]:8080`; port 0: any free one
Problem parse_backend_url(std::string_view text, BackendConfig& backend);  ///< `http://host[:port][/path]`
Problem check_postgres_url(std::string_view text, std::string& url);
Problem check_eventstore_url(std::string_view text, std::string& url);

/// Whether only this machine reaches the address; a name other than `localhost` counts as reachable from elsewhere.
bool is_loopback(const std::string& host);
/// Whether such a door would speak cleartext to other machines although nobody said that this is meant.
bool is_open_to_all(const std::string& host, const DoorSecurity& security);

Problem parse_phase_name(std::string_view text, Phase& phase);
Problem parse_ack(std::string_view text, Ack& ack);
Problem parse_read_source(std::string_view text, ReadSource& source);

Problem check_identifier(std::string_view text, std::string& name);   ///< a column or schema of PostgreSQL
Problem check_table_name(std::string_view text, std::string& table);  ///< `table` or `schema.table`
Problem accept_text(std::string_view text, std::string& value);       ///< anything but nothing

/// The known word that is nearest to `word`, when it is near enough to have been meant.
std::optional<std::string_view> nearest(std::string_view word, const std::vector<std::string_view>& known);
/// `, did you mean "phase"?` or nothing.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace twinstream
