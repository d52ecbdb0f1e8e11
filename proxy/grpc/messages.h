#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/core/event_log.h"
#include "proxy/grpc/call_status.h"
#include "proxy/protocol/streams.pb.h"

// Between the messages of the wire and our own types.

namespace twinstream::door {

namespace wire = event_store::client;

inline constexpr std::uint64_t wire_minus_one = 18446744073709551615u;   // 2^64-1
inline constexpr std::uint64_t largest_revision = 9223372036854775807u;  // 2^63-1

/// Either form; nothing when none is set or the text is no UUID.
std::optional<EventId> parse_uuid(const wire::UUID& uuid);
void set_uuid(wire::UUID& uuid, const EventId& id, bool as_string);

std::string stream_name(const wire::StreamIdentifier& identifier);

/// Decimal 100 ns ticks since 1970.
std::int64_t to_ticks(Timestamp time);

/// Takes the proposed event apart.
template <class Proposed>
Parsed<Event> take_event(Proposed& proposed) {
  const auto& metadata = proposed.metadata();
  const auto type = metadata.find("type");
  if (type == metadata.end()) return missing_metadata_property("type");
  const auto content_type = metadata.find("content-type");
  if (content_type == metadata.end()) return missing_metadata_property("content-type");
  const auto id = parse_uuid(proposed.id());
  if (!id || id->is_nil()) return unknown("an event id is missing, empty or no UUID");
  if (type->second.empty()) return unknown("an event type is empty");
  Event event;
  event.id = *id;
  event.type = type->second;
  event.content_type = content_type->second == "application/json" ? ContentType::json : ContentType::binary;
  event.data = std::move(*proposed.mutable_data());
  event.metadata = std::move(*proposed.mutable_custom_metadata());
  return event;
}

inline Parsed<ExpectedRevision> exact_expectation(std::uint64_t revision) {
  if (revision == wire_minus_one) return ExpectedRevision::no_stream();
  if (revision > largest_revision) return unknown("the expected revision is out of range");
  return ExpectedRevision::exact(revision);
}

/// For the options of Append, Delete and Tombstone, which name the expectation alike.
template <class Options>
Parsed<ExpectedRevision> parse_expectation(const Options& options) {
  switch (options.expected_stream_revision_case()) {
    case Options::kRevision: return exact_expectation(options.revision());
    case Options::kNoStream: return ExpectedRevision::no_stream();
    case Options::kAny: return ExpectedRevision::any();
    case Options::kStreamExists: return ExpectedRevision::stream_exists();
    case Options::EXPECTED_STREAM_REVISION_NOT_SET: break;
  }
  return invalid_argument("the expected stream revision is not set");
}

Parsed<ExpectedRevision> parse_expectation(const wire::streams::BatchAppendReq::Options& options);

/// Data bytes only count towards the limit, as in EventStore 23.10.
inline bool exceeds(std::size_t data_bytes, const EventLog& log) { return data_bytes > log.traits().max_append_bytes; }

/// Whether a log that refused this did so for its size. Logs may count more than the data.
bool is_too_large(const AppendRequest& request, const EventLog& log);

/// For the RecordedEvent messages of Streams and of PersistentSubscriptions, which are alike.
template <class Message>
void fill_recorded(Message& message, RecordedEvent recorded, bool string_ids) {
  set_uuid(*message.mutable_id(), recorded.event.id, string_ids);
  message.mutable_stream_identifier()->set_stream_name(std::move(recorded.stream));
  message.set_stream_revision(recorded.revision);
  const bool known = recorded.position != Position::start();
  message.set_prepare_position(known ? recorded.position.prepare : wire_minus_one);
  message.set_commit_position(known ? recorded.position.commit : wire_minus_one);
  auto& metadata = *message.mutable_metadata();
  metadata["type"] = std::move(recorded.event.type);
  metadata["created"] = std::to_string(to_ticks(recorded.event.created.value_or(Timestamp{})));
  metadata["content-type"] =
      recorded.event.content_type == ContentType::json ? "application/json" : "application/octet-stream";
  message.set_custom_metadata(std::move(recorded.event.metadata));
  message.set_data(std::move(recorded.event.data));
}

/// `link` is the event that stood in the stream read, `event` what it points to; one of both is given.
wire::streams::ReadResp to_response(std::optional<RecordedEvent> event, std::optional<RecordedEvent> link,
                                    bool string_ids);

}  // namespace twinstream::door
