#include <fstream>
#include <future>

#include "proxy/core/await.h"
#include "proxy/http/upstream.h"
#include "tests/integration/http_support.h"

// Requests that a handler answers, the limits of the server, its start and its end.

namespace twinstream::http {
namespace {

using std::chrono::milliseconds;

Awaitable<Response> echo(Request request) {
  Response response;
  response.headers.add("Content-Type", "text/plain");
  response.body = request.method + " " + request.target + " " + request.remote_address + " " + request.body;
  co_return response;
}

Awaitable<Response> with_odd_headers(Request) {
  Response response;
  response.status = 299;
  response.reason = "Odd";
  response.headers.add("X-Stored", "line\r\nX-Injected: yes");
  response.headers.add("Transfer-Encoding", "chunked");
  response.headers.add("Content-Length", "999");
  response.body = "x";
  co_return response;
}

Awaitable<Response> throwing(Request) {
  throw std::runtime_error("unexpected");
  co_return Response();
}

Awaitable<Response> fetching(Request request) {
  PooledUpstream upstream;
  auto fetched = co_await upstream.fetch(std::move(request));
  if (!fetched.ok()) co_return gateway_response(fetched.failure());
  fetched->headers.set("X-Fetched", std::to_string(fetched->body.size()));
  co_return std::move(*fetched);
}

/// A handler that waits until the test lets it go on.
struct Gate {
  Awaitable<Response> wait(Request) {
    co_return co_await await_completion<Response>(
        [this](Completion<Response> completion) { entered.set_value(std::move(completion)); });
  }
  std::promise<Completion<Response>> entered;
};

class HttpServer : public HttpTest {
 protected:
  HttpServer() { handle_with(echo); }

  void handle_with(Handler handler) {
    decide = [handler](const Request& request) {
      return request.path().starts_with("/own") ? Decision{handler} : Decision{};
    };
  }

  std::string body_of(RawSocket& c) { return c.read(std::stoul(field(c.read_head(), "Content-Length"))); }
};

TEST_F(HttpServer, HandlerGetsTheWholeRequestAndItsAnswerIsFramed) {
  start();
  auto c = client();
  c.send("POST /own?x=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  const std::string head = c.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 200 OK");
  EXPECT_EQ(field(head, "Content-Type"), "text/plain");
  EXPECT_FALSE(field(head, "Date").empty());
  EXPECT_EQ(c.read(std::stoul(field(head, "Content-Length"))), "POST /own?x=%20 127.0.0.1 body");

  c.send("PUT /own HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nch\r\n4\r\nunks\r\n0\r\n\r\n");
  EXPECT_EQ(body_of(c), "PUT /own 127.0.0.1 chunks");
  EXPECT_FALSE(backend.has_waiting());
}

TEST_F(HttpServer, HandledAndForwardedRequestsShareAConnection) {
  start();
  auto c = client();
  c.send(
      "GET /own HTTP/1.1\r\nHost: h\r\n\r\nGET /warm HTTP/1.1\r\nHost: h\r\n\r\nGET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  EXPECT_EQ(status_line(peer.read_head()), "GET /warm HTTP/1.1");
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwarm");
  EXPECT_EQ(body_of(c), "GET /own 127.0.0.1 ");
  EXPECT_EQ(body_of(c), "warm");
  EXPECT_EQ(body_of(c), "GET /own 127.0.0.1 ");
  server->stop(milliseconds(10'000));
  EXPECT_EQ(metrics.value("twinstream_http_requests_total", {{"kind", "handled"}, {"status", "2xx"}}), 2);
  EXPECT_EQ(metrics.value("twinstream_http_requests_total", {{"kind", "forwarded"}, {"status", "2xx"}}), 1);
  EXPECT_EQ(metrics.value("twinstream_http_request_seconds", {{"kind", "forwarded"}}), 1);
  EXPECT_EQ(metrics.value("twinstream_http_connections"), 0);
}

TEST_F(HttpServer, ExpectingClientIsToldToContinue) {
  start();
  auto c = client();
  c.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(c.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
  c.send("body");
  EXPECT_EQ(body_of(c), "POST /own 127.0.0.1 body");
}

TEST_F(HttpServer, HeadOfAHandlersAnswerHasItsLengthAndNoBody) {
  start();
  auto c = client();
  c.send("HEAD /own HTTP/1.1\r\nHost: h\r\n\r\nGET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(field(c.read_head(), "Content-Length"), "20");
  EXPECT_EQ(body_of(c), "GET /own 127.0.0.1 ");
}

TEST_F(HttpServer, HandlersHeadersCanNeitherSplitTheAnswerNorBreakItsFraming) {
  handle_with(with_odd_headers);
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string head = c.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 299 Odd");
  EXPECT_EQ(field(head, "X-Stored"), "line  X-Injected: yes");
  EXPECT_FALSE(has_field(head, "X-Injected"));
  EXPECT_FALSE(has_field(head, "Transfer-Encoding"));
  EXPECT_EQ(field(head, "Content-Length"), "1");
}

TEST_F(HttpServer, HandlerThatThrowsIs500AndTheConnectionGoesOn) {
  handle_with(throwing);
  start();
  auto c = client();
  for (int i = 0; i < 2; ++i) {
    c.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
    const std::string head = c.read_head();
    EXPECT_EQ(status_line(head), "HTTP/1.1 500 Internal Server Error");
    c.read(std::stoul(field(head, "Content-Length")));
  }
}

TEST_F(HttpServer, WithoutBackendUnknownPathsAre404) {
  upstream.reset();
  start();
  auto c = client();
  c.send("GET /elsewhere HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 404 Not Found");
}

TEST_F(HttpServer, BodyOverTheLimitIs413BeforeItIsSent) {
  listen.max_body_bytes = 10;
  start();
  auto announced = client();
  announced.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  const std::string head = announced.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(field(head, "Connection"), "close");

  auto chunked = client();
  chunked.send("POST /own HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n");
  EXPECT_EQ(status_line(chunked.read_head()), "HTTP/1.1 413 Payload Too Large");

  auto fits = client();
  fits.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n1234567890");
  EXPECT_EQ(status_line(fits.read_head()), "HTTP/1.1 200 OK");
}

TEST_F(HttpServer, HeaderOverTheLimitIs431) {
  listen.max_header_bytes = 1000;
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x'));
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 431 Request Header Fields Too Large");
  auto whole = client();
  whole.send("GET /own HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_EQ(status_line(whole.read_head()), "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST_F(HttpServer, HeaderUpToALargeLimitIsRead) {
  listen.max_header_bytes = 200'000;
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHost: h\r\nX: " + std::string(150'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(body_of(c), "GET /own 127.0.0.1 ");
}

TEST_F(HttpServer, HeaderThatDoesNotEndInTimeIs408) {
  listen.header_timeout = milliseconds(50);
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHo");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 408 Request Timeout");
}

TEST_F(HttpServer, HandledBodyThatStallsIs408) {
  listen.idle_timeout = milliseconds(50);
  start();
  auto c = client();
  c.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 408 Request Timeout");
}

TEST_F(HttpServer, HandledBodyWithAMalformedChunkIs400) {
  start();
  auto c = client();
  c.send("POST /own HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 400 Bad Request");
}

TEST_F(HttpServer, IdleConnectionIsClosedWithoutAWord) {
  listen.idle_timeout = milliseconds(50);
  start();
  auto never_used = client();
  EXPECT_EQ(never_used.read_to_end(), "");
  auto used = client();
  used.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  body_of(used);
  EXPECT_EQ(used.read_to_end(), "");
}

TEST_F(HttpServer, ConnectionsBeyondTheLimitAreTurnedAway) {
  listen.max_connections = 1;
  start();
  auto first = client();
  first.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  body_of(first);
  auto second = client();
  EXPECT_EQ(status_line(second.read_head()), "HTTP/1.1 503 Service Unavailable");
  EXPECT_TRUE(second.ended());
  EXPECT_EQ(metrics.value("twinstream_http_connections"), 1);
}

TEST_F(HttpServer, PortInUseIsAClearFailure) {
  start();
  ListenConfig same = listen;
  same.address.port = server->port();
  Server other(same, {}, decide, metrics);
  const auto started = other.start();
  ASSERT_TRUE(started.failed_with(FailureCode::unavailable));
  EXPECT_NE(started.failure().reason.find("127.0.0.1:" + std::to_string(server->port())), std::string::npos);
  EXPECT_NE(started.failure().reason.find("in use"), std::string::npos);
}

TEST_F(HttpServer, AddressThatIsNotOursIsAClearFailure) {
  listen.address = {"203.0.113.1", 0};
  Server other(listen, {}, decide, metrics);
  const auto started = other.start();
  ASSERT_TRUE(started.failed_with(FailureCode::unavailable));
  EXPECT_NE(started.failure().reason.find("cannot listen on 203.0.113.1:0"), std::string::npos);
}

TEST_F(HttpServer, StopLetsRequestsUnderWayFinishAndClosesIdleConnections) {
  start();
  auto idle = client(), busy = client(), handled = client();
  idle.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  body_of(idle);
  busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  handled.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  handled.read_head();
  auto stopping = std::async(std::launch::async, [this] { server->stop(milliseconds(60'000)); });
  EXPECT_TRUE(idle.ended());
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
  EXPECT_EQ(field(busy.read_head(), "Connection"), "close");
  EXPECT_EQ(busy.read_to_end(), "slow");
  handled.send("body");
  EXPECT_EQ(field(handled.read_head(), "Connection"), "close");
  EXPECT_EQ(handled.read_to_end(), "POST /own 127.0.0.1 body");
  stopping.get();
  EXPECT_TRUE(peer.ended());
  EXPECT_THROW(client(), std::runtime_error);
}

TEST_F(HttpServer, StopCutsWhatDoesNotEndInTime) {
  start();
  auto c = client();
  c.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  server->stop(milliseconds(0));
  EXPECT_TRUE(c.ended());
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpServer, HandlerThatOutlivesTheServerIsHarmless) {
  Gate gate;
  handle_with([&gate](Request request) { return gate.wait(std::move(request)); });
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  Completion<Response> completion = gate.entered.get_future().get();
  server->stop(milliseconds(0));
  EXPECT_TRUE(c.ended());
  server.reset();
  completion(Response());
}

TEST_F(HttpServer, HandlerIsResumedByAForeignThread) {
  Gate gate;
  handle_with([&gate](Request request) { return gate.wait(std::move(request)); });
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  Completion<Response> completion = gate.entered.get_future().get();
  completion(error_response(409, "late"));
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 409 Conflict");
}

TEST_F(HttpServer, FetchIsAWholeExchangeWithTheBackend) {
  handle_with(fetching);
  upstream->base_path = "/v1";
  start();
  auto c = client();
  c.send(
      "POST /own/1 HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
      "X-Kept: 2\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
  auto peer = backend.accept();
  const std::string request = peer.read_head();
  EXPECT_EQ(status_line(request), "POST /v1/own/1 HTTP/1.1");
  EXPECT_EQ(field(request, "Host"), "shop");
  EXPECT_EQ(field(request, "Content-Length"), "4");
  EXPECT_EQ(field(request, "X-Forwarded-For"), "127.0.0.1");
  EXPECT_EQ(field(request, "X-Kept"), "2");
  EXPECT_FALSE(has_field(request, "X-Hop"));
  EXPECT_FALSE(has_field(request, "Transfer-Encoding"));
  EXPECT_EQ(peer.read(4), "body");
  peer.send(
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\nX-Id: 7\r\n\r\n"
      "3\r\nabc\r\n0\r\n\r\n");
  const std::string head = c.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 201 Made");
  EXPECT_EQ(field(head, "X-Id"), "7");
  EXPECT_EQ(field(head, "X-Fetched"), "3");
  EXPECT_EQ(c.read(3), "abc");

  c.send("GET /own/2 HTTP/1.1\r\nHost: shop\r\n\r\n");  // on the same connection to the backend
  EXPECT_EQ(status_line(peer.read_head()), "GET /v1/own/2 HTTP/1.1");
  peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  peer.close();
  EXPECT_EQ(body_of(c), "until the end");
}

TEST_F(HttpServer, FetchSaysWhetherTheBackendMayHaveSeenTheRequest) {
  handle_with(fetching);
  listen.max_body_bytes = 10;
  upstream->response_timeout = milliseconds(50);
  start();
  const auto status = [this](const std::string& answer, bool close) {
    auto c = client();
    c.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    auto peer = backend.accept();
    peer.read_head();
    peer.send(answer);
    if (close) peer.close();
    return status_line(c.read_head()).substr(9, 3);
  };
  EXPECT_EQ(status("", true), "504");
  EXPECT_EQ(status("", false), "504");
  EXPECT_EQ(status("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal", true), "504");
  EXPECT_EQ(status("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901", true), "504");
  backend.close();
  auto c = client();
  c.send("POST /own HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway");
}

TEST_F(HttpServer, FetchWithoutBackendIsUnavailable) {
  handle_with(fetching);
  upstream.reset();
  start();
  auto c = client();
  c.send("GET /own HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway");
}

}  // namespace
}  // namespace twinstream::http
