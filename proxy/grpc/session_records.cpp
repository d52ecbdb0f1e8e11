#include "proxy/grpc/session_records.h"

#include <google/protobuf/util/json_util.h>

#include "proxy/core/json.h"
#include "proxy/grpc/session_errors.h"

namespace twinstream::door {
namespace {

using Refused = std::optional<CallStatus>;

const char* format_name(v2::SchemaFormat format) {
  switch (format) {
    case v2::SCHEMA_FORMAT_JSON: return "Json";
    case v2::SCHEMA_FORMAT_PROTOBUF: return "Protobuf";
    case v2::SCHEMA_FORMAT_AVRO: return "Avro";
    case v2::SCHEMA_FORMAT_BYTES: return "Bytes";
    default: return nullptr;
  }
}

bool allowed_in_names(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return byte >= 0x80 || letter_or_digit || c == '_' || c == '.' || c == '$' || c == ':' || c == '-';
}

Refused refuse_schema(const v2::AppendRecord& record) {
  if (!record.has_schema()) return unknown("a record has no schema");
  const v2::SchemaInfo& schema = record.schema();
  if (format_name(schema.format()) == nullptr) return bad_request("schema.format", "a record's format is not set");
  if (schema.name().empty()) return bad_request("schema.name", "a record's schema has no name");
  for (const char c : schema.name()) {
    if (!allowed_in_names(c)) return bad_request("schema.name", "the schema name " + schema.name() + " is not allowed");
  }
  if (schema.has_id() && !EventId::parse(schema.id())) return bad_request("schema.id", "a schema id is no UUID");
  return std::nullopt;
}

Refused refuse_record(const v2::AppendRecord& record) {
  if (record.has_record_id()) {
    const auto id = EventId::parse(record.record_id());
    if (!id || id->is_nil()) return bad_request("record_id", "a record id is no UUID");
  }
  if (auto refused = refuse_schema(record)) return refused;
  for (const auto& [key, value] : record.properties()) {
    const bool set = value.kind_case() != google::protobuf::Value::KIND_NOT_SET;
    if (key.empty() || !set) return bad_request("properties", "a property has no name or no value");
  }
  return std::nullopt;
}

google::protobuf::Value text_value(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  return value;
}

/// Always the same text for the same properties, so that a repetition is one byte for byte. Nothing when a property is no
/// JSON value (a number that is none).
std::string metadata_of(const v2::AppendRecord& record) {
  google::protobuf::Struct object;
  *object.mutable_fields() = record.properties();
  auto& fields = *object.mutable_fields();
  fields["$schema.name"] = text_value(record.schema().name());
  fields["$schema.format"] = text_value(format_name(record.schema().format()));
  if (record.schema().has_id()) fields["$schema.id"] = text_value(record.schema().id());
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(object, &json).ok()) return {};
  return canonical_json(json).value_or(json);
}

Event take_event(v2::AppendRecord& record) {
  Event event;
  event.id = record.has_record_id() ? *EventId::parse(record.record_id()) : EventId::random();
  event.type = record.schema().name();
  event.content_type =
      record.schema().format() == v2::SCHEMA_FORMAT_JSON ? ContentType::json : ContentType::binary;
  event.metadata = metadata_of(record);
  event.data = std::move(*record.mutable_data());
  return event;
}

Parsed<ExpectedRevision> expectation_of(const v2::AppendRequest& request) {
  const std::int64_t expected = request.has_expected_revision() ? request.expected_revision() : -2;
  switch (expected) {
    case -1: return ExpectedRevision::no_stream();
    case -2: return ExpectedRevision::any();
    case -4: return ExpectedRevision::stream_exists();
    default: break;
  }
  if (expected < 0) return bad_request("expected_revision", "the expected revision is none");
  return ExpectedRevision::exact(static_cast<std::uint64_t>(expected));
}

}  // namespace

Parsed<Event> take_record(v2::AppendRecord& record) {
  if (auto refused = refuse_record(record)) return *refused;
  Event event = take_event(record);
  if (event.metadata.empty()) return bad_request("properties", "a property cannot be JSON");
  return event;
}

Parsed<AppendRequest> take_session_request(v2::AppendRequest& request) {
  if (request.stream().empty() || request.stream() == "$$") return bad_request("stream", "the stream has no name");
  if (request.records().empty()) return bad_request("records", "stream " + request.stream() + " has no records");
  AppendRequest append{request.stream(), {}, {}};
  for (auto& record : *request.mutable_records()) {
    auto event = take_record(record);
    if (auto* refused = std::get_if<CallStatus>(&event)) return std::move(*refused);
    append.events.push_back(std::move(std::get<Event>(event)));
  }
  auto expected = expectation_of(request);
  if (auto* refused = std::get_if<CallStatus>(&expected)) return std::move(*refused);
  append.expected = std::get<ExpectedRevision>(expected);
  return append;
}

std::size_t counted_size(const v2::AppendRecord& record) {
  std::size_t size = record.data().size() + record.schema().name().size();
  for (const auto& [key, value] : record.properties()) size += key.size() + value.ByteSizeLong();
  return size;
}

}  // namespace twinstream::door
