#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "config/config.h"
#include "proxy/core/metrics.h"
#include "proxy/http/exchange.h"
#include "proxy/http/message.h"
#include "proxy/http/pool.h"

namespace twinstream::http {

class Session;

/// What the sessions of one io thread share.
struct SessionContext {
  const ListenConfig& listen;
  const Decide& decide;
  Metrics& metrics;
  BackendPool* pool = nullptr;  ///< null: there is no backend
  bool draining = false;        ///< requests under way finish, no other is begun
  std::size_t handlers_running = 0;
  std::unordered_set<Session*> sessions;
  std::function<void()> on_session_end;
};

/// One client connection: reads requests one after the other and lets each be handled or passed through.
class Session {
 public:
  Session(SessionContext& context, Socket socket, std::string address);
  ~Session();
  Session(const Session&) = delete;

  static Awaitable<void> run(std::unique_ptr<Session> session);

  void drain();  ///< ends if it waits for a request; otherwise after the request under way
  void cut();    ///< closes the connection at once

 private:
  Awaitable<End> serve_requests();
  Awaitable<bool> receive_head();
  Awaitable<Outcome> refuse(int status, std::string text);
  Awaitable<Outcome> serve();
  Decision decide(const Request& request);

  Awaitable<Outcome> handle(Handler handler, Request request);
  Awaitable<int> receive_body(std::string& body, bool expects_continue, std::uint64_t announced);
  Awaitable<Response> call(Handler handler, Request request);

  Awaitable<void> linger();
  void record(const Outcome& outcome, Steady::time_point started);
  ClientEnd client();

  SessionContext& context_;
  std::shared_ptr<Connection> connection_;
  RequestParser parser_;
  const std::string address_;
  Scratch scratch_;
  bool waiting_ = false;  ///< for the first byte of a request
};

}  // namespace twinstream::http
