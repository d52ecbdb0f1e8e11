#include "proxy/http/api_responses.h"
#include "proxy/http/event_body.h"
#include "proxy/http/event_headers.h"
#include "proxy/http/streams_api.h"

// The order of the checks is the reference's (section 5.2): a request with several faults gets its answer.

namespace twinstream::http {
namespace {

struct WriteHeaders {
  ExpectedRevision expected;
  std::optional<EventId> id;
  std::string type;
};

std::optional<Response> refuse_media_types(const Request& request, const std::optional<BodyType>& type) {
  if (!type) {
    return text_response(415, "Invalid or missing Content-Type");
  }
  if (negotiate(request, write_types())) return std::nullopt;
  return text_response(406, "Requested URI is not available in requested format");
}

std::optional<Response> check_leader(const Fields& headers) {
  const auto kurrent = event_header(headers, "RequireLeader");
  const auto master = headers.get("ES-RequireMaster");
  const bool good = (!kurrent || parse_flag(*kurrent)) && (!master || parse_flag(*master));
  return good ? std::nullopt : std::optional(bad_request("ES-RequireLeader header in wrong format."));
}

std::optional<Response> read_expectation(const Fields& headers, ExpectedRevision& expected) {
  if (const auto text = event_header(headers, "ExpectedVersion")) {
    const auto parsed = parse_expected_version(*text);
    if (!parsed) return bad_request("ES-ExpectedVersion header in wrong format.");
    expected = *parsed;
  }
  return check_leader(headers);
}

std::optional<Response> read_id(const Fields& headers, std::optional<EventId>& id) {
  const auto text = event_header(headers, "EventId");
  if (!text) return std::nullopt;
  id = parse_event_id(*text);
  return id ? std::nullopt : std::optional(bad_request("ES-EventId header in wrong format."));
}

Response to_idempotent_url(const Request& request) {
  std::string url = public_base(request.headers).append(request.path());
  return redirect(url.append("/incoming/").append(EventId::random().to_string()), "Forwarding to idempotent URI");
}

Response refused_body(BodyError error) {
  return text_response(error.status, std::move(error.reason), std::move(error.text));
}

Response created(const std::string& streams_url, const std::string& stream, const Appended& appended,
                 std::size_t events) {
  const std::uint64_t last = appended.revision.value_or(0);
  const std::uint64_t first = last + 1 >= events ? last + 1 - events : 0;
  Response response = text_response(201, "Created");
  response.headers.add("Location", streams_url + percent_encode_segment(stream) + '/' + std::to_string(first));
  add_mirror_state(response, appended.mirror);
  return response;
}

}  // namespace

Awaitable<Response> StreamsApi::append(std::string stream, Request request) const {
  const auto type = body_type(request.headers);
  if (auto refusal = refuse_media_types(request, type)) co_return *refusal;
  const bool batch = *type == BodyType::batch;
  WriteHeaders headers;
  headers.type = event_header(request.headers, "EventType").value_or("");
  if (!batch && headers.type.empty()) {
    co_return bad_request("Must include an event type with the request either in body or as ES-EventType header.");
  }
  if (auto refusal = read_id(request.headers, headers.id)) co_return *refusal;
  if (!batch && !headers.id) co_return to_idempotent_url(request);
  if (auto refusal = read_expectation(request.headers, headers.expected)) co_return *refusal;

  const std::string streams_url = urls(request.headers).streams;
  auto body = batch ? event_batch(request.body)
                    : single_event(*type, std::move(request.body), *headers.id, std::move(headers.type));
  if (auto* error = std::get_if<BodyError>(&body)) co_return refused_body(std::move(*error));
  AppendRequest append{std::move(stream), headers.expected, std::move(std::get<std::vector<Event>>(body))};
  co_return co_await write(std::move(append), streams_url);
}

Awaitable<Response> StreamsApi::append_with_id(std::string stream, std::string guid, Request request) const {
  auto type = body_type(request.headers);
  if (type == BodyType::batch || type == BodyType::binary) type.reset();
  if (auto refusal = refuse_media_types(request, type)) co_return *refusal;
  const auto id = parse_event_id(guid);
  if (!id) co_return bad_request("'" + guid + "' is not valid event id");
  WriteHeaders headers;
  if (auto refusal = read_expectation(request.headers, headers.expected)) co_return *refusal;
  headers.type = event_header(request.headers, "EventType").value_or("");

  const std::string streams_url = urls(request.headers).streams;
  auto body = single_event(*type, std::move(request.body), *id, std::move(headers.type));
  if (auto* error = std::get_if<BodyError>(&body)) co_return refused_body(std::move(*error));
  AppendRequest append{std::move(stream), headers.expected, std::move(std::get<std::vector<Event>>(body))};
  co_return co_await write(std::move(append), streams_url);
}

Awaitable<Response> StreamsApi::write(AppendRequest append, std::string streams_url) const {
  const std::string stream = append.stream;
  const std::size_t events = append.events.size();
  const auto appended = co_await log_.append(std::move(append));
  if (!appended.ok()) co_return write_failure(appended.failure());
  co_return created(streams_url, stream, *appended, events);
}

Awaitable<Response> StreamsApi::remove(std::string stream, Request request) const {
  if (!negotiate(request, write_types())) {
    co_return text_response(406, "Requested URI is not available in requested format");
  }
  ExpectedRevision expected;
  if (auto refusal = read_expectation(request.headers, expected)) co_return *refusal;
  const auto hard = parse_flag(event_header(request.headers, "HardDelete").value_or("false"));
  if (!hard) co_return bad_request("ES-HardDelete header in wrong format.");

  auto deletion = *hard ? log_.tombstone(stream, expected) : log_.soft_delete(stream, expected);
  const auto deleted = co_await std::move(deletion);
  if (!deleted.ok()) co_return write_failure(deleted.failure());
  co_return text_response(204, "Stream deleted");
}

}  // namespace twinstream::http
