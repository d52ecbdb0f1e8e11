#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include "config/config.h"
#include "proxy/core/event_log.h"
#include "proxy/core/metrics.h"
#include "proxy/http/connection.h"
#include "proxy/http/parser.h"

namespace twinstream::http {

/// Why the backend did not answer: what the client is told and what the metric counts.
struct GatewayError {
  enum class Kind { busy, connect, timeout, broken };
  Kind kind = Kind::broken;
  std::string text;

  int status() const;  ///< 502, 503 or 504
  /// Whether the backend may have seen the request.
  bool sent() const { return kind == Kind::timeout || kind == Kind::broken; }
};

/// A connection to the backend with the parser of what comes from it.
struct BackendLine {
  BackendLine(std::shared_ptr<Connection> opened, std::unordered_set<Connection*>& all);
  ~BackendLine();
  BackendLine(const BackendLine&) = delete;

  std::shared_ptr<Connection> connection;
  ResponseParser parser;
  Steady::time_point idle_since{};
  std::unordered_set<Connection*>& all_open;
};

/// The kept-alive connections of one io thread to the backend. Not thread safe, by design.
class BackendPool {
 public:
  /// A connection in use. Closed when the lease ends, unless it was said to be reusable.
  class Lease {
   public:
    Lease(BackendPool& pool, std::unique_ptr<BackendLine> line, bool reused);
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    BackendLine* operator->() const { return line_.get(); }
    BackendLine& operator*() const { return *line_; }
    bool reused() const { return reused_; }
    void keep() { keep_ = true; }

   private:
    BackendPool* pool_;
    std::unique_ptr<BackendLine> line_;
    bool reused_;
    bool keep_ = false;
  };

  BackendPool(Executor executor, const BackendConfig& config, std::size_t max_body_bytes, Metrics& metrics);
  ~BackendPool();

  /// The pool of the io thread that calls, if it is one.
  static BackendPool* of_this_thread();
  void serve_this_thread();

  const BackendConfig& config() const { return config_; }
  std::size_t max_body_bytes() const { return max_body_bytes_; }  ///< of answers kept in memory

  /// A request in bytes, ready to be sent.
  struct Outgoing {
    std::span<const boost::asio::const_buffer> bytes;  ///< the head, and what there is of the body
    bool complete = true;                              ///< nothing of the body follows
    bool has_body = false;
    bool body_begun = false;  ///< `bytes` has some of it
    bool idempotent = false;
    bool head_request = false;
  };

  struct Opened {
    std::optional<Lease> lease;
    GatewayError error;       ///< when there is no lease
    bool head_ready = false;  ///< the head of the first answer has been read; always so for a complete request
  };

  /// Sends on a kept connection or a new one; for a complete request, waits for the head of the answer. A kept
  /// connection that turns out to have been closed before a byte of an answer is replaced by a new one, once, if the
  /// backend cannot have acted on the request or repeating it does no harm.
  Awaitable<Opened> open(Outgoing outgoing);

  /// Reads the next head (an interim one or the answer's). Nothing when it went well.
  Awaitable<std::optional<GatewayError>> receive_head(BackendLine& line, Steady::time_point until);
  /// Goes on to the head after an interim answer.
  static void next_head(BackendLine& line, bool head_request);

  GatewayError failed(GatewayError::Kind kind, std::string text);  ///< counts it

  /// No connection is kept from now on and waiting requests fail.
  void close();
  void cut();  ///< and breaks off every exchange

 private:
  struct Turn;
  struct Acquired {
    std::optional<Lease> lease;
    GatewayError error;
  };

  Awaitable<Acquired> make_or_wait(bool fresh);
  std::unique_ptr<BackendLine> take_idle();
  Awaitable<std::optional<std::unique_ptr<BackendLine>>> wait_for_turn();
  Awaitable<Acquired> connect();
  Awaitable<std::pair<ErrorCode, std::vector<boost::asio::ip::tcp::endpoint>>> resolve(Steady::time_point until);
  Awaitable<Opened> attempt(Outgoing outgoing, Lease lease);
  void release(std::unique_ptr<BackendLine> line);
  void reap();
  void arm_reaper();

  const Executor executor_;
  const BackendConfig config_;
  const std::size_t max_body_bytes_;
  Metrics& metrics_;
  std::unordered_set<Connection*> all_open_;
  std::deque<std::unique_ptr<BackendLine>> idle_;  ///< oldest first; the youngest is used next
  std::size_t open_ = 0;                           ///< connections idle, leased or being made
  std::deque<Turn*> waiting_;
  std::unique_ptr<SteadyTimer> reaper_;
  bool reaper_armed_ = false;
  bool closed_ = false;
};

}  // namespace twinstream::http
