#include "tests/property/client.h"

#include <algorithm>
#include <map>

namespace twinstream::property {
namespace {

using Kind = ExpectedRevision::Kind;

std::string trailer(const grpc::ClientContext& context, const std::string& name) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(name);
  return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
}

template <class Options>
void set_expectation(Options& options, ExpectedRevision expected) {
  switch (expected.kind) {
    case Kind::any: options.mutable_any(); break;
    case Kind::no_stream: options.mutable_no_stream(); break;
    case Kind::stream_exists: options.mutable_stream_exists(); break;
    case Kind::exact: options.set_revision(expected.revision); break;
  }
}

void set_expectation(streams::BatchAppendReq::Options& options, ExpectedRevision expected) {
  switch (expected.kind) {
    case Kind::any: options.mutable_any(); break;
    case Kind::no_stream: options.mutable_no_stream(); break;
    case Kind::stream_exists: options.mutable_stream_exists(); break;
    case Kind::exact: options.set_stream_position(expected.revision); break;
  }
}

template <class Proposed>
void fill(Proposed& proposed, const Event& event) {
  proposed.mutable_id()->set_string(event.id.to_string());
  (*proposed.mutable_metadata())["type"] = event.type;
  (*proposed.mutable_metadata())["content-type"] =
      event.content_type == ContentType::json ? "application/json" : "application/octet-stream";
  proposed.set_data(event.data);
  proposed.set_custom_metadata(event.metadata);
}

WriteAnswer failed(std::string problem) { return {WriteAnswer::Kind::failed, {}, {}, {}, std::move(problem)}; }

template <class Success>
WriteAnswer done(const Success& success) {
  WriteAnswer answer{WriteAnswer::Kind::done, {}, {}, {}, {}};
  if (success.has_current_revision()) answer.revision = success.current_revision();
  if (!success.has_current_revision() && !success.has_no_stream()) return failed("a success without revision");
  if (success.has_position()) {
    answer.position = success.position().commit_position();
    if (success.position().prepare_position() != *answer.position) return failed("a position with unequal halves");
  } else if (!success.has_no_position()) {
    return failed("a success without position");
  }
  return answer;
}

std::string number_text(ExpectedRevision expected) {
  switch (expected.kind) {
    case Kind::any: return "-2";
    case Kind::no_stream: return "-1";
    case Kind::stream_exists: return "-4";
    case Kind::exact: break;
  }
  return std::to_string(expected.revision);
}

/// A call that ended with an error: its trailers say more.
WriteAnswer of_status(const grpc::Status& status, const grpc::ClientContext& context, const std::string& stream,
                      ExpectedRevision expected) {
  const std::string exception = trailer(context, "exception");
  const bool precondition = status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
  if (precondition && trailer(context, "stream-name") == stream) {
    if (exception == "stream-deleted") return {WriteAnswer::Kind::deleted, {}, {}, {}, {}};
    if (exception == "wrong-expected-version" && trailer(context, "expected-version") == number_text(expected)) {
      const std::string actual = trailer(context, "actual-version");
      WriteAnswer answer{WriteAnswer::Kind::wrong_version, {}, {}, {}, {}};
      if (actual != "-1") answer.actual = std::stoull(actual);
      return answer;
    }
  }
  return failed("status " + std::to_string(status.error_code()) + " " + exception + ": " + status.error_message());
}

WriteAnswer conflict(const streams::AppendResp::WrongExpectedVersion& conflict, ExpectedRevision expected) {
  WriteAnswer answer{WriteAnswer::Kind::wrong_version, {}, {}, {}, {}};
  if (conflict.has_current_revision()) answer.actual = conflict.current_revision();
  const bool named = (expected.kind == Kind::any && conflict.has_expected_any()) ||
                     (expected.kind == Kind::no_stream && conflict.has_expected_no_stream()) ||
                     (expected.kind == Kind::stream_exists && conflict.has_expected_stream_exists()) ||
                     (expected.kind == Kind::exact && conflict.expected_revision() == expected.revision);
  const bool generations_agree = conflict.has_current_revision() == conflict.has_current_revision_20_6_0() &&
                                 conflict.current_revision() == conflict.current_revision_20_6_0();
  return named && generations_agree ? answer : failed("a conflict that contradicts itself");
}

WriteAnswer batch_error(const streams::BatchAppendResp& response, ExpectedRevision expected) {
  const auto& error = response.error();
  if (error.details().Is<wire::StreamDeleted>() && error.code() == 5)
    return {WriteAnswer::Kind::deleted, {}, {}, {}, {}};
  wire::WrongExpectedVersion conflict;
  if (error.code() != 6 || !error.details().UnpackTo(&conflict)) return failed(error.ShortDebugString());
  WriteAnswer answer{WriteAnswer::Kind::wrong_version, {}, {}, {}, {}};
  if (conflict.has_current_stream_revision()) answer.actual = conflict.current_stream_revision();
  const bool named = (expected.kind == Kind::any && conflict.has_expected_any()) ||
                     (expected.kind == Kind::no_stream && conflict.has_expected_no_stream()) ||
                     (expected.kind == Kind::stream_exists && conflict.has_expected_stream_exists()) ||
                     (expected.kind == Kind::exact && conflict.expected_stream_position() == expected.revision);
  return named ? answer : failed("a conflict that names another expectation");
}

SeenEvent seen(const streams::ReadResp::ReadEvent::RecordedEvent& event) {
  const auto text = [&](const char* key) {
    const auto found = event.metadata().find(key);
    return found == event.metadata().end() ? std::string() : found->second;
  };
  return {event.stream_identifier().stream_name(),
          event.stream_revision(),
          event.id().string(),
          text("type"),
          text("content-type"),
          event.data(),
          event.custom_metadata(),
          event.commit_position()};
}

bool is_whole(const streams::ReadResp::ReadEvent::RecordedEvent& event) {
  const auto created = event.metadata().find("created");
  return event.metadata().size() == 3 && created != event.metadata().end() &&
         std::all_of(created->second.begin(), created->second.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         event.commit_position() == event.prepare_position();
}

/// Events, then at most one position at either end. What breaks the order is a problem.
void take(const streams::ReadResp& response, ReadAnswer& answer) {
  if (answer.last_position) answer.problem = "something follows last_stream_position";
  switch (response.content_case()) {
    case streams::ReadResp::kEvent: {
      SeenEntry entry;
      const auto& event = response.event();
      if (event.has_event()) entry.event = seen(event.event());
      if (event.has_link()) entry.link = seen(event.link());
      const auto& original = event.has_link() ? event.link() : event.event();
      if (!is_whole(original) || (event.has_event() && !is_whole(event.event()))) answer.problem = "half an event";
      if (event.commit_position() != original.commit_position()) answer.problem = "the position is another event's";
      return answer.entries.push_back(std::move(entry));
    }
    case streams::ReadResp::kStreamNotFound: answer.kind = ReadAnswer::Kind::not_found; return;
    case streams::ReadResp::kFirstStreamPosition:
      if (!answer.entries.empty()) answer.problem = "first_stream_position comes late";
      answer.first_position = response.first_stream_position();
      return;
    case streams::ReadResp::kLastStreamPosition: answer.last_position = response.last_stream_position(); return;
    default: answer.problem = "a response that a finite read does not have";
  }
}

}  // namespace

streams::ReadReq finite_read(bool forwards, std::uint64_t count) {
  streams::ReadReq request;
  auto& options = *request.mutable_options();
  options.set_read_direction(forwards ? streams::ReadReq::Options::Forwards : streams::ReadReq::Options::Backwards);
  options.set_count(count);
  options.mutable_no_filter();
  options.mutable_uuid_option()->mutable_string();
  return request;
}

Client::Client(const std::shared_ptr<grpc::Channel>& channel) : stub_(streams::Streams::NewStub(channel)) {}

Client::~Client() {
  if (!batch_) return;
  batch_->WritesDone();
  batch_->Finish();
}

WriteAnswer Client::append(const std::string& stream, ExpectedRevision expected, const std::vector<Event>& events) {
  grpc::ClientContext context;
  streams::AppendResp response;
  const auto writer = stub_->Append(&context, &response);
  streams::AppendReq message;
  message.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
  set_expectation(*message.mutable_options(), expected);
  writer->Write(message, grpc::WriteOptions().set_buffer_hint());
  for (const Event& event : events) {
    fill(*message.mutable_proposed_message(), event);
    writer->Write(message, grpc::WriteOptions().set_buffer_hint());
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return of_status(status, context, stream, expected);
  if (response.has_success()) return done(response.success());
  return conflict(response.wrong_expected_version(), expected);
}

WriteAnswer Client::batch_append(const std::string& stream, ExpectedRevision expected, const std::vector<Event>& events,
                                 std::size_t chunk) {
  if (!batch_) batch_ = stub_->BatchAppend(&batch_context_);
  const std::string correlation = EventId::random().to_string();
  std::size_t sent = 0;
  for (bool first = true; first || sent < events.size(); first = false) {
    streams::BatchAppendReq message;
    message.mutable_correlation_id()->set_string(correlation);
    if (first) {
      message.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
      set_expectation(*message.mutable_options(), expected);
    }
    for (std::size_t i = 0; i < chunk && sent < events.size(); ++i)
      fill(*message.add_proposed_messages(), events[sent++]);
    message.set_is_final(sent == events.size());
    if (!batch_->Write(message)) return failed("the batch call has ended");
  }
  streams::BatchAppendResp response;
  if (!batch_->Read(&response)) return failed("the batch call has ended");
  if (response.correlation_id().string() != correlation) return failed("an answer to another append");
  if (response.stream_identifier().stream_name() != stream) return failed("an answer about another stream");
  return response.has_success() ? done(response.success()) : batch_error(response, expected);
}

WriteAnswer Client::soft_delete(const std::string& stream, ExpectedRevision expected) {
  streams::DeleteReq request;
  request.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
  set_expectation(*request.mutable_options(), expected);
  streams::DeleteResp response;
  grpc::ClientContext context;
  const grpc::Status status = stub_->Delete(&context, request, &response);
  if (!status.ok()) return of_status(status, context, stream, expected);
  return {WriteAnswer::Kind::done, {}, {}, response.position().commit_position(), {}};
}

WriteAnswer Client::tombstone(const std::string& stream, ExpectedRevision expected) {
  streams::TombstoneReq request;
  request.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
  set_expectation(*request.mutable_options(), expected);
  streams::TombstoneResp response;
  grpc::ClientContext context;
  const grpc::Status status = stub_->Tombstone(&context, request, &response);
  if (!status.ok()) return of_status(status, context, stream, expected);
  return {WriteAnswer::Kind::done, {}, {}, response.position().commit_position(), {}};
}

ReadAnswer Client::read(const streams::ReadReq& request) {
  grpc::ClientContext context;
  const auto reader = stub_->Read(&context, request);
  ReadAnswer answer;
  for (streams::ReadResp response; reader->Read(&response);) take(response, answer);
  const grpc::Status status = reader->Finish();
  const std::string& stream = request.options().stream().stream_identifier().stream_name();
  if (!status.ok()) {
    const bool deleted = trailer(context, "exception") == "stream-deleted" &&
                         trailer(context, "stream-name") == stream &&
                         status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
    answer.kind = deleted ? ReadAnswer::Kind::deleted : ReadAnswer::Kind::failed;
    if (!deleted) answer.problem = "status " + std::to_string(status.error_code()) + ": " + status.error_message();
  }
  if (answer.kind != ReadAnswer::Kind::found && !answer.entries.empty()) answer.problem = "events before a refusal";
  return answer;
}

}  // namespace twinstream::property
