#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "config/config.h"
#include "proxy/core/metrics.h"
#include "proxy/core/result.h"
#include "proxy/http/message.h"

namespace twinstream::http {

/// An HTTP/1 server on threads of its own. A request is answered by the handler that `decide` gives, passed through to
/// the backend, or answered 404 when there is no backend. A connection and all that belongs to it, its handlers and
/// its use of the backend included, stay on one thread.
class Server {
 public:
  /// `metrics` must outlive the server.
  Server(ListenConfig listen, std::optional<BackendConfig> backend, Decide decide, Metrics& metrics);
  ~Server();  ///< stops without waiting

  /// Listens and begins to serve. Fails when the address cannot be used, by another server on the same port too.
  Result<Done> start();
  std::uint16_t port() const;                                   ///< the one listened on, after start()
  std::vector<boost::asio::any_io_executor> executors() const;  ///< one per io thread, from start() to stop()

  /// Accepts nothing more, closes idle connections, lets requests under way finish for at most `drain_timeout`, and
  /// cuts the rest. When it returns, no code of a handler runs any more. A handler that waits for a foreign thread is
  /// abandoned then: its frame lives until that thread drops or calls its completion.
  void stop(std::chrono::milliseconds drain_timeout);

 private:
  class IoThread;
  struct Shared;

  static void keep_for_ever(std::unique_ptr<IoThread> thread);

  std::shared_ptr<Shared> shared_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::uint16_t port_ = 0;
};

}  // namespace twinstream::http
