#include "proxy/http/streams_api.h"

#include <variant>

#include "proxy/http/api_responses.h"
#include "proxy/http/event_headers.h"

// Which request of the event API is what. Appending is in streams_append.cpp, reading in streams_read.cpp.

namespace twinstream::http {
namespace {

std::vector<std::string> decoded_parts(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto part = path.substr(0, path.find('/'));
    parts.push_back(percent_decode(part));
    path.remove_prefix(part.size());
  }
  return parts;
}

Response method_not_allowed(std::string_view methods) {
  Response response = text_response(405, "Method Not Allowed");
  response.headers.add("Allow", std::string(methods));
  response.headers.add("Access-Control-Allow-Methods", std::string(methods));
  return response;
}

Response options_response(std::string_view methods) {
  Response response = method_not_allowed(methods);
  response.status = 200;
  response.reason = "OK";
  return response;
}

Response not_found(std::string text = {}) { return text_response(404, "Not Found", std::move(text)); }

/// What may be asked of a path below a stream.
std::string_view methods_of(const std::vector<std::string>& parts) {
  if (parts.size() == 3 && parts[1] == "incoming") return "POST, OPTIONS";
  return "GET, OPTIONS";
}

Response without_slash(const Request& request) {
  std::string_view path = request.path();
  path.remove_suffix(1);
  Response response = redirect(public_base(request.headers).append(path), "Moved Permanently");
  response.headers.add("Cache-Control", "max-age=31536000, public");
  return response;
}

using ParsedQuery = std::variant<FeedQuery, Response>;

ParsedQuery parse_feed_query(const std::string& from, const std::string& direction, const std::string& count) {
  FeedQuery query;
  query.direction = direction == "forward" ? Direction::forwards : Direction::backwards;
  query.from = parse_number(from);
  const bool head = from == "head" && query.direction == Direction::backwards;
  if (!query.from && !head) return bad_request("'" + from + "' is not valid event number");
  query.count = parse_number(count).value_or(0);
  if (query.count == 0) return bad_request("'" + count + "' is not valid count. Should be positive integer");
  if (query.count > 4096) return bad_request("'" + count + "' is not valid count. The limit is 4096");
  return query;
}

Awaitable<Response> answer(Response response) { co_return response; }

}  // namespace

bool StreamsApi::serves(std::string_view path) const {
  if (options_.path.empty() || !path.starts_with(options_.path)) return false;
  return path.size() == options_.path.size() || path[options_.path.size()] == '/';
}

Awaitable<Response> StreamsApi::handle(Request request) const {
  std::vector<std::string> parts = decoded_parts(request.path().substr(options_.path.size()));
  if (parts.empty()) return answer(not_found());
  if (parts[0].empty()) {
    return answer(request.method == "POST" ? bad_request("The stream name is empty.") : not_found());
  }
  if (parts[0] == "$all") return answer(not_found("$all is not served over HTTP. Read it over gRPC."));
  if (parts.size() == 1) return on_stream(std::move(parts[0]), std::move(request));
  return on_part(std::move(parts), std::move(request));
}

Awaitable<Response> StreamsApi::on_stream(std::string stream, Request request) const {
  constexpr std::string_view methods = "POST, DELETE, GET, OPTIONS";
  if (request.method == "POST") return append(std::move(stream), std::move(request));
  if (request.method == "GET") return read_feed(std::move(stream), FeedQuery{}, std::move(request));
  if (request.method == "DELETE") return remove(std::move(stream), std::move(request));
  if (request.method == "OPTIONS") return answer(options_response(methods));
  return answer(method_not_allowed(methods));
}

Awaitable<Response> StreamsApi::on_part(std::vector<std::string> parts, Request request) const {
  const bool trailing_slash = parts.size() == 2 && parts[1].empty();
  if (trailing_slash) {
    const bool known = request.method == "POST" || request.method == "GET" || request.method == "DELETE";
    return answer(known ? without_slash(request) : method_not_allowed("POST, DELETE, GET, OPTIONS"));
  }
  if (parts[1] == "metadata") return answer(not_found("Stream metadata is not served over HTTP. Use gRPC."));
  const bool page = parts.size() == 3 || (parts.size() == 4 && (parts[2] == "forward" || parts[2] == "backward"));
  if (parts.size() > 2 && !page) return answer(not_found());
  const auto methods = methods_of(parts);
  if (request.method == "OPTIONS") return answer(options_response(methods));
  if (request.method != methods.substr(0, methods.find(','))) return answer(method_not_allowed(methods));
  if (request.method == "POST") return append_with_id(std::move(parts[0]), std::move(parts[2]), std::move(request));
  if (parts.size() == 2) return read_event(std::move(parts[0]), std::move(parts[1]), std::move(request));

  auto query = parse_feed_query(parts[1], parts.size() == 4 ? parts[2] : "backward", parts.back());
  if (auto* refusal = std::get_if<Response>(&query)) return answer(std::move(*refusal));
  return read_feed(std::move(parts[0]), std::get<FeedQuery>(query), std::move(request));
}

FeedUrls StreamsApi::urls(const Fields& headers) const { return {public_base(headers) + options_.path + '/'}; }

}  // namespace twinstream::http
