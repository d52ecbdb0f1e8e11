#include "adapters/embedded/stream_metadata.h"

#include <boost/json.hpp>

namespace twinstream::embedded {
namespace {

namespace json = boost::json;

/// `valid` becomes false when the key is there and is no integer of the kind EventStore takes.
std::optional<std::uint64_t> positive_integer(const json::object& object, std::string_view key, bool& valid) {
  const json::value* value = object.if_contains(key);
  if (!value) return std::nullopt;
  if (value->is_uint64()) valid = false;  // Boost uses it only beyond 2^63-1
  if (!value->is_int64()) {
    valid = false;
    return std::nullopt;
  }
  if (value->get_int64() <= 0) return std::nullopt;
  return static_cast<std::uint64_t>(value->get_int64());
}

std::optional<json::object> parse_object(std::string_view text) {
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

}  // namespace

StreamMetadata StreamMetadata::parse(std::string_view text) {
  const auto object = parse_object(text);
  if (!object) return {};
  bool valid = true;
  StreamMetadata metadata;
  metadata.truncate_before = positive_integer(*object, "$tb", valid).value_or(0);
  metadata.max_count = positive_integer(*object, "$maxCount", valid);
  metadata.max_age_seconds = positive_integer(*object, "$maxAge", valid);
  positive_integer(*object, "$cacheControl", valid);
  if (const auto* temporary = object->if_contains("$tmp")) valid = valid && temporary->is_bool();
  if (const auto* rights = object->if_contains("$acl")) valid = valid && rights->is_object();
  return valid ? metadata : StreamMetadata{};
}

std::optional<std::string> with_truncate_before(std::string_view text, std::uint64_t revision) {
  auto object = parse_object(text);
  if (!object) return std::nullopt;
  (*object)["$tb"] = revision;
  return json::serialize(*object);
}

std::optional<std::string> without_truncate_before(std::string_view text) {
  auto object = parse_object(text);
  if (!object) return std::nullopt;
  object->erase("$tb");
  return json::serialize(*object);
}

}  // namespace twinstream::embedded
