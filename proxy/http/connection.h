#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <span>

#include "proxy/http/input_buffer.h"

namespace twinstream::http {

using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
using SteadyTimer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                      boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Steady = std::chrono::steady_clock;
using ErrorCode = boost::system::error_code;

/// Answers errors as the first of a tuple instead of throwing them.
inline constexpr auto use_tuple = boost::asio::as_tuple(boost::asio::use_awaitable);

/// A TCP connection whose every wait has a time limit. At most one fill and one write at a time, all on one thread.
/// A wait that takes too long ends with boost::asio::error::timed_out; the socket stays open.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static constexpr Steady::time_point never = Steady::time_point::max();

  Connection(Socket socket, std::size_t input_limit);  ///< owned by a shared_ptr

  boost::asio::awaitable<ErrorCode> connect(boost::asio::ip::tcp::endpoint endpoint, Steady::time_point until);

  InputBuffer& input() { return input_; }
  /// Reads what has arrived, at least one byte. `no_buffer_space` when the input is at its limit.
  boost::asio::awaitable<ErrorCode> fill(Steady::time_point until);
  /// Moves the limit of a fill under way; nothing when there is none.
  void extend_fill(Steady::time_point until);

  /// Writes all of it; `limit` is for each part that the peer takes. What it points to must stay until it ends.
  boost::asio::awaitable<ErrorCode> write(std::span<const boost::asio::const_buffer> buffers, Steady::duration limit);

  void cancel();         ///< waits under way end with operation_aborted
  void shutdown_send();  ///< tells the peer that nothing more comes
  void close();
  void abort();                 ///< closes with a reset: the peer must not take what it got for the whole
  bool peer_is_silent() const;  ///< neither closed nor anything received: fit for the next request

 private:
  boost::asio::awaitable<ErrorCode> write_rest(std::span<const boost::asio::const_buffer> buffers, std::size_t sent,
                                               Steady::duration limit);
  void begin(Steady::time_point& slot, Steady::time_point until);
  ErrorCode end(Steady::time_point& slot, ErrorCode error);
  void arm(Steady::time_point when);
  void on_timer();

  Socket socket_;
  InputBuffer input_;
  SteadyTimer timer_;
  Steady::time_point armed_for_ = never;
  Steady::time_point fill_until_ = never;
  Steady::time_point write_until_ = never;
  bool filling_ = false;
  bool timed_out_ = false;
};

}  // namespace twinstream::http
