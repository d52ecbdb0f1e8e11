#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace twinstream::log {

enum class Level { debug, info, warning, error };

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

/// One structured line on standard error: time, level, what happened, `key=value` fields (quoted where needed).
/// Thread safe. Callers never pass credentials, payloads or connection strings.
void write(Level level, std::string_view message, Fields fields = {});
void set_level(Level level);  ///< lines below it are dropped; the default is info

inline void debug(std::string_view message, Fields fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::info, message, fields); }
inline void warning(std::string_view message, Fields fields = {}) { write(Level::warning, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::error, message, fields); }

}  // namespace twinstream::log
