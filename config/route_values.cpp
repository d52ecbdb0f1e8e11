#include "config/route_values.h"

#include <algorithm>
#include <array>

namespace twinstream {
namespace {

struct Prefix {
  std::string_view text;
  ValueSource::Kind kind;
  bool from_response;
};

constexpr std::array prefixes{
    Prefix{"path:", ValueSource::Kind::path, false},        Prefix{"header:", ValueSource::Kind::header, false},
    Prefix{"json:", ValueSource::Kind::json, false},        Prefix{"query:", ValueSource::Kind::query, false},
    Prefix{"literal:", ValueSource::Kind::literal, false},  Prefix{"response-header:", ValueSource::Kind::header, true},
    Prefix{"response-json:", ValueSource::Kind::json, true}};

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::all_of(text.begin(), text.end(), fits);
}

/// A token of RFC 9110: what methods and header names are made of.
bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [others](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

bool is_json_pointer(std::string_view text) {
  if (text.empty()) return true;
  if (text[0] != '/') return false;
  for (auto at = text.find('~'); at != std::string_view::npos; at = text.find('~', at + 1)) {
    if (at + 1 >= text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  }
  return true;
}

bool is_literal_segment(std::string_view segment) {
  return std::all_of(segment.begin(), segment.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f &&
           std::string_view("{}?#").find(c) == std::string_view::npos;
  });
}

std::vector<std::string_view> segments_of(std::string_view pattern) {
  std::vector<std::string_view> segments;
  while (!pattern.empty()) {
    const auto end = std::min(pattern.find('/', 1), pattern.size());
    segments.push_back(pattern.substr(1, end - 1));
    pattern.remove_prefix(end);
  }
  return segments;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

Problem check_pattern(std::string_view pattern) {
  if (!pattern.starts_with('/')) return "must be a method and a path, such as POST /contacts/{id}/events";
  std::vector<std::string> names;
  for (std::string_view segment : segments_of(pattern)) {
    if (!is_parameter(segment)) {
      if (is_literal_segment(segment)) continue;
      return "must have parameters as whole segments, such as /{id}/, and no query or fragment";
    }
    const std::string_view name = segment.substr(1, segment.size() - std::min<std::size_t>(2, segment.size()));
    if (!segment.ends_with('}') || !is_name(name)) {
      return "must have parameters as whole segments with a name of letters, digits and _, such as /{id}/";
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return "must not name the parameter {" + std::string(name) + "} twice";
    }
    names.emplace_back(name);
  }
  return std::nullopt;
}

Problem check_argument(const ValueSource& source) {
  switch (source.kind) {
    case ValueSource::Kind::path:
      if (!is_name(source.argument)) return "must name a parameter of the path, such as path:id";
      return std::nullopt;
    case ValueSource::Kind::header:
      if (!is_token(source.argument)) return "must name a header, such as header:X-Event-Type";
      return std::nullopt;
    case ValueSource::Kind::json:
      if (!is_json_pointer(source.argument)) return "must have a JSON pointer, such as json:/payload/kind";
      return std::nullopt;
    case ValueSource::Kind::query:
      if (source.argument.empty()) return "must name a query parameter, such as query:type";
      return std::nullopt;
    case ValueSource::Kind::literal:
      if (source.argument.empty()) return "must have a text after literal:";
      return std::nullopt;
    default: return std::nullopt;
  }
}

/// `heder:X-Type` is a slip, not a text.
std::string prefix_suggestion(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  std::vector<std::string_view> known;
  known.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes) known.push_back(prefix.text);
  return suggestion(text.substr(0, colon + 1), known);
}

Problem parse_text_source(std::string_view text, ValueSource& source) {
  std::vector<TemplatePart> parts;
  if (auto problem = split_template(text, parts)) return problem;
  const bool fixed = std::none_of(parts.begin(), parts.end(), [](const auto& part) { return part.placeholder; });
  const std::string slip = prefix_suggestion(text);
  if (fixed || !slip.empty()) {
    return "must be path:, header:, json:, query:, literal: with what follows them, body, or a text with {parameters}" +
           slip;
  }
  source = {ValueSource::Kind::text, std::string(text)};
  return std::nullopt;
}

Problem check_parameter(std::string_view name, const std::vector<std::string>& parameters) {
  if (std::find(parameters.begin(), parameters.end(), name) != parameters.end()) return std::nullopt;
  return "names {" + std::string(name) + "}, which the path of `match` does not have" +
         suggestion(name, {parameters.begin(), parameters.end()});
}

}  // namespace

Problem split_template(std::string_view text, std::vector<TemplatePart>& parts) {
  while (!text.empty()) {
    const auto brace = std::min(text.find_first_of("{}"), text.size());
    if (brace > 0) parts.push_back({false, std::string(text.substr(0, brace))});
    text.remove_prefix(brace);
    if (text.empty()) break;
    const auto end = text.find_first_of("{}", 1);
    if (text[0] == '}' || end == std::string_view::npos || text[end] == '{' || end == 1) {
      return "must have its {names} between a pair of braces";
    }
    parts.push_back({true, std::string(text.substr(1, end - 1))});
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

Problem check_stream_template(std::string_view text, const std::vector<std::string>& columns) {
  std::vector<TemplatePart> parts;
  if (auto problem = split_template(text, parts)) return problem;
  std::vector<std::string> used;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].placeholder) continue;
    const std::string& name = parts[i].text;
    if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
      return "must use the stream_columns only; {" + name + "} is none of them" +
             suggestion(name, {columns.begin(), columns.end()});
    }
    if (std::find(used.begin(), used.end(), name) != used.end()) return "must use {" + name + "} only once";
    if (i > 0 && parts[i - 1].placeholder) {
      return "must have a text between {" + parts[i - 1].text + "} and {" + name +
             "}, or a name would not tell them apart";
    }
    used.push_back(name);
  }
  for (const std::string& column : columns) {
    if (std::find(used.begin(), used.end(), column) == used.end()) {
      return "must use every stream column; {" + column + "} is missing, and different streams would get one name";
    }
  }
  return std::nullopt;
}

Problem parse_match(std::string_view text, Match& match) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return "must be a method and a path, such as POST /contacts/{id}/events";
  const std::string_view method = text.substr(0, space);
  const std::string_view pattern = text.substr(std::min(text.find_first_not_of(' ', space), text.size()));
  const bool upper = std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!upper || method.empty()) return "must begin with a method in capitals, such as POST";
  if (auto problem = check_pattern(pattern)) return problem;
  match = {std::string(method), std::string(pattern)};
  return std::nullopt;
}

std::vector<std::string> parameters_of(std::string_view pattern) {
  std::vector<std::string> names;
  for (std::string_view segment : segments_of(pattern)) {
    if (is_parameter(segment)) names.emplace_back(segment.substr(1, segment.size() - 2));
  }
  return names;
}

std::string shape_of(std::string_view pattern) {
  std::string shape;
  for (std::string_view segment : segments_of(pattern)) {
    shape += '/';
    shape += is_parameter(segment) ? std::string_view("{}") : segment;
  }
  return shape;
}

Problem parse_value_source(std::string_view text, ValueSource& source, bool& from_response) {
  if (text == "body") {
    source = {ValueSource::Kind::body, {}};
    return std::nullopt;
  }
  for (const Prefix& prefix : prefixes) {
    if (!text.starts_with(prefix.text)) continue;
    const ValueSource parsed{prefix.kind, std::string(text.substr(prefix.text.size()))};
    if (auto problem = check_argument(parsed)) return problem;
    source = parsed;
    from_response = prefix.from_response;
    return std::nullopt;
  }
  return parse_text_source(text, source);
}

Problem check_source(const ValueSource& source, const std::vector<std::string>& parameters) {
  if (source.kind == ValueSource::Kind::path) return check_parameter(source.argument, parameters);
  if (source.kind != ValueSource::Kind::text) return std::nullopt;
  std::vector<TemplatePart> parts;
  if (auto problem = split_template(source.argument, parts)) return problem;
  for (const TemplatePart& part : parts) {
    if (!part.placeholder) continue;
    if (auto problem = check_parameter(part.text, parameters)) return problem;
  }
  return std::nullopt;
}

std::string to_string(const ValueSource& source, bool from_response) {
  if (source.kind == ValueSource::Kind::body) return "body";
  for (const Prefix& prefix : prefixes) {
    if (prefix.kind == source.kind && prefix.from_response == from_response) {
      return std::string(prefix.text) + source.argument;
    }
  }
  return source.argument;
}

std::optional<std::string> known_category(const ValueSource& stream) {
  if (stream.kind != ValueSource::Kind::text && stream.kind != ValueSource::Kind::literal) return std::nullopt;
  const auto dash = stream.argument.find('-');
  std::string category = stream.argument.substr(0, dash);
  const bool literal = stream.kind == ValueSource::Kind::literal;
  if (literal) return category;
  if (dash == std::string::npos || category.find('{') != std::string::npos) return std::nullopt;
  return category;
}

}  // namespace twinstream
