#include "adapters/postgres/name_template.h"

#include <algorithm>

#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

Failure bad(const std::string& text, const std::string& why) {
  return {FailureCode::rejected, "stream template \"" + text + "\": " + why, {}};
}

}  // namespace

Result<NameTemplate> NameTemplate::make(const std::string& text, const std::vector<std::string>& columns) {
  NameTemplate result;
  if (columns.empty()) return bad(text, "no stream columns are named; set stream_columns");
  if (text.empty() && columns.size() > 1) return bad(text, "several stream columns need a template that joins them");
  result.text_ = text.empty() ? "{" + columns.front() + "}" : text;
  std::string_view rest = result.text_;
  for (auto open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
    const auto close = rest.find('}', open);
    if (close == std::string_view::npos) return bad(text, "a { has no }");
    const auto name = rest.substr(open + 1, close - open - 1);
    const auto column = std::find(columns.begin(), columns.end(), name);
    if (column == columns.end()) return bad(text, "{" + std::string(name) + "} is not one of stream_columns");
    const auto index = static_cast<std::size_t>(column - columns.begin());
    const auto again = [&](const Part& part) { return part.column == index; };
    if (std::any_of(result.parts_.begin(), result.parts_.end(), again)) return bad(text, "a column occurs twice");
    if (open == 0 && !result.parts_.empty())
      return bad(text, "put text between two columns, or no name can be read back");
    result.parts_.push_back({std::string(rest.substr(0, open)), index});
    rest.remove_prefix(close + 1);
  }
  result.after_ = rest;
  if (result.parts_.size() != columns.size()) return bad(text, "every one of stream_columns must occur in it");
  return result;
}

std::optional<std::vector<std::string>> NameTemplate::values(std::string_view name) const {
  if (!name.ends_with(after_) || !name.starts_with(parts_.front().before)) return std::nullopt;
  if (name.size() < after_.size() + parts_.front().before.size()) return std::nullopt;
  name.remove_suffix(after_.size());
  name.remove_prefix(parts_.front().before.size());
  std::vector<std::string> values(parts_.size());
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const bool last = i + 1 == parts_.size();
    const auto end = last ? name.size() : name.find(parts_[i + 1].before);
    if (end == std::string_view::npos || end == 0) return std::nullopt;
    values[parts_[i].column] = name.substr(0, end);
    name.remove_prefix(last ? end : end + parts_[i + 1].before.size());
  }
  return values;
}

std::string NameTemplate::name(const std::vector<std::string>& values) const {
  std::string name;
  for (const auto& part : parts_) name += part.before + values[part.column];
  return name + after_;
}

std::string NameTemplate::sql(const std::vector<std::string>& expressions) const {
  std::string sql;
  const auto add = [&sql](const std::string& term) { sql += (sql.empty() ? "" : " || ") + term; };
  for (const auto& part : parts_) {
    if (!part.before.empty()) add(quote_literal(part.before));
    add(expressions[part.column]);
  }
  if (!after_.empty()) add(quote_literal(after_));
  return "(" + sql + ")";
}

}  // namespace twinstream::postgres
