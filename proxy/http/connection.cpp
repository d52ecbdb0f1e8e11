#include "proxy/http/connection.h"

#include <sys/socket.h>

namespace twinstream::http {

namespace asio = boost::asio;

Connection::Connection(Socket socket, std::size_t input_limit)
    : socket_(std::move(socket)), input_(input_limit), timer_(socket_.get_executor()) {
  if (!socket_.is_open()) return;
  ErrorCode ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

asio::awaitable<ErrorCode> Connection::connect(asio::ip::tcp::endpoint endpoint, Steady::time_point until) {
  ErrorCode error;
  socket_.close(error);
  socket_.open(endpoint.protocol(), error);
  if (error) co_return error;
  begin(write_until_, until);
  const auto [connected] = co_await socket_.async_connect(endpoint, use_tuple);
  const ErrorCode result = end(write_until_, connected);
  if (!result) {
    socket_.set_option(asio::ip::tcp::no_delay(true), error);
    socket_.non_blocking(true, error);
  }
  co_return result;
}

asio::awaitable<ErrorCode> Connection::fill(Steady::time_point until) {
  const auto room = input_.prepare();
  if (room.size == 0) co_return asio::error::no_buffer_space;
  begin(fill_until_, until);
  filling_ = true;
  const auto [error, count] = co_await socket_.async_read_some(asio::buffer(room.data, room.size), use_tuple);
  filling_ = false;
  input_.commit(count);
  co_return end(fill_until_, error);
}

void Connection::extend_fill(Steady::time_point until) {
  if (filling_) begin(fill_until_, until);
}

asio::awaitable<ErrorCode> Connection::write(std::span<const asio::const_buffer> buffers, Steady::duration limit) {
  // The peer's window nearly always has room: then there is nothing to wait for.
  ErrorCode error;
  const std::size_t sent = socket_.write_some(buffers, error);
  if (error && error != asio::error::would_block && error != asio::error::try_again) co_return error;
  if (sent == asio::buffer_size(buffers)) co_return ErrorCode();
  co_return co_await write_rest(buffers, sent, limit);
}

asio::awaitable<ErrorCode> Connection::write_rest(std::span<const asio::const_buffer> buffers, std::size_t sent,
                                                  Steady::duration limit) {
  for (asio::const_buffer part : buffers) {
    const std::size_t already = std::min(sent, part.size());
    sent -= already;
    part += already;
    while (part.size() > 0) {
      begin(write_until_, Steady::now() + limit);
      const auto [error, count] = co_await socket_.async_write_some(part, use_tuple);
      if (const ErrorCode failed = end(write_until_, error)) co_return failed;
      part += count;
    }
  }
  co_return ErrorCode();
}

void Connection::cancel() {
  ErrorCode ignored;
  socket_.cancel(ignored);
}

void Connection::shutdown_send() {
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Connection::close() {
  ErrorCode ignored;
  socket_.close(ignored);
  timer_.cancel();
  armed_for_ = never;
}

void Connection::abort() {
  ErrorCode ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

bool Connection::peer_is_silent() const {
  char byte;
  const auto count = ::recv(const_cast<Socket&>(socket_).native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void Connection::begin(Steady::time_point& slot, Steady::time_point until) {
  timed_out_ = false;
  slot = until;
  if (until < armed_for_) arm(until);
}

ErrorCode Connection::end(Steady::time_point& slot, ErrorCode error) {
  slot = never;
  return error == asio::error::operation_aborted && timed_out_ ? ErrorCode(asio::error::timed_out) : error;
}

/// The timer is left running when a wait ends: most waits are short, and it looks at the limits again when it fires.
void Connection::arm(Steady::time_point when) {
  armed_for_ = when;
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](ErrorCode error) {
    if (error) return;
    if (const auto self = weak.lock()) self->on_timer();
  });
}

void Connection::on_timer() {
  armed_for_ = never;
  const auto next = std::min(fill_until_, write_until_);
  if (next == never) return;
  if (next > Steady::now()) {
    arm(next);
    return;
  }
  timed_out_ = true;
  cancel();
}

}  // namespace twinstream::http
