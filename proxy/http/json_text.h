#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// JSON as the text it is. Values are the exact bytes of their source, so that numbers keep their digits.

namespace twinstream::http {

/// Where `text` stops being one JSON value: the byte at which the first thing begins that does not fit. Nothing when it
/// is JSON.
std::optional<std::size_t> json_error(std::string_view text);

inline bool is_json(std::string_view text) { return !json_error(text); }

struct JsonChild {
  std::string_view key;    ///< with quotes and escapes; empty in an array
  std::string_view value;  ///< without the whitespace around it
};

/// The members or elements of an object or array, in order. Nothing when `text` is neither, or has more than `limit`.
std::optional<std::vector<JsonChild>> json_children(std::string_view text, std::size_t limit);

/// What a string token (with its quotes) says. Nothing when it says something that is not UTF-8.
std::optional<std::string> decode_json_string(std::string_view token);

/// `text` as a string token. Bytes that are not UTF-8 become U+FFFD.
std::string quote_json(std::string_view text);

/// The same value, two spaces a level, one member or element a line; scalars as they stand. Nothing when that has more
/// than `limit` bytes: deep nesting makes a lot of indentation out of a few brackets. `text` must be JSON.
std::optional<std::string> indent_json(std::string_view text, std::size_t limit);

/// The same for readers: as it stands when indenting would blow it up.
std::string pretty_json(std::string_view text);

/// `text` without the whitespace around it, which may be all of it.
std::string_view trim(std::string_view text);

/// Puts JSON text together; the commas come by themselves.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return begin('{'); }
  JsonWriter& end_object() { return end('}'); }
  JsonWriter& begin_array() { return begin('['); }
  JsonWriter& end_array() { return end(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& raw(std::string_view json);  ///< must be JSON
  JsonWriter& string(std::string_view text) { return raw(quote_json(text)); }
  JsonWriter& number(std::uint64_t value) { return raw(std::to_string(value)); }
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }

  std::string take() { return std::move(text_); }

 private:
  JsonWriter& begin(char bracket);
  JsonWriter& end(char bracket);
  void separate();

  std::string text_;
  bool first_ = true;
};

}  // namespace twinstream::http
