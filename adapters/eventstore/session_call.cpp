#include "adapters/eventstore/session_call.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "proxy/core/await.h"
#include "proxy/core/json.h"
#include "proxy/protocol/rich_status.pb.h"
#include "proxy/protocol/streams_v2.grpc.pb.h"
#include "proxy/protocol/streams_v2_errors.pb.h"

namespace twinstream::eventstore {
namespace {

namespace v2 = kurrentdb::protocol::v2::streams;
namespace util = google::protobuf::util;

using Properties = google::protobuf::Struct;
using Requests = std::vector<AppendRequest>;

/// Nothing when the metadata would come back as something else.
std::optional<Properties> properties_of(const std::string& metadata) {
  Properties properties;
  if (metadata.empty()) return properties;
  if (!util::JsonStringToMessage(metadata, &properties).ok()) return std::nullopt;
  std::string again;
  if (!util::MessageToJsonString(properties, &again).ok()) return std::nullopt;
  if (canonical_json(again) != canonical_json(metadata)) return std::nullopt;
  return properties;
}

std::int64_t expectation_of(const ExpectedRevision& expected) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: return -2;
    case ExpectedRevision::Kind::no_stream: return -1;
    case ExpectedRevision::Kind::stream_exists: return -4;
    case ExpectedRevision::Kind::exact: break;
  }
  return static_cast<std::int64_t>(expected.revision);
}

void write_request(const AppendRequest& request, v2::AppendRequest& message) {
  message.Clear();
  message.set_stream(request.stream);
  message.set_expected_revision(expectation_of(request.expected));
  for (const Event& event : request.events) {
    auto& record = *message.add_records();
    record.set_record_id(event.id.to_string());
    record.set_data(event.data);
    *record.mutable_properties() = properties_of(event.metadata).value_or(Properties{}).fields();
    const bool json = event.content_type == ContentType::json;
    record.mutable_schema()->set_format(json ? v2::SCHEMA_FORMAT_JSON : v2::SCHEMA_FORMAT_BYTES);
    record.mutable_schema()->set_name(event.type);
  }
}

std::optional<std::size_t> place_of(const Requests& requests, const std::string& stream) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].stream == stream) return i;
  }
  return std::nullopt;
}

CallFailure refused(Failure failure) { return {std::move(failure), {}, false, true}; }

std::optional<Endpoint> named_leader(const std::string& detail) {
  rpc::NotLeader where;
  where.ParseFromString(detail);
  const auto& leader = where.current_leader();
  if (leader.host().empty() || leader.port() <= 0 || leader.port() > 65535) return std::nullopt;
  return Endpoint{leader.host(), static_cast<std::uint16_t>(leader.port())};
}

std::optional<CallFailure> explain_detail(const google::protobuf::Any& detail, const Requests& requests) {
  if (detail.type_url().ends_with("/kurrent.rpc.NotLeaderNodeErrorDetails")) {
    return not_leader(named_leader(detail.value()));
  }
  v2::errors::StreamRevisionConflictErrorDetails conflict;
  if (detail.UnpackTo(&conflict)) {
    std::optional<std::uint64_t> actual;
    if (conflict.actual_revision() >= 0) actual = static_cast<std::uint64_t>(conflict.actual_revision());
    auto failure = wrong_expected_revision(actual);
    failure.request = place_of(requests, conflict.stream());
    return refused(std::move(failure));
  }
  v2::errors::StreamTombstonedErrorDetails tombstoned;
  if (!detail.UnpackTo(&tombstoned)) return std::nullopt;
  return refused({FailureCode::stream_deleted,
                  "stream " + tombstoned.stream() + " is deleted in EventStore",
                  {},
                  place_of(requests, tombstoned.stream())});
}

/// What only the reason says: the server has not begun.
std::optional<CallFailure> explain_reason(const google::protobuf::Any& detail, const std::string& message) {
  rpc::ErrorInfo info;
  if (!detail.type_url().ends_with("/google.rpc.ErrorInfo") || !info.ParseFromString(detail.value())) return std::nullopt;
  const std::string& reason = info.reason();
  if (reason == "NOT_LEADER_NODE") return not_leader(std::nullopt);
  const bool later = reason == "SERVER_NOT_READY" || reason == "SERVER_OVERLOADED" || reason == "SERVER_SHUTTING_DOWN";
  if (!later) return std::nullopt;
  return refused({FailureCode::unavailable, "EventStore cannot take appends now: " + message, {}});
}

std::optional<CallFailure> explain_details(const grpc::Status& status, const Requests& requests) {
  rpc::Status rich;
  if (status.error_details().empty() || !rich.ParseFromString(status.error_details())) return std::nullopt;
  // What says most comes last.
  for (auto detail = rich.details().rbegin(); detail != rich.details().rend(); ++detail) {
    if (auto failure = explain_detail(*detail, requests)) return failure;
    if (auto failure = explain_reason(*detail, status.error_message())) return failure;
  }
  return std::nullopt;
}

std::vector<Appended> read_appended(const v2::AppendSessionResponse& response) {
  std::vector<Appended> appended;
  for (const auto& output : response.output()) {
    appended.push_back({static_cast<std::uint64_t>(output.stream_revision()), Position::start()});
  }
  const auto position = static_cast<std::uint64_t>(response.position());
  if (!appended.empty()) appended.back().position = {position, position};
  return appended;
}

/// One message for every stream. Deletes itself when gRPC is done with it.
class SessionReactor final : public grpc::ClientWriteReactor<v2::AppendRequest> {
 public:
  SessionReactor(ConnectionPtr connection, std::shared_ptr<const Requests> requests, std::chrono::milliseconds timeout,
                 Completion<SessionReply> done)
      : scope_(std::move(connection)),
        registered_(*scope_.connection->calls, context_),
        requests_(std::move(requests)),
        done_(std::move(done)) {
    scope_.connection->factory->add_headers(context_, ChannelFactory::Target::preferred);
    set_deadline(context_, timeout);
    v2::StreamsService::NewStub(scope_.connection->channel)->async()->AppendSession(&context_, &response_, this);
  }

  void start() {
    write_next();
    StartCall();
  }

  void OnWriteDone(bool ok) override {
    if (ok) write_next();
  }

  void OnDone(const grpc::Status& status) override {
    SessionReply reply{call_status(status, context_, *scope_.connection), {}, {}};
    if (status.ok()) {
      reply.appended = read_appended(response_);
    } else {
      reply.refusal = explain_details(status, *requests_);
    }
    done_(std::move(reply));
    delete this;
  }

 private:
  void write_next() {
    if (next_ == requests_->size()) return StartWritesDone();
    write_request((*requests_)[next_++], message_);
    StartWrite(&message_);
  }

  CallScope scope_;
  grpc::ClientContext context_;
  CallRegistry::Entry registered_;
  std::shared_ptr<const Requests> requests_;
  std::size_t next_ = 0;
  v2::AppendRequest message_;
  v2::AppendSessionResponse response_;
  Completion<SessionReply> done_;
};

}  // namespace

std::optional<Failure> refuse_session(const std::vector<AppendRequest>& requests) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].events.empty()) {
      return Failure{FailureCode::rejected, "EventStore takes no stream without events in one append", {}, i};
    }
    for (const Event& event : requests[i].events) {
      if (properties_of(event.metadata)) continue;
      return Failure{FailureCode::rejected,
                     "the metadata of event " + event.id.to_string() + " cannot go with an append to several streams: "
                     "EventStore takes a JSON object there, with numbers that a double holds", {}, i};
    }
  }
  return std::nullopt;
}

Awaitable<SessionReply> session_call(ConnectionPtr connection, std::shared_ptr<const std::vector<AppendRequest>> requests,
                                     std::chrono::milliseconds timeout) {
  auto start = [&](Completion<SessionReply> done) {
    (new SessionReactor(connection, requests, timeout, std::move(done)))->start();
  };
  co_return co_await await_completion<SessionReply>(start);
}

}  // namespace twinstream::eventstore
