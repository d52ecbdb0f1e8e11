#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "proxy/http/message.h"

namespace twinstream::http {

/// The decoded path parameters of one request, by name.
using PathParameters = std::vector<std::pair<std::string, std::string>>;

/// What values are taken from.
struct ValueInputs {
  const Fields& headers;
  std::string_view query;
  const PathParameters& parameters;
  std::string_view body;
  std::string_view json;  ///< what JSON pointers count from; must be JSON when a source is a pointer
};

/// The value as text: strings of JSON without their quotes, numbers by their digits. Nothing when the request does not
/// have it or has JSON null; an empty text counts as absent too.
std::optional<std::string> text_value(const ValueSource& source, const ValueInputs& inputs);

/// The value as bytes to be stored: of a JSON pointer the exact source text, of the others their text.
std::optional<std::string> raw_value(const ValueSource& source, const ValueInputs& inputs);

/// Where a value was looked for, for people: `header X-Type`.
std::string describe(const ValueSource& source);

/// Fills `{name}` parts; each value goes through `encode`.
std::string fill_text(std::string_view text, const PathParameters& parameters, std::string (*encode)(std::string_view));

}  // namespace twinstream::http
