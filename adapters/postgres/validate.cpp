#include "adapters/postgres/validate.h"

#include <charconv>
#include <unordered_set>

#include "proxy/core/json.h"
#include "proxy/core/json_scanner.h"
#include "proxy/core/utf8.h"

namespace twinstream::postgres {
namespace {

using Complaint = std::optional<std::string>;

/// Type json keeps any JSON text; only its syntax counts.
class AnyJson final : public JsonSink {
  bool begin_object(std::size_t) override { return true; }
  bool key(std::string_view) override { return true; }
  bool end_object(std::size_t) override { return true; }
  bool begin_array(std::size_t) override { return true; }
  bool end_array(std::size_t) override { return true; }
  bool string(std::string_view) override { return true; }
  bool number(std::string_view) override { return true; }
  bool word(std::string_view) override { return true; }
};

Complaint unfit_text(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return "has a zero byte, which PostgreSQL text cannot hold";
  if (!is_utf8(text)) return "is not UTF-8";
  return std::nullopt;
}

Complaint unfit_payload(Storage storage, std::string_view bytes) {
  if (storage == Storage::bytea) return std::nullopt;
  if (storage == Storage::text) return unfit_text(bytes);
  AnyJson any;
  if (storage == Storage::jsonb ? fits_jsonb(bytes) : scan_json(bytes, any)) return std::nullopt;
  if (auto complaint = unfit_text(bytes)) return complaint;
  if (storage == Storage::json) return "is not JSON, and its column holds nothing else";
  return "is not JSON that a jsonb column can hold (\\u0000 and lone surrogates do not fit)";
}

template <class Integer>
bool is_canonical_integer(std::string_view text) {
  Integer number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && std::to_string(number) == text;
}

std::size_t characters(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

Complaint unfit_value(const Column& column, const std::string& value) {
  const auto& type = column.type;
  if (type == "uuid") {
    const auto id = EventId::parse(value);
    if (!id || id->to_string() != value) return "must be a UUID in lower case";
  }
  if (type == "bigint" && !is_canonical_integer<std::int64_t>(value)) return "must be a number of 64 bits";
  if (type == "integer" && !is_canonical_integer<std::int32_t>(value)) return "must be a number of 32 bits";
  if (type == "smallint" && !is_canonical_integer<std::int16_t>(value)) return "must be a number of 16 bits";
  if (column.max_characters && characters(value) > static_cast<std::size_t>(*column.max_characters)) {
    return "has more than " + std::to_string(*column.max_characters) + " characters";
  }
  return std::nullopt;
}

Failure reject(std::string reason) { return {FailureCode::rejected, std::move(reason), {}}; }

std::optional<Failure> unfit_event(const Shape& shape, const Event& event) {
  const auto complain = [&](const char* part, const Complaint& complaint) -> std::optional<Failure> {
    if (!complaint) return std::nullopt;
    return reject("event " + event.id.to_string() + ": the " + part + " " + *complaint);
  };
  if (auto failure = complain("type", unfit_text(event.type))) return failure;
  if (shape.type.max_characters && characters(event.type) > static_cast<std::size_t>(*shape.type.max_characters)) {
    return complain("type", "has more than " + std::to_string(*shape.type.max_characters) + " characters");
  }
  if (is_json(shape.data_storage) && event.content_type != ContentType::json) {
    return complain("data", "is binary, but column \"" + shape.data.name + "\" holds JSON only");
  }
  if (auto failure = complain("data", unfit_payload(shape.data_storage, event.data))) return failure;
  if (!shape.metadata) {
    if (event.metadata.empty()) return std::nullopt;
    return complain("metadata", "has no column to go to: set metadata_column");
  }
  if (event.metadata.empty()) return std::nullopt;
  return complain("metadata", unfit_payload(shape.metadata_storage, event.metadata));
}

}  // namespace

Result<std::vector<std::string>> stream_key(const Shape& shape, const std::string& stream) {
  if (const auto complaint = unfit_text(stream)) return reject("the stream name " + *complaint);
  if (stream.empty()) return reject("the stream name is empty");
  auto values = shape.name.values(stream);
  if (!values) {
    return reject("stream " + stream + " does not fit the template \"" + shape.name.text() + "\" of table " +
                  shape.label);
  }
  for (std::size_t i = 0; i < values->size(); ++i) {
    const auto complaint = unfit_value(shape.stream[i], (*values)[i]);
    if (complaint)
      return reject("stream " + stream + ": the part for column \"" + shape.stream[i].name + "\" " + *complaint);
  }
  return std::move(*values);
}

std::optional<Failure> unfit(const Shape& shape, const AppendRequest& request) {
  if (auto key = stream_key(shape, request.stream); !key.ok()) return key.failure();
  for (const auto& event : request.events) {
    if (auto failure = unfit_event(shape, event)) return failure;
  }
  if (!shape.id) return std::nullopt;
  std::unordered_set<EventId> ids;
  for (const auto& event : request.events) {
    if (ids.insert(event.id).second) continue;
    return Failure{FailureCode::id_conflict, "event id " + event.id.to_string() + " occurs twice in this append", {}};
  }
  return std::nullopt;
}

}  // namespace twinstream::postgres
