#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace twinstream {

/// One thing that is wrong in a configuration file, and what would be right. Never contains the value of a `${...}`
/// or of a URL.
struct ConfigError {
  std::string file;
  int line = 0;       ///< from 1; 0 when the file could not be read at all
  int column = 0;     ///< from 1, in characters
  std::string field;  ///< `categories.contact.phase`, `routes[2].stream`; empty for the file as a whole
  std::string text;

  bool operator==(const ConfigError&) const = default;
};

/// `FILE:LINE:COLUMN: field: text`
std::string to_string(const ConfigError& error);

/// The configuration, or everything that is wrong with it in the order of the file (the first twenty).
using LoadResult = std::variant<Config, std::vector<ConfigError>>;

struct FieldProblem {
  std::string field;
  std::string text;
};
/// What whoever uses the values knows to be wrong with them, such as files that are not good. Asked last.
using FurtherCheck = std::function<std::vector<FieldProblem>(const Config&)>;

LoadResult load_config_file(const std::string& path, const FurtherCheck& further = {});
/// `name` stands for the file in errors.
LoadResult load_config_text(std::string_view text, std::string_view name, const FurtherCheck& further = {});

inline constexpr std::size_t config_file_limit = std::size_t{1} << 20;  ///< bytes

/// The text of a file; nothing when it cannot be read or has more than `limit` bytes, with the reason in `problem`.
std::optional<std::string> read_small_file(const std::string& path, std::size_t limit, std::string& problem);

}  // namespace twinstream
