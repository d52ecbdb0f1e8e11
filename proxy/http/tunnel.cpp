#include "proxy/http/tunnel.h"

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace twinstream::http {
namespace {

Awaitable<void> carry(std::shared_ptr<Connection> from, std::shared_ptr<Connection> to,
                      std::chrono::milliseconds idle_timeout) {
  ErrorCode error;
  while (!error) {
    const auto data = from->input().data();
    if (!data.empty()) {
      const std::array piece{boost::asio::const_buffer(data.data(), data.size())};
      error = co_await to->write(piece, idle_timeout);
      from->input().consume(data.size());
      to->extend_fill(Steady::now() + idle_timeout);  // a peer that only listens is not idle
    } else {
      error = co_await from->fill(Steady::now() + idle_timeout);
    }
  }
  if (error == boost::asio::error::eof) {
    to->shutdown_send();
    co_return;
  }
  from->close();
  to->close();
}

}  // namespace

Awaitable<void> run_tunnel(std::shared_ptr<Connection> client, std::shared_ptr<Connection> backend,
                           std::chrono::milliseconds idle_timeout) {
  using namespace boost::asio::experimental::awaitable_operators;
  co_await (carry(client, backend, idle_timeout) && carry(backend, client, idle_timeout));
}

}  // namespace twinstream::http
