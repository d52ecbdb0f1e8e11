#include <algorithm>

#include "config/route_values.h"
#include "proxy/core/json.h"

// A template is JSON in which a `{name}` or `$events` stands as a whole string, unquoted where a value stands, or
// (names only) inside a longer string. To check it, what stands unquoted is filled in with null, and the result must be
// JSON.

namespace twinstream {
namespace {

constexpr std::string_view events_word = "$events";
constexpr std::uint64_t most_added = 1'000'000;

/// What is between the braces of a `{name}` or `{revision+1}` at the front of `text`, as opposed to those of an object.
std::string_view placeholder_at(std::string_view text) {
  const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+", 1);
  if (text[0] != '{' || end == std::string_view::npos || end == 1 || text[end] != '}') return {};
  return text.substr(1, end - 1);
}

std::string name_list(const std::vector<std::string_view>& names) {
  std::string list;
  for (std::string_view name : names) list.append(list.empty() ? "{" : ", {").append(name).append("}");
  return list;
}

class TemplateCheck {
 public:
  TemplateCheck(std::string_view text, TemplateOf of) : rest_(text), of_(of), names_(template_names(of)) {}

  Problem run() {
    while (!rest_.empty()) {
      if (auto problem = step()) return problem;
    }
    if (!canonical_json(json_)) return "must be JSON, with values such as \"{revision}\"";
    if (of_ == TemplateOf::response && !events_) return "must have \"$events\" where the array of events belongs";
    if (of_ == TemplateOf::event && events_) return "must not use $events: it is the template of one event";
    return std::nullopt;
  }

 private:
  Problem step() {
    if (const std::string_view inside = placeholder_at(rest_); !inside.empty()) {
      replace(inside.size() + 2);
      return check_name(inside);
    }
    if (rest_.starts_with(events_word) && (!in_string_ || stands_alone())) {
      events_ = true;
      replace(events_word.size());
      return std::nullopt;
    }
    const std::size_t taken = in_string_ && rest_[0] == '\\' && rest_.size() > 1 ? 2 : 1;
    if (rest_[0] == '"') in_string_ = !in_string_;
    json_ += rest_.substr(0, taken);
    rest_.remove_prefix(taken);
    return std::nullopt;
  }

  bool stands_alone() const { return json_.ends_with('"') && rest_.substr(events_word.size()).starts_with('"'); }

  void replace(std::size_t size) {
    json_ += in_string_ ? "x" : "null";
    rest_.remove_prefix(size);
  }

  Problem check_name(std::string_view inside) const {
    const auto plus = inside.find('+');
    const std::string_view name = inside.substr(0, plus);
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      return "must use " + name_list(names_) + " only; there is no {" + std::string(inside) + "}" +
             suggestion(name, names_);
    }
    if (plus == std::string_view::npos) return std::nullopt;
    std::size_t added = 0;
    if (name != "revision" || Count{0, most_added}(inside.substr(plus + 1), added)) {
      return "must not have {" + std::string(inside) + "}; only {revision} can be added to, as in {revision+1}";
    }
    return std::nullopt;
  }

  std::string_view rest_;
  TemplateOf of_;
  const std::vector<std::string_view>& names_;
  std::string json_;
  bool in_string_ = false;
  bool events_ = false;
};

}  // namespace

const std::vector<std::string_view>& template_names(TemplateOf of) {
  static const std::vector<std::string_view> response{"stream", "revision", "count"};
  static const std::vector<std::string_view> event{"stream", "revision", "id", "type", "data", "metadata", "created"};
  return of == TemplateOf::response ? response : event;
}

Problem check_json_template(std::string_view text, TemplateOf of) { return TemplateCheck(text, of).run(); }

}  // namespace twinstream
