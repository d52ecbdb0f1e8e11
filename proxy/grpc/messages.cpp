#include "proxy/grpc/messages.h"

namespace twinstream::door {
namespace {

std::uint64_t big_endian(const std::uint8_t* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

void write_big_endian(std::uint64_t value, std::uint8_t* bytes) {
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<std::uint8_t>(value);
}

}  // namespace

std::optional<EventId> parse_uuid(const wire::UUID& uuid) {
  switch (uuid.value_case()) {
    case wire::UUID::kString: return EventId::parse(uuid.string());
    case wire::UUID::kStructured: {
      EventId id;
      write_big_endian(static_cast<std::uint64_t>(uuid.structured().most_significant_bits()), id.bytes.data());
      write_big_endian(static_cast<std::uint64_t>(uuid.structured().least_significant_bits()), id.bytes.data() + 8);
      return id;
    }
    case wire::UUID::VALUE_NOT_SET: break;
  }
  return std::nullopt;
}

void set_uuid(wire::UUID& uuid, const EventId& id, bool as_string) {
  if (as_string) return uuid.set_string(id.to_string());
  auto& structured = *uuid.mutable_structured();
  structured.set_most_significant_bits(static_cast<std::int64_t>(big_endian(id.bytes.data())));
  structured.set_least_significant_bits(static_cast<std::int64_t>(big_endian(id.bytes.data() + 8)));
}

std::string stream_name(const wire::StreamIdentifier& identifier) { return identifier.stream_name(); }

std::int64_t to_ticks(Timestamp time) { return time.time_since_epoch().count() * 10; }

Parsed<ExpectedRevision> parse_expectation(const wire::streams::BatchAppendReq::Options& options) {
  using Options = wire::streams::BatchAppendReq::Options;
  switch (options.expected_stream_position_case()) {
    case Options::kStreamPosition: return exact_expectation(options.stream_position());
    case Options::kNoStream: return ExpectedRevision::no_stream();
    case Options::kAny: return ExpectedRevision::any();
    case Options::kStreamExists: return ExpectedRevision::stream_exists();
    case Options::EXPECTED_STREAM_POSITION_NOT_SET: break;
  }
  return invalid_argument("the expected stream position is not set");
}

bool is_too_large(const AppendRequest& request, const EventLog& log) {
  std::size_t bytes = 0;
  for (const Event& event : request.events) bytes += event.data.size() + event.metadata.size() + 2 * event.type.size();
  return exceeds(bytes, log);
}

wire::streams::ReadResp to_response(std::optional<RecordedEvent> event, std::optional<RecordedEvent> link,
                                    bool string_ids) {
  wire::streams::ReadResp response;
  auto& message = *response.mutable_event();
  const Position position = link ? link->position : event->position;
  if (position == Position::start()) {
    message.mutable_no_position();  // a log of two stores knows the positions of one only
  } else {
    message.set_commit_position(position.commit);
  }
  if (event) fill_recorded(*message.mutable_event(), std::move(*event), string_ids);
  if (link) fill_recorded(*message.mutable_link(), std::move(*link), string_ids);
  return response;
}

}  // namespace twinstream::door
