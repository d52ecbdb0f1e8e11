#include "proxy/http/api_responses.h"
#include "proxy/http/append_mapping.h"
#include "proxy/http/capture.h"
#include "proxy/http/json_text.h"

namespace twinstream::http {
namespace {

/// The client's own header without what belongs to its body, its conditions and its method.
Request authorization_request(const Route& route, const PathParameters& parameters, const Request& request) {
  Request question;
  question.method = "GET";
  question.target = fill_text(route.config.authorize, parameters, percent_encode_segment);
  question.remote_address = request.remote_address;
  question.headers = request.headers;
  for (const std::string_view name :
       {"Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect", "Trailer", "Range",
        "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"}) {
    question.headers.erase(name);
  }
  question.headers.set("X-Original-Method", request.method);
  question.headers.set("X-Original-URI", request.target);
  return question;
}

/// Nothing: go on. Else the answer for the client.
Awaitable<std::optional<Response>> ask_backend(RouteServices services, Request question) {
  auto answer = co_await services.upstream->fetch(std::move(question));
  if (!answer.ok()) co_return gateway_response(answer.failure());
  if (answer->status >= 200 && answer->status < 300) co_return std::nullopt;
  co_return std::move(*answer);
}

std::uint64_t in_base(const RouteConfig& route, std::uint64_t revision) {
  return revision + static_cast<unsigned>(route.revision_base);
}

Response json_response(int status, JsonWriter& body) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = body.take();
  return response;
}

Response success(const RouteConfig& route, const std::string& stream, const std::vector<EventId>& ids,
                 const Appended& appended) {
  const std::uint64_t revision = in_base(route, appended.revision.value_or(0));
  JsonWriter body;
  body.begin_object().key("stream").string(stream).key("revision").number(revision);
  if (route.events.kind == ValueSource::Kind::none) {
    body.key("id").string(ids.front().to_string());
  } else {
    body.key("ids").begin_array();
    for (const EventId& id : ids) body.string(id.to_string());
    body.end_array();
  }
  body.end_object();
  Response response = json_response(route.success_status, body);
  response.headers.add("ETag", '"' + std::to_string(revision) + '"');
  add_mirror_state(response, appended.mirror);
  return response;
}

void write_expected(JsonWriter& body, const RouteConfig& route, const ExpectedRevision& expected) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: body.string("any"); return;
    case ExpectedRevision::Kind::no_stream: body.string("none"); return;
    case ExpectedRevision::Kind::stream_exists: body.string("exists"); return;
    case ExpectedRevision::Kind::exact: body.number(in_base(route, expected.revision)); return;
  }
}

Response wrong_revision(const RouteConfig& route, const std::string& stream, const ExpectedRevision& expected,
                        const Failure& failure) {
  JsonWriter body;
  body.begin_object().key("error").string("wrong expected revision").key("stream").string(stream).key("expected");
  write_expected(body, route, expected);
  body.key("actual");
  failure.actual ? body.number(in_base(route, *failure.actual)) : body.null();
  body.end_object();
  return json_response(409, body);
}

Response try_again(std::string text) {
  Response response = error_response(503, std::move(text));
  response.headers.add("Retry-After", std::string(retry_after_seconds));
  return response;
}

Response failed(const RouteConfig& route, const std::string& stream, const ExpectedRevision& expected,
                const Failure& failure) {
  switch (failure.code) {
    case FailureCode::wrong_expected_revision: return wrong_revision(route, stream, expected, failure);
    case FailureCode::stream_deleted: return error_response(410, failure.reason);
    case FailureCode::stream_not_found: return error_response(404, failure.reason);
    case FailureCode::id_conflict: return error_response(409, failure.reason);
    case FailureCode::rejected: return error_response(400, failure.reason);
    case FailureCode::unknown_outcome:
      return try_again(
          "the outcome of this write is not known; repeating the request with the same event ids or the same "
          "Idempotency-Key is safe");
    case FailureCode::unavailable:
    case FailureCode::cancelled: break;
  }
  return try_again(failure.reason);
}

std::vector<EventId> ids_of(const AppendRequest& append) {
  std::vector<EventId> ids;
  for (const Event& event : append.events) ids.push_back(event.id);
  return ids;
}

}  // namespace

Awaitable<Response> capture_append(RouteServices services, RouteHandle route, PathParameters parameters,
                                   Request request) {
  auto read = read_append(*route, parameters, request);
  if (auto* refusal = std::get_if<Response>(&read)) co_return std::move(*refusal);
  if (!route->config.authorize.empty()) {
    Request question = authorization_request(*route, parameters, request);
    auto refusal = co_await ask_backend(services, std::move(question));
    if (refusal) co_return std::move(*refusal);
  }
  AppendRequest& append = std::get<AppendRequest>(read);
  const std::string stream = append.stream;
  const ExpectedRevision expected = append.expected;
  const auto ids = ids_of(append);
  const auto appended = co_await services.gateway.log().append(std::move(append));
  if (!appended.ok()) co_return failed(route->config, stream, expected, appended.failure());
  co_return success(route->config, stream, ids, *appended);
}

}  // namespace twinstream::http
