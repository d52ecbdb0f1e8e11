#include "adapters/eventstore/wire.h"

#include <charconv>

#include "adapters/eventstore/errors.h"
#include "proxy/protocol/streams.pb.h"

namespace twinstream::eventstore {
namespace {

using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;

constexpr const char* type_key = "type";
constexpr const char* content_type_key = "content-type";
constexpr const char* created_key = "created";
constexpr const char* json_content = "application/json";
constexpr const char* binary_content = "application/octet-stream";

std::uint64_t big_endian(const std::uint8_t* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

void put_big_endian(std::uint64_t value, std::uint8_t* bytes) {
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<std::uint8_t>(value);
}

template <class Message>
void write_any_event(const Event& event, Message& target) {
  write_uuid(event.id, *target.mutable_id());
  auto& metadata = *target.mutable_metadata();
  metadata[type_key] = event.type;
  metadata[content_type_key] = event.content_type == ContentType::json ? json_content : binary_content;
  target.set_custom_metadata(event.metadata);
  target.set_data(event.data);
}

std::string metadata_value(const google::protobuf::Map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string{} : found->second;
}

template <class Success>
Appended read_success(const Success& success) {
  Appended appended;
  if (success.has_current_revision()) appended.revision = success.current_revision();
  if (success.has_position()) {
    appended.position = {success.position().commit_position(), success.position().prepare_position()};
  }
  return appended;
}

Failure without_result() {
  return {FailureCode::unknown_outcome, "EventStore's answer to the append has no result", {}};
}

}  // namespace

void write_uuid(const EventId& id, wire::UUID& target) {
  auto& parts = *target.mutable_structured();
  parts.set_most_significant_bits(static_cast<std::int64_t>(big_endian(id.bytes.data())));
  parts.set_least_significant_bits(static_cast<std::int64_t>(big_endian(id.bytes.data() + 8)));
}

EventId read_uuid(const wire::UUID& source) {
  EventId id;
  if (source.has_structured()) {
    put_big_endian(static_cast<std::uint64_t>(source.structured().most_significant_bits()), id.bytes.data());
    put_big_endian(static_cast<std::uint64_t>(source.structured().least_significant_bits()), id.bytes.data() + 8);
  } else if (source.has_string()) {
    id = EventId::parse(source.string()).value_or(EventId{});
  }
  return id;
}

Timestamp read_created(const std::string& ticks) {
  std::int64_t count = 0;
  std::from_chars(ticks.data(), ticks.data() + ticks.size(), count);
  return Timestamp{std::chrono::floor<std::chrono::microseconds>(Ticks{count})};
}

void write_event(const Event& event, wire::streams::BatchAppendReq_ProposedMessage& target) {
  write_any_event(event, target);
}

void write_event(const Event& event, wire::streams::AppendReq_ProposedMessage& target) {
  write_any_event(event, target);
}

RecordedEvent read_event(wire::streams::ReadResp_ReadEvent& source) {
  auto& record = *source.mutable_event();
  RecordedEvent result;
  result.stream = std::move(*record.mutable_stream_identifier()->mutable_stream_name());
  result.revision = record.stream_revision();
  result.position = {record.commit_position(), record.prepare_position()};
  Event& event = result.event;
  event.id = read_uuid(record.id());
  event.type = metadata_value(record.metadata(), type_key);
  event.content_type =
      metadata_value(record.metadata(), content_type_key) == json_content ? ContentType::json : ContentType::binary;
  event.created = read_created(metadata_value(record.metadata(), created_key));
  event.data = std::move(*record.mutable_data());
  event.metadata = std::move(*record.mutable_custom_metadata());
  return result;
}

Result<Appended> read_answer(const wire::streams::BatchAppendResp& answer) {
  if (answer.has_success()) return read_success(answer.success());
  if (!answer.has_error()) return without_result();
  const auto& error = answer.error();
  const std::string& url = error.details().type_url();
  const std::string type = url.substr(url.rfind('/') + 1);
  return explain_batch_error(error.code(), error.message(), type, error.details().value());
}

Result<Appended> read_answer(const wire::streams::AppendResp& answer) {
  if (answer.has_success()) return read_success(answer.success());
  if (!answer.has_wrong_expected_version()) return without_result();
  const auto& wrong = answer.wrong_expected_version();
  if (wrong.has_current_revision()) return wrong_expected_revision(wrong.current_revision());
  if (wrong.has_current_revision_20_6_0()) return wrong_expected_revision(wrong.current_revision_20_6_0());
  return wrong_expected_revision(std::nullopt);
}

std::size_t encoded_size(const Event& event) {
  constexpr std::size_t envelope = 128;  // id, map entries, tags and lengths
  return envelope + event.type.size() + event.data.size() + event.metadata.size();
}

}  // namespace twinstream::eventstore
