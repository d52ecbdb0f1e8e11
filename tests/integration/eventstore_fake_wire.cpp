#include "tests/integration/eventstore_fake_wire.h"

#include <algorithm>

#include "adapters/eventstore/wire.h"

namespace twinstream::testing {

using namespace event_store::client::streams;

namespace {

template <class Options>
ExpectedRevision read_expected(const Options& options, std::uint64_t revision, bool exact) {
  if (exact) return ExpectedRevision::exact(revision);
  if (options.has_no_stream()) return ExpectedRevision::no_stream();
  if (options.has_stream_exists()) return ExpectedRevision::stream_exists();
  return ExpectedRevision::any();
}

template <class Proposed>
Event read_proposed(const Proposed& proposed) {
  Event event;
  event.id = eventstore::read_uuid(proposed.id());
  event.type = proposed.metadata().at("type");
  event.content_type =
      proposed.metadata().at("content-type") == "application/json" ? ContentType::json : ContentType::binary;
  event.data = proposed.data();
  event.metadata = proposed.custom_metadata();
  return event;
}

std::chrono::milliseconds time_left(const BatchAppendReq::Options& options) {
  using std::chrono::milliseconds;
  if (options.has_deadline())
    return milliseconds{options.deadline().seconds() * 1000 + options.deadline().nanos() / 1'000'000};
  const auto& deadline = options.deadline_21_10_0();
  const auto at = milliseconds{deadline.seconds() * 1000 + deadline.nanos() / 1'000'000};
  return at - std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

void add_chunk(const BatchAppendReq& chunk, SeenAppend& append) {
  if (chunk.has_options()) {
    const auto& options = chunk.options();
    append.stream = options.stream_identifier().stream_name();
    append.expected = read_expected(options, options.stream_position(), options.has_stream_position());
    append.relative_deadline = options.has_deadline();
    append.time_left = time_left(options);
  }
  for (const auto& proposed : chunk.proposed_messages()) append.events.push_back(read_proposed(proposed));
  ++append.chunks;
  append.largest_chunk = std::max(append.largest_chunk, chunk.ByteSizeLong());
}

void add_message(const AppendReq& message, SeenAppend& append) {
  if (message.has_options()) {
    const auto& options = message.options();
    append.stream = options.stream_identifier().stream_name();
    append.expected = read_expected(options, options.revision(), options.has_revision());
  } else {
    append.events.push_back(read_proposed(message.proposed_message()));
  }
}

void set_error(BatchAppendResp& answer, int code, const std::string& message, const std::string& type,
               const std::string& bytes) {
  answer.mutable_error()->set_code(code);
  answer.mutable_error()->set_message(message);
  answer.mutable_error()->mutable_details()->set_type_url("type.googleapis.com/event_store.client." + type);
  answer.mutable_error()->mutable_details()->set_value(bytes);
}

ReadResp message_of(const RecordedEvent& recorded) {
  ReadResp message;
  auto& event = *message.mutable_event()->mutable_event();
  eventstore::write_uuid(recorded.event.id, *event.mutable_id());
  event.mutable_stream_identifier()->set_stream_name(recorded.stream);
  event.set_stream_revision(recorded.revision);
  event.set_commit_position(recorded.position.commit);
  event.set_prepare_position(recorded.position.prepare);
  auto& metadata = *event.mutable_metadata();
  metadata["type"] = recorded.event.type;
  metadata["created"] = "17000000000000000";
  metadata["content-type"] = "application/json";
  event.set_data(recorded.event.data);
  event.set_custom_metadata(recorded.event.metadata);
  message.mutable_event()->set_commit_position(recorded.position.commit);
  return message;
}

bool in_range(const ReadReq::Options& options, const RecordedEvent& event) {
  const bool forwards = options.read_direction() == ReadReq::Options::Forwards;
  if (options.has_stream() && options.stream().has_revision()) {
    return forwards ? event.revision >= options.stream().revision() : event.revision <= options.stream().revision();
  }
  if (options.has_all() && options.all().has_position()) {
    const Position from{options.all().position().commit_position(), options.all().position().prepare_position()};
    return forwards ? event.position >= from : event.position < from;
  }
  return true;
}

bool subscribed(const ReadReq::Options& options, const RecordedEvent& event) {
  if (options.has_all()) {
    const auto& position = options.all().position();
    return !options.all().has_position() || event.position.commit > position.commit_position();
  }
  if (event.stream != options.stream().stream_identifier().stream_name()) return false;
  return !options.stream().has_revision() || event.revision > options.stream().revision();
}

}  // namespace twinstream::testing
