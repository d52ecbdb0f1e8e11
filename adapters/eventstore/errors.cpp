#include "adapters/eventstore/errors.h"

#include <charconv>

#include "proxy/protocol/shared.pb.h"

namespace twinstream::eventstore {
namespace {

namespace proto = event_store::client;

std::string_view trailer(const CallStatus& status, const std::string& name) {
  const auto found = status.trailers.find(name);
  return found == status.trailers.end() ? std::string_view{} : std::string_view{found->second};
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Failure rejected(std::string reason) { return {FailureCode::rejected, std::move(reason), {}}; }

Failure access_denied() {
  return rejected(
      "EventStore denies access: give the user of the connection string the rights it needs ($all and system streams "
      "need $admins), or use other credentials");
}

Failure unauthenticated() {
  return rejected("EventStore does not know these credentials: correct user and password in the connection string");
}

/// No reason to give anything up: whoever changes a password changes the file before or after.
Failure old_credentials() {
  return {FailureCode::unavailable, "EventStore does not know the credentials in the file: correct them there", {}};
}

Failure too_large(std::string_view limit) {
  return rejected("the append is larger than EventStore's MaxAppendSize" +
                  (limit.empty() ? std::string{} : " of " + std::string(limit) + " bytes") +
                  ": write smaller appends or raise that setting");
}

Failure event_too_large(std::string_view size, std::string_view limit) {
  return rejected("an event of " + std::string(size) + " bytes is larger than EventStore's MaxAppendEventSize of " +
                  std::string(limit) + " bytes: raise that setting or keep such data elsewhere");
}

Failure stream_deleted() { return {FailureCode::stream_deleted, "the stream is deleted in EventStore", {}}; }

std::optional<Endpoint> named_leader(const CallStatus& status) {
  const auto port = number<std::uint16_t>(trailer(status, "leader-endpoint-port"));
  const std::string_view host = trailer(status, "leader-endpoint-host");
  if (!port || host.empty()) return std::nullopt;
  return Endpoint{std::string(host), *port};
}

Failure wrong_version(const CallStatus& status) {
  const auto actual = number<std::int64_t>(trailer(status, "actual-version"));
  if (!actual || *actual < 0) return wrong_expected_revision(std::nullopt);
  return wrong_expected_revision(static_cast<std::uint64_t>(*actual));
}

/// Failures that carry a name of their own.
std::optional<CallFailure> explain_exception(const CallStatus& status) {
  const std::string_view name = trailer(status, "exception");
  if (name == "not-leader") return not_leader(named_leader(status));
  if (name == "access-denied") return CallFailure{access_denied(), {}, false, true};
  if (name == "stream-deleted") return CallFailure{stream_deleted(), {}, false, true};
  if (name == "wrong-expected-version") return CallFailure{wrong_version(status), {}, false, true};
  if (name == "stream-not-found") {
    return CallFailure{{FailureCode::stream_not_found, "the stream has no events", {}}, {}, false, true};
  }
  if (name == "maximum-append-size-exceeded") {
    return CallFailure{too_large(trailer(status, "maximum-append-size")), {}, false, true};
  }
  if (name == "maximum-append-event-size-exceeded") {
    return CallFailure{
        event_too_large(trailer(status, "proposed-append-event-size"), trailer(status, "maximum-append-event-size")),
        {},
        false,
        true};
  }
  if (name == "missing-required-metadata-property" || name == "invalid-transaction") {
    return CallFailure{rejected("EventStore refuses the request: " + std::string(name)), {}, false, true};
  }
  return std::nullopt;
}

std::string_view name_of(StatusCode code) {
  switch (code) {
    case StatusCode::ok: return "OK";
    case StatusCode::cancelled: return "CANCELLED";
    case StatusCode::unknown: return "UNKNOWN";
    case StatusCode::invalid_argument: return "INVALID_ARGUMENT";
    case StatusCode::deadline_exceeded: return "DEADLINE_EXCEEDED";
    case StatusCode::not_found: return "NOT_FOUND";
    case StatusCode::already_exists: return "ALREADY_EXISTS";
    case StatusCode::permission_denied: return "PERMISSION_DENIED";
    case StatusCode::resource_exhausted: return "RESOURCE_EXHAUSTED";
    case StatusCode::failed_precondition: return "FAILED_PRECONDITION";
    case StatusCode::aborted: return "ABORTED";
    case StatusCode::out_of_range: return "OUT_OF_RANGE";
    case StatusCode::unimplemented: return "UNIMPLEMENTED";
    case StatusCode::internal: return "INTERNAL";
    case StatusCode::unavailable: return "UNAVAILABLE";
    case StatusCode::data_loss: return "DATA_LOSS";
    case StatusCode::unauthenticated: return "UNAUTHENTICATED";
  }
  return "?";
}

/// gRPC's own text when no connection came about: the request never left.
bool never_connected(const CallStatus& status) {
  return status.code == StatusCode::unavailable && status.message.starts_with("failed to connect to all addresses");
}

/// Beyond the official Node client, UNKNOWN counts too: it is what a node says that knows no leader.
bool breaks_connection(StatusCode code) {
  return code == StatusCode::unavailable || code == StatusCode::cancelled || code == StatusCode::unknown ||
         code == StatusCode::internal || code == StatusCode::data_loss;
}

bool refuses_request(StatusCode code) {
  return code == StatusCode::invalid_argument || code == StatusCode::out_of_range ||
         code == StatusCode::unimplemented || code == StatusCode::failed_precondition ||
         code == StatusCode::not_found || code == StatusCode::already_exists;
}

}  // namespace

Failure wrong_expected_revision(std::optional<std::uint64_t> actual) {
  const std::string head = actual ? "at revision " + std::to_string(*actual) : "without events";
  return {FailureCode::wrong_expected_revision, "the stream is " + head, actual};
}

CallFailure not_leader(std::optional<Endpoint> leader) {
  return {{FailureCode::unavailable, "the EventStore node asked is not the leader", {}}, std::move(leader), true, true};
}

CallFailure explain(const CallStatus& status, Intent intent) {
  if (auto known = explain_exception(status)) return *known;
  if (status.code == StatusCode::unauthenticated && status.credentials_may_change) return {old_credentials(), {}, false, true};
  if (status.code == StatusCode::unauthenticated) return {unauthenticated(), {}, false, true};
  if (status.code == StatusCode::permission_denied) return {access_denied(), {}, false, true};
  const std::string text = std::string(name_of(status.code)) + (status.message.empty() ? "" : ": " + status.message);
  if (refuses_request(status.code)) return {rejected("EventStore refuses the request: " + text), {}, false, true};

  const bool reconnect = breaks_connection(status.code);
  if (intent == Intent::read || never_connected(status)) {
    return {{FailureCode::unavailable, "EventStore did not answer: " + text, {}}, {}, reconnect, true};
  }
  return {{FailureCode::unknown_outcome, "the answer of EventStore was lost: " + text, {}}, {}, reconnect, false};
}

Failure explain_batch_error(int code, std::string_view message, std::string_view detail_type, std::string_view detail) {
  const std::string bytes(detail);
  if (detail_type == "event_store.client.WrongExpectedVersion") {
    proto::WrongExpectedVersion wrong;
    wrong.ParseFromString(bytes);
    return wrong.has_current_stream_revision() ? wrong_expected_revision(wrong.current_stream_revision())
                                               : wrong_expected_revision(std::nullopt);
  }
  if (detail_type == "event_store.client.StreamDeleted") return stream_deleted();
  if (detail_type == "event_store.client.AccessDenied") return access_denied();
  if (detail_type == "event_store.client.MaximumAppendSizeExceeded") {
    proto::MaximumAppendSizeExceeded limit;
    limit.ParseFromString(bytes);
    return too_large(limit.maxappendsize() == 0 ? std::string{} : std::to_string(limit.maxappendsize()));
  }
  if (detail_type == "event_store.client.MaximumAppendEventSizeExceeded") {
    proto::MaximumAppendEventSizeExceeded limit;
    limit.ParseFromString(bytes);
    return event_too_large(std::to_string(limit.proposedeventsize()), std::to_string(limit.maxappendeventsize()));
  }
  if (detail_type == "event_store.client.BadRequest") {
    proto::BadRequest request;
    request.ParseFromString(bytes);
    return rejected("EventStore refuses the append: " + request.message());
  }
  if (detail_type == "event_store.client.InvalidTransaction") return rejected("EventStore refuses the append");
  // With the code left unset the server says that it did not handle the request: not ready, busy, no leader.
  if (static_cast<StatusCode>(code) == StatusCode::ok) {
    return {FailureCode::unavailable, "EventStore cannot take appends now: " + std::string(message), {}};
  }
  return {FailureCode::unknown_outcome, "EventStore does not know whether it wrote: " + std::string(message), {}};
}

}  // namespace twinstream::eventstore
