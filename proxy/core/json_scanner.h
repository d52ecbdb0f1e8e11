#pragma once

#include <string_view>

namespace twinstream {

/// Told what JSON text consists of, in order. Every token is the text as it stands: strings with their quotes and
/// escapes, numbers by their digits. Answering false stops the scan. Between the tokens there is nothing but
/// whitespace, commas and colons, so that a sink can tell from their places.
class JsonSink {
 public:
  virtual ~JsonSink() = default;
  virtual bool begin_object(std::size_t at) = 0;
  virtual bool key(std::string_view token) = 0;
  virtual bool end_object(std::size_t at) = 0;  ///< `at` is the place of the brace
  virtual bool begin_array(std::size_t at) = 0;
  virtual bool end_array(std::size_t at) = 0;
  virtual bool string(std::string_view token) = 0;
  virtual bool number(std::string_view token) = 0;
  virtual bool word(std::string_view token) = 0;  ///< true, false, null
};

/// Whether `text` is one JSON value (RFC 8259, UTF-8) and the sink agreed with all of it. Objects and arrays may be
/// nested json_depth_limit deep.
bool scan_json(std::string_view text, JsonSink& sink);

inline constexpr std::size_t json_depth_limit = 4000;

}  // namespace twinstream
