#include <boost/json.hpp>

#include "adapters/eventstore/reader.h"
#include "adapters/eventstore/wire.h"

namespace twinstream::eventstore {
namespace {

constexpr const char* truncate_before = "$tb";

std::optional<boost::json::object> parse_object(std::string_view text) {
  boost::json::error_code error;
  auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

}  // namespace

std::optional<std::uint64_t> truncated_before(std::string_view metadata_json) {
  const auto object = parse_object(metadata_json);
  const auto* value = object ? object->if_contains(truncate_before) : nullptr;
  if (!value) return std::nullopt;
  boost::json::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  if (error || number > deleted_revision) return std::nullopt;
  return number;
}

std::string without_truncation(std::string_view metadata_json) {
  auto object = parse_object(metadata_json).value_or(boost::json::object{});
  object.erase(truncate_before);
  return boost::json::serialize(object);
}

}  // namespace twinstream::eventstore
