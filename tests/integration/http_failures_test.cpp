#include "tests/integration/http_support.h"

// What clients see when the backend, the network or they themselves misbehave.

namespace twinstream::http {
namespace {

using std::chrono::milliseconds;

class HttpFailures : public HttpTest {
 protected:
  double failures(std::string_view reason) const {
    return metrics.value("twinstream_backend_failures_total", {{"reason", reason}});
  }

  /// Sends these bytes on a new connection: the status line of the answer, after which the connection must end.
  std::string refusal(std::string_view bytes) {
    auto c = client();
    c.send(bytes);
    const std::string head = c.read_head();
    EXPECT_EQ(field(head, "Connection"), "close") << bytes;
    c.shutdown_send();
    c.read_to_end();
    return status_line(head).substr(9, 3);
  }
};

TEST_F(HttpFailures, UnreachableBackendIs502) {
  backend.close();
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string head = c.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 502 Bad Gateway");
  EXPECT_NE(c.read(std::stoul(field(head, "Content-Length"))).find("cannot connect to the backend"), std::string::npos);
  EXPECT_EQ(failures("connect"), 1);
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");  // the client's connection goes on
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway");
}

TEST_F(HttpFailures, UnknownBackendNameIs502) {
  upstream->address.host = "no-such-host.invalid";
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway");
}

TEST_F(HttpFailures, BackendNameIsResolved) {
  upstream->address.host = "localhost";
  start();
  auto c = client();
  warm_up(c);
}

TEST_F(HttpFailures, SilentBackendIs504) {
  upstream->response_timeout = milliseconds(50);
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 504 Gateway Timeout");
  peer.read_head();
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(failures("timeout"), 1);
}

TEST_F(HttpFailures, SilentBackendIs504AlsoWhenTheClientWaitsToContinue) {
  upstream->response_timeout = milliseconds(50);
  start();
  auto c = client();
  c.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  auto peer = backend.accept();
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 504 Gateway Timeout");
}

TEST_F(HttpFailures, SlowUploadIsNotTheBackendsFault) {
  upstream->response_timeout = milliseconds(50);
  listen.idle_timeout = milliseconds(400);
  start();
  auto c = client();
  c.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  auto peer = backend.accept();
  const std::string head = c.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 408 Request Timeout");
  EXPECT_EQ(field(head, "Connection"), "close");
  EXPECT_EQ(failures("timeout"), 0);
  peer.read_head();
  EXPECT_EQ(peer.read(4), "half");
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpFailures, BackendThatClosesWithoutAnswerIs502) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.close();
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway");
  EXPECT_FALSE(backend.has_waiting());  // a new connection is not tried again
  EXPECT_EQ(failures("broken"), 1);
}

TEST_F(HttpFailures, MalformedAnswersAre502) {
  start();
  for (const std::string answer :
       {"nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 200 OK\r\nX: half"}) {
    auto c = client();
    c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    auto peer = backend.accept();
    peer.read_head();
    peer.send(answer);
    peer.shutdown_send();
    EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway") << answer;
    EXPECT_TRUE(peer.ended()) << answer;
  }
}

TEST_F(HttpFailures, AnswerThatBreaksOffIsNeverTakenForTheWhole) {
  start();
  for (const std::string answer : {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"}) {
    auto c = client();
    c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    auto peer = backend.accept();
    peer.read_head();
    peer.send(answer);
    c.read_until("half");
    peer.close();
    EXPECT_TRUE(c.was_reset()) << answer;
  }
  EXPECT_EQ(failures("broken"), 2);
}

TEST_F(HttpFailures, AnswerUntilCloseThatIsResetIsNeverTakenForTheWhole) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.0\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\n\r\nhalf");
  c.read_until("half");
  peer.abort();
  EXPECT_TRUE(c.was_reset());
}

TEST_F(HttpFailures, MalformedChunkInAnAnswerBreaksItOff) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  c.read_until("half");
  peer.send("xyz\r\n");
  EXPECT_TRUE(c.was_reset());
}

TEST_F(HttpFailures, StalledAnswerBreaksOff) {
  upstream->response_timeout = milliseconds(50);
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_TRUE(c.was_reset());
  EXPECT_EQ(failures("timeout"), 1);
}

TEST_F(HttpFailures, StaleKeptConnectionIsReplacedOnceForAnIdempotentRequest) {
  start();
  auto c = client();
  auto stale = warm_up(c);
  c.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  stale.read_head();
  stale.close();
  auto fresh = backend.accept();
  EXPECT_EQ(status_line(fresh.read_head()), "GET /again HTTP/1.1");
  fresh.close();
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 502 Bad Gateway");
  EXPECT_FALSE(backend.has_waiting());
}

TEST_F(HttpFailures, ReplacedConnectionGetsTheBodyAgain) {
  start();
  auto c = client();
  auto stale = warm_up(c);
  c.send("PUT /again HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  stale.read_until("body");
  stale.abort();
  auto fresh = backend.accept();
  EXPECT_EQ(status_line(fresh.read_head()), "PUT /again HTTP/1.1");
  EXPECT_EQ(fresh.read(4), "body");
  fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 200 OK");
}

TEST_F(HttpFailures, WriteThatTheBackendMayHaveDoneIsNeverRepeated) {
  start();
  auto c = client();
  for (const std::string request : {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
                                    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"}) {
    auto kept = warm_up(c);
    c.send(request);
    kept.read_head();
    kept.abort();
    const std::string head = c.read_head();
    EXPECT_EQ(status_line(head), "HTTP/1.1 502 Bad Gateway");
    c.read(std::stoul(field(head, "Content-Length")));
    EXPECT_FALSE(backend.has_waiting());
  }
}

TEST_F(HttpFailures, ConnectionClosedWhileItWasIdleIsNotUsedForAWrite) {
  start();
  auto c = client();
  warm_up(c).close();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  auto fresh = backend.accept();
  fresh.read_until("body");
  fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 200 OK");
}

TEST_F(HttpFailures, UnaskedAnswerOnAnIdleConnectionNeverAnswersTheNextRequest) {
  start();
  auto c = client();
  auto kept = warm_up(c);
  kept.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  c.send("GET /mine HTTP/1.1\r\nHost: h\r\n\r\n");
  auto fresh = backend.accept();
  EXPECT_EQ(status_line(fresh.read_head()), "GET /mine HTTP/1.1");
  fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 200 OK");
}

TEST_F(HttpFailures, IdleBackendConnectionsAreClosed) {
  upstream->idle_timeout = milliseconds(30);
  start();
  auto c = client();
  auto kept = warm_up(c);
  EXPECT_TRUE(kept.ended());
}

TEST_F(HttpFailures, RequestsBeyondTheBackendConnectionsWaitTheirTurn) {
  upstream->max_connections = 1;
  start();
  auto first = client(), second = client();
  first.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  second.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(status_line(peer.read_head()), "GET /2 HTTP/1.1");
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  first.read_until("ok");
  second.read_until("ok");
  EXPECT_FALSE(backend.has_waiting());
}

TEST_F(HttpFailures, RequestThatGetsNoTurnIs503) {
  upstream->max_connections = 1;
  upstream->connect_timeout = milliseconds(50);
  start();
  auto first = client(), second = client();
  first.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  second.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(second.read_head()), "HTTP/1.1 503 Service Unavailable");
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  first.read_until("ok");
}

TEST_F(HttpFailures, ClientThatLeavesInTheMiddleOfItsBodyEndsTheBackendsRequest) {
  start();
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  auto peer = backend.accept();
  peer.read_until("half");
  c.close();
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(failures("broken"), 0);
}

TEST_F(HttpFailures, AmbiguousRequestsAreRefusedAndNeverReachTheBackend) {
  start();
  for (const char* bytes : {
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 4\r\n\r\nabcd",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\n\tX: a\r\n\r\n",
           "GET / HTTP/1.1\nHost: h\n\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET a HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
           "\x16\x03\x01 TLS\r\n\r\n",
       }) {
    EXPECT_EQ(refusal(bytes), "400") << bytes;
  }
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "501");
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n"), "501");
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0b"
                    "chunked\r\n\r\n0\r\n\r\n"),
            "400");
  EXPECT_EQ(refusal("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"), "405");
  EXPECT_FALSE(backend.has_waiting());
}

TEST_F(HttpFailures, RequestAfterARefusedOneIsNotRead) {
  start();
  auto c = client();
  c.send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
      "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 400 Bad Request");
  c.shutdown_send();
  EXPECT_EQ(c.read_to_end().find("HTTP/1.1"), std::string::npos);
  EXPECT_FALSE(backend.has_waiting());
}

TEST_F(HttpFailures, EqualContentLengthsAreOne) {
  start();
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
  auto peer = backend.accept();
  EXPECT_EQ(field(peer.read_head(), "Content-Length"), "3");
  EXPECT_EQ(peer.read(3), "abc");
}

TEST_F(HttpFailures, MalformedChunksAreRefused) {
  start();
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* body : {"xyz\r\n", "-1\r\n", "3\r\nabcX\r\n0\r\n\r\n", "3 x\r\nabc\r\n", "3\nabc\r\n", "\r\n",
                           "ffffffffffffffffff\r\n"}) {
    EXPECT_EQ(refusal(head + body), "400") << body;
  }
}

TEST_F(HttpFailures, MalformedChunkLaterInTheBodyIsRefusedAndTheBackendSeesNoEnd) {
  start();
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  auto peer = backend.accept();
  peer.read_until("abc\r\n");
  c.send("bad\rchunk");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 400 Bad Request");
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpFailures, EndlessChunkExtensionIsRefused) {
  start();
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;" + std::string(100'000, 'x'));
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 400 Bad Request");
}

}  // namespace
}  // namespace twinstream::http
