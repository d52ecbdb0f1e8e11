#include "proxy/http/session.h"

#include <array>
#include <exception>

#include "proxy/core/log.h"

namespace twinstream::http {

namespace asio = boost::asio;

namespace {

/// How long a client may go on sending what nobody reads, so that it finds the answer before the connection ends.
constexpr std::chrono::seconds linger_time{3};

std::size_t input_limit(const ListenConfig& listen) {
  return std::max<std::size_t>(64 * 1024, listen.max_header_bytes + 4096);
}

const char* status_class(int status) {
  switch (status / 100) {
    case 1: return "1xx";
    case 2: return "2xx";
    case 3: return "3xx";
    case 4: return "4xx";
    case 5: return "5xx";
    default: return "none";
  }
}

}  // namespace

Session::Session(SessionContext& context, Socket socket, std::string address)
    : context_(context),
      connection_(std::make_shared<Connection>(std::move(socket), input_limit(context.listen))),
      parser_(context.listen.max_header_bytes),
      address_(std::move(address)) {
  context_.sessions.insert(this);
}

Session::~Session() {
  context_.sessions.erase(this);
  context_.on_session_end();
}

Awaitable<void> Session::run(std::unique_ptr<Session> session) {
  try {
    switch (co_await session->serve_requests()) {
      case End::linger: co_await session->linger(); break;
      case End::abort: session->connection_->abort(); break;
      case End::keep_alive:
      case End::close: break;
    }
  } catch (const std::exception& error) {
    log::error("a client connection was given up", {{"error", error.what()}});
    session->connection_->abort();
  }
}

void Session::drain() {
  if (waiting_) connection_->cancel();
}

void Session::cut() { connection_->abort(); }

Awaitable<End> Session::serve_requests() {
  for (;;) {
    parser_.restart();
    if (!co_await receive_head()) {
      if (parser_.refusal().text.empty()) co_return End::close;
      co_return (co_await refuse(parser_.refusal().status, parser_.refusal().text)).end;
    }
    const auto started = Steady::now();
    const Outcome outcome = co_await serve();
    record(outcome, started);
    if (outcome.end != End::keep_alive) co_return outcome.end;
    connection_->input().shrink();
  }
}

/// False: there is no request; it is to be refused if the parser has a refusal.
Awaitable<bool> Session::receive_head() {
  auto& input = connection_->input();
  bool begun = false;
  Steady::time_point until = Steady::now() + context_.listen.idle_timeout;
  for (;;) {
    if (!input.empty()) {
      const Progress progress = parser_.read_head(input.data());
      if (progress != Progress::need_more) co_return progress == Progress::complete;
      if (!begun) until = Steady::now() + context_.listen.header_timeout;
      begun = true;
    } else if (context_.draining) {
      co_return false;
    }
    waiting_ = !begun;
    const ErrorCode error = co_await connection_->fill(until);
    waiting_ = false;
    if (!error) continue;
    if (begun && error == asio::error::timed_out) parser_.refuse(408, "the request's header did not come in time");
    co_return false;
  }
}

/// Before a head was understood: nothing of what follows can be trusted.
Awaitable<Outcome> Session::refuse(int status, std::string text) {
  const auto started = Steady::now();
  Outcome outcome = co_await answer(client(), ClientSide{11, false, false}, error_response(status, std::move(text)));
  outcome.end = outcome.end == End::close ? End::linger : outcome.end;
  record(outcome, started);
  co_return outcome;
}

Awaitable<Outcome> Session::serve() {
  Request request = to_request(parser_.head(), address_);
  Decision decision = decide(request);
  if (decision.handler) co_return co_await handle(std::move(decision.handler), std::move(request));
  if (!context_.pool) {
    const ClientSide side{parser_.head().version, request.method == "HEAD", parser_.head().keep_alive};
    connection_->input().consume(parser_.head_bytes());
    co_return co_await answer(client(), side, error_response(404, "nothing is served at this path"));
  }
  Exchange exchange(client(), *context_.pool);
  Outcome outcome = co_await exchange.run();
  outcome.forwarded = true;
  co_return outcome;
}

Decision Session::decide(const Request& request) {
  try {
    return context_.decide(request);
  } catch (const std::exception& error) {
    log::error("no decision about a request", {{"error", error.what()}});
    return {[](Request) -> Awaitable<Response> { co_return error_response(500, "internal error"); }};
  }
}

Awaitable<Outcome> Session::handle(Handler handler, Request request) {
  const RequestHead& head = parser_.head();
  const ClientSide side{head.version, head.method == "HEAD", head.keep_alive};
  const std::uint64_t announced = head.framing == Framing::length ? head.content_length : 0;
  const bool expects = expects_continue(head);
  connection_->input().consume(parser_.head_bytes());
  switch (const int status = co_await receive_body(request.body, expects, announced)) {
    case 0: break;
    case 400: co_return co_await answer(client(), side, error_response(status, parser_.refusal().text));
    case 408: co_return co_await answer(client(), side, error_response(status, "the body did not come in time"));
    case 413: {
      const auto limit = std::to_string(context_.listen.max_body_bytes);
      co_return co_await answer(client(), side, error_response(status, "the body is larger than " + limit + " bytes"));
    }
    default: co_return Outcome{End::close, 0};
  }
  co_return co_await answer(client(), side, co_await call(std::move(handler), std::move(request)));
}

/// 0: the body is there. 499: the client is gone. Else the status to refuse with.
Awaitable<int> Session::receive_body(std::string& body, bool expects_continue, std::uint64_t announced) {
  const std::size_t limit = context_.listen.max_body_bytes;
  if (announced > limit) co_return 413;
  auto& input = connection_->input();
  auto& pieces = scratch_.request_pieces;
  while (!parser_.done()) {
    const auto found = parser_.read_body(input.data(), pieces);
    if (found.progress == Progress::malformed) co_return 400;
    if (body.size() + found.bytes > limit) co_return 413;
    for (const std::string_view piece : pieces) body += piece;
    input.consume(found.used);
    if (found.used > 0) continue;
    if (std::exchange(expects_continue, false) && body.empty()) {
      static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      const std::array piece{asio::buffer(go_on)};
      if (co_await connection_->write(piece, context_.listen.idle_timeout)) co_return 499;
    }
    const ErrorCode error = co_await connection_->fill(Steady::now() + context_.listen.idle_timeout);
    if (error == asio::error::timed_out) co_return 408;
    if (error == asio::error::no_buffer_space) parser_.refuse(400, "a chunk header or trailer is too long");
    if (error) co_return error == asio::error::no_buffer_space ? 400 : 499;
  }
  co_return 0;
}

Awaitable<Response> Session::call(Handler handler, Request request) {
  Response response;
  ++context_.handlers_running;
  try {
    response = co_await handler(std::move(request));
  } catch (const std::exception& error) {
    log::error("a request handler failed", {{"error", error.what()}});
    response = error_response(500, "internal error");
  }
  --context_.handlers_running;
  co_return response;
}

/// Closing a socket with unread input resets the connection, which may take the answer from the client.
Awaitable<void> Session::linger() {
  connection_->shutdown_send();
  const auto until = Steady::now() + linger_time;
  auto& input = connection_->input();
  do {
    input.consume(input.data().size());
  } while (!co_await connection_->fill(until));
}

void Session::record(const Outcome& outcome, Steady::time_point started) {
  const char* const kind = outcome.forwarded ? "forwarded" : "handled";
  const std::chrono::duration<double> seconds = Steady::now() - started;
  context_.metrics.count("twinstream_http_requests_total", {{"kind", kind}, {"status", status_class(outcome.status)}});
  context_.metrics.observe("twinstream_http_request_seconds", seconds.count(), {{"kind", kind}});
}

ClientEnd Session::client() {
  return {connection_, parser_, address_, context_.listen.idle_timeout, context_.draining, scratch_};
}

}  // namespace twinstream::http
