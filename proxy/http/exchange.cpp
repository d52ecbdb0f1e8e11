#include "proxy/http/exchange.h"

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <utility>

#include "proxy/http/tunnel.h"

namespace twinstream::http {

namespace asio = boost::asio;

Awaitable<Outcome> answer(ClientEnd client, ClientSide side, Response response) {
  const bool read_to_its_end = client.parser.done();
  side.keep_alive = side.keep_alive && read_to_its_end && !client.draining;
  std::string& head = client.scratch.head;
  Gather& gather = client.scratch.to_client;
  head.clear();
  write_own_head(head, response, side);
  gather.clear();
  gather.add(head);
  if (!side.head_request && response.status != 204 && response.status != 304) gather.add(response.body);
  const ErrorCode error = co_await client.connection->write(gather.buffers(), client.idle_timeout);
  if (error) co_return Outcome{End::close, response.status};
  const End end = side.keep_alive ? End::keep_alive : read_to_its_end ? End::close : End::linger;
  co_return Outcome{end, response.status};
}

Exchange::Exchange(ClientEnd client, BackendPool& pool)
    : client_(std::move(client)), scratch_(client_.scratch), pool_(pool) {}

Awaitable<Outcome> Exchange::run() {
  take_request();
  if (instead_) {
    co_await fail({});
    co_return outcome_;
  }
  auto opened = co_await pool_.open(outgoing_);
  if (!opened.lease) {
    co_await fail(std::move(opened.error));
    co_return outcome_;
  }
  lease_.emplace(std::move(*opened.lease));
  if (outgoing_.complete || opened.head_ready) {
    request_sent_ = outgoing_.complete;
    backends_turn_ = true;
    co_await relay(opened.head_ready);
  } else {
    using namespace asio::experimental::awaitable_operators;
    co_await (upload() && relay_and_stop_upload());
  }
  co_return outcome_;
}

/// Makes the bytes for the backend: the head and what has come of the body.
void Exchange::take_request() {
  const RequestHead& head = client_.parser.head();
  side_ = {head.version, head.method == "HEAD", head.keep_alive};
  upgrade_ = upgrade_protocol(head).has_value();
  request_framing_ = head.framing;
  scratch_.head.clear();
  write_request_head(scratch_.head, head, client_.address, pool_.config());
  outgoing_.idempotent = is_idempotent(head.method);
  outgoing_.has_body = !client_.parser.done();
  outgoing_.head_request = side_.head_request;
  const bool expects = expects_continue(head);

  auto& input = client_.connection->input();
  const std::size_t head_bytes = client_.parser.head_bytes();
  const auto body = client_.parser.read_body(input.data().substr(head_bytes), scratch_.request_pieces);
  scratch_.to_backend.clear();
  scratch_.to_backend.add(scratch_.head);
  scratch_.to_backend.add_body(scratch_.request_pieces, body.bytes, request_framing_,
                               client_.parser.done() && outgoing_.has_body);
  if (body.progress == Progress::malformed) {
    end_upload_with(error_response(client_.parser.refusal().status, client_.parser.refusal().text));
  }
  outgoing_.bytes = scratch_.to_backend.buffers();
  outgoing_.complete = client_.parser.done();
  outgoing_.body_begun = body.bytes > 0;
  backends_turn_ = expects && !outgoing_.body_begun;  // then the client waits for the backend's 100
  input.consume(head_bytes + body.used);  // the bytes stay in place until the next fill, which is after open()
}

Awaitable<void> Exchange::upload() {
  while (!stopped_ && !client_.parser.done()) {
    if (!co_await upload_part()) co_return;
  }
  if (stopped_) co_return;
  request_sent_ = true;
  set_backends_turn(true);
}

/// While the client is slow, the backend is not blamed for being silent.
void Exchange::set_backends_turn(bool now) {
  backends_turn_ = now;
  (*lease_)->connection->extend_fill(answer_deadline());
}

/// False when nothing more can be sent.
Awaitable<bool> Exchange::upload_part() {
  Connection& client = *client_.connection;
  Connection& backend = *(*lease_)->connection;
  const auto body = client_.parser.read_body(client.input().data(), scratch_.request_pieces);
  if (body.progress == Progress::malformed) {
    end_upload_with(error_response(client_.parser.refusal().status, client_.parser.refusal().text));
    co_return false;
  }
  if (body.used == 0) {
    const ErrorCode error = co_await client.fill(Steady::now() + client_.idle_timeout);
    if (error && !stopped_) client_failed(error);
    if (!error && backends_turn_) set_backends_turn(false);
    co_return !error;
  }
  ErrorCode error;
  scratch_.to_backend.clear();
  scratch_.to_backend.add_body(scratch_.request_pieces, body.bytes, request_framing_, client_.parser.done());
  if (!scratch_.to_backend.empty()) {
    error = co_await backend.write(scratch_.to_backend.buffers(), pool_.config().response_timeout);
    if (error && !stopped_) set_backends_turn(true);  // it may have answered without reading on: that answer counts
  }
  client.input().consume(body.used);
  co_return !error;
}

void Exchange::client_failed(ErrorCode error) {
  if (error == asio::error::timed_out) {
    end_upload_with(error_response(408, "the request's body did not come in time"));
  } else if (error == asio::error::no_buffer_space) {
    end_upload_with(error_response(400, "malformed HTTP message: a chunk header or trailer is too long"));
  } else {
    end_upload_with(std::nullopt);
  }
}

/// Wakes the relay, which answers the client if it can still be answered.
void Exchange::end_upload_with(std::optional<Response> instead) {
  instead_ = std::move(instead);
  given_up_ = true;
  if (lease_) (*lease_)->connection->cancel();
}

Awaitable<void> Exchange::relay_and_stop_upload() {
  co_await relay(false);
  stopped_ = true;
  if (request_sent_) co_return;
  client_.connection->cancel();
  if (lease_) (*lease_)->connection->cancel();
}

Steady::time_point Exchange::answer_deadline() const {
  return backends_turn_ ? Steady::now() + pool_.config().response_timeout : Connection::never;
}

Awaitable<bool> Exchange::receive_head() {
  std::optional<GatewayError> error = GatewayError{};
  if (!given_up_) error = co_await pool_.receive_head(**lease_, answer_deadline());
  if (error) co_await fail(std::move(*error));
  co_return !error;
}

Awaitable<void> Exchange::relay(bool head_ready) {
  if (!head_ready && !co_await receive_head()) co_return;
  const ResponseHead& head = (*lease_)->parser.head();
  while (head.status < 200 && head.status != 101) {
    if (!co_await relay_interim()) co_return;
  }
  if (head.status == 101) {
    co_await switch_protocols();
  } else {
    co_await relay_final();
  }
}

Awaitable<bool> Exchange::relay_interim() {
  BackendLine& line = **lease_;
  if (line.parser.head().status == 100 && !request_sent_) backends_turn_ = false;
  if (side_.version >= 11) {
    scratch_.head.clear();
    write_interim_head(scratch_.head, line.parser.head());
    const std::array piece{asio::buffer(std::as_const(scratch_.head))};
    if (co_await client_.connection->write(piece, client_.idle_timeout)) co_return false;
  }
  BackendPool::next_head(line, side_.head_request);
  co_return co_await receive_head();
}

Awaitable<void> Exchange::relay_final() {
  BackendLine& line = **lease_;
  const ResponseHead& head = line.parser.head();
  // An answer that comes before the request was read to its end: nobody knows whether the rest will be wanted.
  side_.keep_alive = side_.keep_alive && client_.parser.done() && !client_.draining;
  const Framing framing = client_framing(head, side_);
  if (framing == Framing::until_close) side_.keep_alive = false;
  scratch_.head.clear();
  write_response_head(scratch_.head, head, side_);
  scratch_.to_client.clear();
  scratch_.to_client.add(scratch_.head);
  const bool reusable = head.keep_alive;
  outcome_.status = head.status;
  line.connection->input().consume(line.parser.head_bytes());
  if (!co_await relay_body(framing)) co_return;
  if (reusable && request_sent_) lease_->keep();
  outcome_.end = side_.keep_alive ? End::keep_alive : client_.parser.done() ? End::close : End::linger;
}

/// False when the answer did not reach the client whole.
Awaitable<bool> Exchange::relay_body(Framing framing) {
  BackendLine& line = **lease_;
  auto& input = line.connection->input();
  for (bool more = true; more;) {
    const auto body = line.parser.read_body(input.data(), scratch_.answer_pieces);
    if (body.progress == Progress::malformed) {
      co_await fail(pool_.failed(GatewayError::Kind::broken, "the backend's answer is malformed"));
      co_return false;
    }
    more = !line.parser.done();
    scratch_.to_client.add_body(scratch_.answer_pieces, body.bytes, framing, !more);
    if (!scratch_.to_client.empty() &&
        co_await client_.connection->write(scratch_.to_client.buffers(), client_.idle_timeout)) {
      outcome_.end = End::abort;
      co_return false;
    }
    scratch_.to_client.clear();
    input.consume(body.used);
    if (more && body.used == 0 && !co_await receive_more()) co_return false;
  }
  co_return true;
}

Awaitable<bool> Exchange::receive_more() {
  BackendLine& line = **lease_;
  const ErrorCode error = co_await line.connection->fill(Steady::now() + pool_.config().response_timeout);
  if (!error) co_return true;
  if (error == asio::error::eof && line.parser.end_of_input()) co_return true;
  if (error == asio::error::timed_out) {
    co_await fail(pool_.failed(GatewayError::Kind::timeout, "the backend stopped in the middle of its answer"));
  } else if (error == asio::error::operation_aborted) {
    co_await fail({});
  } else {
    co_await fail(pool_.failed(GatewayError::Kind::broken, "the backend broke off its answer"));
  }
  co_return false;
}

/// The client is told if it has seen nothing of an answer yet.
Awaitable<void> Exchange::fail(GatewayError error) {
  if (outcome_.status != 0) {
    outcome_.end = End::abort;
    co_return;
  }
  if (given_up_ && !instead_) co_return;
  Response response = instead_ ? std::move(*instead_) : error_response(error.status(), std::move(error.text));
  outcome_ = co_await answer(client_, side_, std::move(response));
}

Awaitable<void> Exchange::switch_protocols() {
  BackendLine& line = **lease_;
  if (!upgrade_ || !request_sent_) {
    co_await fail(pool_.failed(GatewayError::Kind::broken, "the backend switched protocols without being asked to"));
    co_return;
  }
  scratch_.head.clear();
  write_switching_head(scratch_.head, line.parser.head());
  line.connection->input().consume(line.parser.head_bytes());
  outcome_.status = 101;
  const std::array piece{asio::buffer(std::as_const(scratch_.head))};
  if (co_await client_.connection->write(piece, client_.idle_timeout)) co_return;
  co_await run_tunnel(client_.connection, line.connection, client_.idle_timeout);
}

}  // namespace twinstream::http
