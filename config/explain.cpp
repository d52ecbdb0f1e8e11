#include "config/explain.h"

#include <algorithm>
#include <map>
#include <set>

#include "config/settings.h"

namespace twinstream {
namespace {

using Path = std::vector<std::string>;

bool is_item(const std::string& part) { return part.starts_with('['); }

bool is_plain(std::string_view key) {
  return !key.empty() &&
         key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == key.npos;
}

std::string key_text(const std::string& key) {
  if (is_plain(key)) return key;
  std::string text = "\"";
  for (char c : key) text.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
  return text + '"';
}

/// Prints settings with their sections, a list item's dash before its first key.
class Printer {
 public:
  void print(const Setting& setting) {
    const auto [mine, last] = std::mismatch(setting.path.begin(), setting.path.end() - 1, open_.begin(), open_.end());
    open_.erase(last, open_.end());
    for (auto part = mine; part != setting.path.end() - 1; ++part) {
      if (is_item(*part)) {
        dash_ = true;
      } else {
        line(*part, "");
      }
      open_.push_back(*part);
    }
    line(setting.path.back(), " " + setting.value);
  }

  std::string text;

 private:
  void line(const std::string& key, const std::string& value) {
    std::string indent(2 * open_.size(), ' ');
    if (dash_) indent[indent.size() - 2] = '-';
    dash_ = false;
    text.append(indent).append(key_text(key)).append(":").append(value).append("\n");
  }

  Path open_;
  bool dash_ = false;
};

bool is_hot(const Path& path) { return path[0] == "categories" || path[0] == "routes" || path[0] == "check"; }

/// What comes or goes as a whole counts as one change.
std::string reported_field(const Setting& setting) {
  if (setting.path[0] == "admin" || setting.path[0] == "streams_api" || setting.path[0] == "grpc") return setting.path[0];
  if (setting.path.size() > 2 && setting.path[1] == "mapped") return "postgres.mapped";
  return setting.field();
}

std::map<std::string, std::string> restart_settings(const Config& config) {
  std::map<std::string, std::string> values;
  for (const Setting& setting : settings_of(config)) {
    if (!is_hot(setting.path)) values[reported_field(setting)] += setting.field() + "=" + setting.value + "\n";
  }
  values["postgres.url"] = config.postgres.url;  // not redacted: a changed password is a change
  values["eventstore.url"] = config.eventstore.url;
  return values;
}

}  // namespace

std::string explain_config(const Config& config) {
  Printer printer;
  for (const Setting& setting : settings_of(config)) printer.print(setting);
  return std::move(printer.text);
}

std::vector<std::string> restart_needed(const Config& old_config, const Config& new_config) {
  const auto before = restart_settings(old_config), after = restart_settings(new_config);
  std::set<std::string> fields;
  for (const auto& [field, value] : before) {
    const auto other = after.find(field);
    if (other == after.end() || other->second != value) fields.insert(field);
  }
  for (const auto& [field, value] : after) {
    if (!before.contains(field)) fields.insert(field);
  }
  return {fields.begin(), fields.end()};
}

std::string redacted_url(std::string_view url) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return url.empty() ? "" : "***=***";
  std::string_view rest = url.substr(scheme_end + 3);
  std::string result(url.substr(0, scheme_end + 3));
  // The last `@`, wherever it is: a password that should have been percent-encoded must not show either.
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    result += "***@";
    rest.remove_prefix(at + 1);
  }
  const auto query = rest.find_first_of("?#");
  result += rest.substr(0, query);
  return query == std::string_view::npos ? result : result + "?***";
}

}  // namespace twinstream
