#include "proxy/http/upstream.h"

#include <array>

#include "proxy/http/forward.h"
#include "proxy/http/pool.h"
#include "proxy/http/tokens.h"

namespace twinstream::http {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

bool is_sendable(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return false;
  }
  return !text.empty();
}

/// The request as a head with views into it. Its body is complete, whatever the client's framing was.
RequestHead head_of(const Request& request) {
  RequestHead head;
  head.method = request.method;
  head.target = request.target;
  head.host = request.headers.get("Host").value_or("");
  for (const auto& [name, value] : request.headers.items()) {
    if (same_token(name, "Expect") || same_token(name, "Upgrade")) continue;
    if (!is_sendable(name) || value.find_first_of("\r\n\0"sv) != std::string::npos) continue;
    head.fields.push_back({name, value});
  }
  const bool has_body =
      !request.body.empty() || request.headers.has("Content-Length") || request.headers.has("Transfer-Encoding");
  head.framing = has_body ? Framing::length : Framing::none;
  head.content_length = request.body.size();
  return head;
}

Failure to_failure(GatewayError error) {
  const auto code = error.sent() ? FailureCode::unknown_outcome : FailureCode::unavailable;
  return {code, std::move(error.text), {}};
}

Awaitable<std::optional<GatewayError>> receive_body(BackendPool& pool, BackendLine& line, std::string& body) {
  std::vector<std::string_view> pieces;
  auto& input = line.connection->input();
  while (!line.parser.done()) {
    const auto found = line.parser.read_body(input.data(), pieces);
    if (found.progress == Progress::malformed) {
      co_return pool.failed(GatewayError::Kind::broken, "the backend's answer is malformed");
    }
    if (body.size() + found.bytes > pool.max_body_bytes()) {
      co_return pool.failed(GatewayError::Kind::broken, "the backend's answer is too large to be kept in memory");
    }
    for (const std::string_view piece : pieces) body += piece;
    input.consume(found.used);
    if (found.used > 0) continue;
    const ErrorCode error = co_await line.connection->fill(Steady::now() + pool.config().response_timeout);
    if (error == asio::error::timed_out) {
      co_return pool.failed(GatewayError::Kind::timeout, "the backend stopped in the middle of its answer");
    }
    if (error && !(error == asio::error::eof && line.parser.end_of_input())) {
      co_return pool.failed(GatewayError::Kind::broken, "the backend broke off its answer");
    }
  }
  co_return std::nullopt;
}

/// Passes over interim answers.
Awaitable<std::optional<GatewayError>> receive_final_head(BackendPool& pool, BackendLine& line, bool head_request) {
  const auto until = Steady::now() + pool.config().response_timeout;
  while (line.parser.head().status < 200) {
    if (line.parser.head().status == 101) {
      co_return pool.failed(GatewayError::Kind::broken, "the backend switched protocols without being asked to");
    }
    BackendPool::next_head(line, head_request);
    if (auto error = co_await pool.receive_head(line, until)) co_return error;
  }
  co_return std::nullopt;
}

Awaitable<Result<Response>> exchange(BackendPool& pool, Request request) {
  const bool head_request = request.method == "HEAD";
  std::string head;
  write_request_head(head, head_of(request), request.remote_address, pool.config());
  const std::array pieces{asio::buffer(std::as_const(head)), asio::buffer(std::as_const(request.body))};
  BackendPool::Outgoing outgoing;
  outgoing.bytes = pieces;
  outgoing.has_body = outgoing.body_begun = !request.body.empty();
  outgoing.idempotent = is_idempotent(request.method);
  outgoing.head_request = head_request;
  auto opened = co_await pool.open(outgoing);
  if (!opened.lease) co_return to_failure(std::move(opened.error));

  BackendLine& line = **opened.lease;
  if (auto error = co_await receive_final_head(pool, line, head_request)) co_return to_failure(std::move(*error));
  Response response = to_response(line.parser.head(), head_request);
  const bool reusable = line.parser.head().keep_alive;
  line.connection->input().consume(line.parser.head_bytes());
  if (auto error = co_await receive_body(pool, line, response.body)) co_return to_failure(std::move(*error));
  if (reusable) opened.lease->keep();
  co_return response;
}

}  // namespace

Response gateway_response(const Failure& failure) {
  return error_response(failure.code == FailureCode::unknown_outcome ? 504 : 502, failure.reason);
}

Awaitable<Result<Response>> PooledUpstream::fetch(Request request) {
  BackendPool* const pool = BackendPool::of_this_thread();
  if (!pool)
    co_return Failure{FailureCode::unavailable, "there is no backend to ask; set `backend` in the configuration", {}};
  if (!is_sendable(request.method) || !is_sendable(request.target)) {
    co_return Failure{FailureCode::unavailable, "the request for the backend is malformed", {}};
  }
  co_return co_await exchange(*pool, std::move(request));
}

}  // namespace twinstream::http
