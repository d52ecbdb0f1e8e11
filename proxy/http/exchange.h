#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/connection.h"
#include "proxy/http/forward.h"
#include "proxy/http/gather.h"
#include "proxy/http/parser.h"
#include "proxy/http/pool.h"

namespace twinstream::http {

/// What becomes of the client's connection after a request.
enum class End {
  keep_alive,
  close,
  linger,  ///< the request was not read to its end: close so that the client still gets the answer
  abort,   ///< the answer broke off: the client must not take it for the whole
};

struct Outcome {
  End end = End::close;
  int status = 0;          ///< of the answer; 0: there was none
  bool forwarded = false;  ///< answered by the backend, or for it
};

/// Memory that a connection uses again and again, request after request.
struct Scratch {
  std::string head;
  Gather to_backend;
  Gather to_client;
  std::vector<std::string_view> request_pieces;
  std::vector<std::string_view> answer_pieces;
};

/// The client of one request. `parser` has just read the head, which starts its input.
struct ClientEnd {
  std::shared_ptr<Connection> connection;
  RequestParser& parser;
  std::string_view address;
  std::chrono::milliseconds idle_timeout;  ///< for each step of a body
  const bool& draining;
  Scratch& scratch;
};

/// Writes an answer of our own. The client's connection goes on only if the request was read to its end.
Awaitable<Outcome> answer(ClientEnd client, ClientSide side, Response response);

/// One request passed through: both bodies are streamed with bounded memory, at the same time when the backend
/// answers before it has everything.
class Exchange {
 public:
  Exchange(ClientEnd client, BackendPool& pool);
  Awaitable<Outcome> run();

 private:
  void take_request();
  Awaitable<void> relay_and_stop_upload();

  // the request's way
  Awaitable<void> upload();
  Awaitable<bool> upload_part();
  void set_backends_turn(bool now);
  void client_failed(ErrorCode error);
  void end_upload_with(std::optional<Response> instead);

  // the answer's way
  Awaitable<void> relay(bool head_ready);
  Awaitable<bool> receive_head();
  Awaitable<bool> relay_interim();
  Awaitable<void> relay_final();
  Awaitable<bool> relay_body(Framing framing);
  Awaitable<bool> receive_more();
  Awaitable<void> switch_protocols();
  Awaitable<void> fail(GatewayError error);
  Steady::time_point answer_deadline() const;

  ClientEnd client_;
  Scratch& scratch_;
  BackendPool& pool_;
  ClientSide side_;
  BackendPool::Outgoing outgoing_;
  Framing request_framing_ = Framing::none;
  bool upgrade_ = false;
  bool backends_turn_ = false;  ///< nothing can go on before the backend says something
  std::optional<BackendPool::Lease> lease_;
  bool request_sent_ = false;
  bool stopped_ = false;             ///< the answer is complete or has failed: the upload ends
  bool given_up_ = false;            ///< the request's body was bad, late or broken off
  std::optional<Response> instead_;  ///< and what the client gets for it, unless it is gone
  Outcome outcome_;
};

}  // namespace twinstream::http
