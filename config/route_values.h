#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/values.h"

// The small languages of routes and table mappings.

namespace twinstream {

/// A piece of `contact-{id}`.
struct TemplatePart {
  bool placeholder = false;
  std::string text;  ///< of a placeholder, its name
};

/// Into literal pieces and placeholders; no piece is empty.
Problem split_template(std::string_view text, std::vector<TemplatePart>& parts);

/// Whether a stream name tells every column's value again, and all columns are there.
Problem check_stream_template(std::string_view text, const std::vector<std::string>& columns);

/// `POST /contacts/{id}/events`
struct Match {
  std::string method;
  std::string pattern;
};
Problem parse_match(std::string_view text, Match& match);
/// The names of `{...}` in a pattern.
std::vector<std::string> parameters_of(std::string_view pattern);
/// Two patterns with the same shape match the same requests, whatever their parameters are called.
std::string shape_of(std::string_view pattern);

/// Parses a ValueSource; `response-header:` and `response-json:` set `from_response`. Which of them a field takes, and
/// whether path parameters exist, is for check_source.
Problem parse_value_source(std::string_view text, ValueSource& source, bool& from_response);
/// Whether the path parameters it names are among `parameters`.
Problem check_source(const ValueSource& source, const std::vector<std::string>& parameters);
/// As it is written in the file.
std::string to_string(const ValueSource& source, bool from_response = false);

/// The category of the streams that a source names, when it says so before any request is seen.
std::optional<std::string> known_category(const ValueSource& stream);

/// What a JSON template of a read route describes.
enum class TemplateOf { response, event };

/// The names that may stand in braces. `{revision}` of a response is that of the last event.
const std::vector<std::string_view>& template_names(TemplateOf of);
/// Whether `text` becomes JSON when its `{name}` and `$events` are filled in.
Problem check_json_template(std::string_view text, TemplateOf of);

}  // namespace twinstream
