#include "proxy/http/value_source.h"

#include <algorithm>

#include "config/route_values.h"
#include "proxy/http/json_pointer.h"
#include "proxy/http/json_text.h"

namespace twinstream::http {
namespace {

using Kind = ValueSource::Kind;

std::string as_it_is(std::string_view text) { return std::string(text); }

std::optional<std::string> parameter(const PathParameters& parameters, std::string_view name) {
  const auto found =
      std::find_if(parameters.begin(), parameters.end(), [&](const auto& each) { return each.first == name; });
  return found == parameters.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> at_pointer(const ValueSource& source, std::string_view json, bool decode) {
  const auto value = json_at(json, source.argument);
  if (!value || *value == "null") return std::nullopt;
  return decode && value->starts_with('"') ? decode_json_string(*value) : std::string(*value);
}

std::optional<std::string> value_of(const ValueSource& source, const ValueInputs& inputs, bool decode) {
  switch (source.kind) {
    case Kind::path: return parameter(inputs.parameters, source.argument);
    case Kind::header: {
      const auto field = inputs.headers.get(source.argument);
      return field ? std::optional<std::string>(*field) : std::nullopt;
    }
    case Kind::json: return at_pointer(source, inputs.json, decode);
    case Kind::query: return query_value(inputs.query, source.argument);
    case Kind::body: return std::string(inputs.body);
    case Kind::literal: return source.argument;
    case Kind::text: return fill_text(source.argument, inputs.parameters, as_it_is);
    case Kind::none: break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> text_value(const ValueSource& source, const ValueInputs& inputs) {
  auto value = value_of(source, inputs, true);
  return value && value->empty() ? std::nullopt : value;
}

std::optional<std::string> raw_value(const ValueSource& source, const ValueInputs& inputs) {
  return value_of(source, inputs, false);
}

std::string describe(const ValueSource& source) {
  switch (source.kind) {
    case Kind::path: return "path parameter " + source.argument;
    case Kind::header: return "header " + source.argument;
    case Kind::json: return source.argument.empty() ? "the JSON body" : "JSON pointer " + source.argument;
    case Kind::query: return "query parameter " + source.argument;
    case Kind::body: return "the body";
    case Kind::literal: return "a fixed text";
    case Kind::text: return "text " + source.argument;
    case Kind::none: break;
  }
  return "nowhere";
}

std::string fill_text(std::string_view text, const PathParameters& parameters,
                      std::string (*encode)(std::string_view)) {
  std::vector<TemplatePart> parts;
  if (split_template(text, parts)) return std::string(text);
  std::string filled;
  for (const TemplatePart& part : parts) {
    filled += part.placeholder ? encode(parameter(parameters, part.text).value_or("")) : part.text;
  }
  return filled;
}

}  // namespace twinstream::http
