#include "proxy/core/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

namespace twinstream::log {
namespace {

/// A value longer than this is cut: a line must stay a line that people and collectors can read.
constexpr std::size_t value_limit = 2048;

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("twinstream", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void append_escaped(std::string& line, char c) {
  constexpr char digits[] = "0123456789abcdef";
  switch (c) {
    case '"': line += "\\\""; return;
    case '\\': line += "\\\\"; return;
    case '\n': line += "\\n"; return;
    case '\r': line += "\\r"; return;
    case '\t': line += "\\t"; return;
    default: break;
  }
  if (!is_control(c)) {
    line += c;
    return;
  }
  line += "\\x";
  line += digits[static_cast<unsigned char>(c) >> 4];
  line += digits[c & 15];
}

std::string_view cut(std::string_view text) {
  if (text.size() <= value_limit) return text;
  std::size_t end = value_limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not inside a UTF-8 sequence
  return text.substr(0, end);
}

bool needs_quotes(std::string_view value) {
  return value.empty() || std::any_of(value.begin(), value.end(), [](char c) {
           return c == ' ' || c == '"' || c == '=' || c == '\\' || is_control(c);
         });
}

void append_value(std::string& line, std::string_view value) {
  const std::string_view shown = cut(value);
  const bool quoted = needs_quotes(shown);
  if (quoted) line += '"';
  for (char c : shown) append_escaped(line, c);
  if (shown.size() < value.size()) line += "...";
  if (quoted) line += '"';
}

/// The message is prose of ours, but may carry text from elsewhere: it must not be able to start a line of its own.
void append_message(std::string& line, std::string_view message) {
  for (char c : cut(message)) {
    if (is_control(c)) {
      append_escaped(line, c);
    } else {
      line += c;
    }
  }
}

}  // namespace

void write(Level level, std::string_view message, Fields fields) {
  const auto wanted = spdlog_level(level);
  if (!logger().should_log(wanted)) return;
  std::string line;
  append_message(line, message);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    append_value(line, value);
  }
  logger().log(wanted, spdlog::string_view_t(line.data(), line.size()));
}

void set_level(Level level) { logger().set_level(spdlog_level(level)); }

}  // namespace twinstream::log
