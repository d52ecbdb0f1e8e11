#include <fstream>
#include <future>

#include "tests/integration/http_support.h"

// What passes through between a client and the backend, byte by byte.

namespace twinstream::http {
namespace {

class HttpForward : public HttpTest {};

constexpr std::size_t megabyte = 1024 * 1024;

/// Peak resident memory since reset_peak(), in bytes.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }
std::size_t memory_of(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t kilobytes = 0;
    if (word == key && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

TEST_F(HttpForward, RequestAndAnswerPassThroughWithForwardingFieldsAdded) {
  start();
  auto c = client();
  c.send("GET /a%20b?x=1 HTTP/1.1\r\nHost: shop.example\r\nX-Own: yes\r\nCookie: a=1\r\n\r\n");
  auto peer = backend.accept();
  const std::string request = peer.read_head();
  EXPECT_EQ(status_line(request), "GET /a%20b?x=1 HTTP/1.1");
  EXPECT_EQ(field(request, "Host"), "shop.example");
  EXPECT_EQ(field(request, "X-Own"), "yes");
  EXPECT_EQ(field(request, "Cookie"), "a=1");
  EXPECT_EQ(field(request, "Via"), "1.1 twinstream");
  EXPECT_EQ(field(request, "X-Forwarded-For"), "127.0.0.1");
  EXPECT_EQ(field(request, "X-Forwarded-Proto"), "http");
  EXPECT_EQ(field(request, "X-Forwarded-Host"), "shop.example");
  EXPECT_FALSE(has_field(request, "Content-Length"));
  EXPECT_FALSE(has_field(request, "Transfer-Encoding"));

  peer.send("HTTP/1.1 201 Made\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhello");
  const std::string answer = c.read_head();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 201 Made");
  EXPECT_EQ(field(answer, "Set-Cookie"), "a=1|b=2");
  EXPECT_EQ(field(answer, "Content-Length"), "5");
  EXPECT_EQ(c.read(5), "hello");
}

TEST_F(HttpForward, HopByHopFieldsStayOnTheirConnection) {
  start();
  auto c = client();
  c.send(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n"
      "TE: trailers\r\nProxy-Authorization: Basic x\r\nUpgrade: foo\r\nX-Kept: 1\r\n\r\n");
  auto peer = backend.accept();
  const std::string request = peer.read_head();
  for (const char* name : {"Connection", "X-Secret", "Keep-Alive", "TE", "Proxy-Authorization", "Upgrade"}) {
    EXPECT_FALSE(has_field(request, name)) << name;
  }
  EXPECT_EQ(field(request, "X-Kept"), "1");

  peer.send(
      "HTTP/1.1 200 OK\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: x\r\n"
      "X-Kept: 2\r\nContent-Length: 0\r\n\r\n");
  const std::string answer = c.read_head();
  for (const char* name : {"Connection", "X-Inner", "Keep-Alive", "Proxy-Authenticate"}) {
    EXPECT_FALSE(has_field(answer, name)) << name;
  }
  EXPECT_EQ(field(answer, "X-Kept"), "2");
}

TEST_F(HttpForward, ForwardedForIsAppendedToAndTheOuterProxysSchemeAndHostStay) {
  start();
  auto c = client();
  c.send(
      "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n"
      "X-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\n\r\n");
  const std::string request = backend.accept().read_head();
  EXPECT_EQ(field(request, "X-Forwarded-For"), "10.0.0.1, 10.0.0.2, 127.0.0.1");
  EXPECT_EQ(field(request, "X-Forwarded-Proto"), "https");
  EXPECT_EQ(field(request, "X-Forwarded-Host"), "outer");
}

TEST_F(HttpForward, BasePathComesBeforeTheTarget) {
  upstream->base_path = "/v1";
  start();
  auto c = client();
  c.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(backend.accept().read_head()), "GET /v1/x HTTP/1.1");
}

TEST_F(HttpForward, AbsoluteTargetBecomesPathAndHost) {
  start();
  auto c = client();
  c.send("GET http://real.example:81/x?y HTTP/1.1\r\nHost: ignored\r\n\r\n");
  const std::string request = backend.accept().read_head();
  EXPECT_EQ(status_line(request), "GET /x?y HTTP/1.1");
  EXPECT_EQ(field(request, "Host"), "real.example:81");
}

TEST_F(HttpForward, ConnectionsAreKeptOnBothSides) {
  start();
  auto c = client();
  auto peer = warm_up(c);
  for (const std::string body : {"one", "two", "three"}) {
    c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    peer.read_head();
    EXPECT_EQ(peer.read(body.size()), body);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    c.read_head();
    EXPECT_EQ(c.read(body.size()), body);
  }
  EXPECT_FALSE(backend.has_waiting());
}

TEST_F(HttpForward, PipelinedRequestsAreAnsweredInOrder) {
  start();
  auto c = client();
  c.send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
      "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  for (const std::string path : {"/1", "/2", "/3"}) {
    EXPECT_NE(peer.read_head().find(" " + path + " "), std::string::npos);
    if (path == "/2") EXPECT_EQ(peer.read(3), "abc");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + path);
  }
  for (const std::string path : {"/1", "/2", "/3"}) {
    c.read_head();
    EXPECT_EQ(c.read(2), path);
  }
}

TEST_F(HttpForward, RequestThatArrivesByteByByteIsUnderstood) {
  start();
  auto c = client();
  for (const char byte : std::string_view("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok")) {
    c.send(std::string_view(&byte, 1));
  }
  auto peer = backend.accept();
  EXPECT_EQ(status_line(peer.read_head()), "POST /slow HTTP/1.1");
  EXPECT_EQ(peer.read(2), "ok");
}

TEST_F(HttpForward, EmptyLineBeforeARequestIsSkipped) {
  start();
  auto c = client();
  c.send("\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(backend.accept().read_head()), "GET /x HTTP/1.1");
}

TEST_F(HttpForward, ChunkedBodiesPassBothWaysWithoutTrailersAndExtensions) {
  start();
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3;ext=1\r\nabc\r\n");
  auto peer = backend.accept();
  const std::string request = peer.read_head();
  EXPECT_EQ(field(request, "Transfer-Encoding"), "chunked");
  EXPECT_FALSE(has_field(request, "Trailer"));
  EXPECT_EQ(peer.read_until("abc\r\n"), "3\r\nabc\r\n");
  c.send("A\r\n0123456789\r\n0\r\nX-T: dropped\r\n\r\n");
  EXPECT_EQ(peer.read_until("0\r\n\r\n"), "a\r\n0123456789\r\n0\r\n\r\n");

  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n");
  EXPECT_EQ(field(c.read_head(), "Transfer-Encoding"), "chunked");
  EXPECT_EQ(c.read_until("hello\r\n"), "5\r\nhello\r\n");
  peer.send("2\r\n!!\r\n0\r\nX-T: dropped\r\n\r\n");
  EXPECT_EQ(c.read_until("0\r\n\r\n"), "2\r\n!!\r\n0\r\n\r\n");

  c.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(peer.read_head()), "GET /next HTTP/1.1");
}

TEST_F(HttpForward, AnswerOfUnknownLengthBecomesChunked) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\n\r\nsome");
  EXPECT_EQ(field(c.read_head(), "Transfer-Encoding"), "chunked");
  EXPECT_EQ(c.read_until("some\r\n"), "4\r\nsome\r\n");
  peer.send("more");
  EXPECT_EQ(c.read_until("more\r\n"), "4\r\nmore\r\n");
  peer.close();
  EXPECT_EQ(c.read(5), "0\r\n\r\n");
  warm_up(c);
}

TEST_F(HttpForward, OldClientGetsAnAnswerOfUnknownLengthUntilTheConnectionEnds) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  auto peer = backend.accept();
  const std::string request = peer.read_head();
  EXPECT_EQ(status_line(request), "GET / HTTP/1.1");
  EXPECT_EQ(field(request, "Host"), "127.0.0.1:" + std::to_string(backend.port()));
  EXPECT_EQ(field(request, "Via"), "1.0 twinstream");
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  const std::string answer = c.read_head();
  EXPECT_FALSE(has_field(answer, "Transfer-Encoding"));
  EXPECT_EQ(field(answer, "Connection"), "close");
  EXPECT_EQ(c.read_to_end(), "abc");
}

TEST_F(HttpForward, OldClientIsKeptOnlyWhenItAsks) {
  start();
  auto kept = client();
  kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(field(kept.read_head(), "Connection"), "keep-alive");
  EXPECT_EQ(kept.read(2), "ok");

  auto closed = client();
  closed.send("GET / HTTP/1.0\r\n\r\n");
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(field(closed.read_head(), "Connection"), "close");
  EXPECT_EQ(closed.read_to_end(), "ok");
}

TEST_F(HttpForward, ClientsWishToCloseIsHonoured) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  auto peer = backend.accept();
  EXPECT_FALSE(has_field(peer.read_head(), "Connection"));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(field(c.read_head(), "Connection"), "close");
  EXPECT_EQ(c.read_to_end(), "ok");
}

TEST_F(HttpForward, BackendsWishToCloseConcernsItsOwnConnectionOnly) {
  start();
  auto c = client();
  c.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  auto first = backend.accept();
  first.read_head();
  first.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_FALSE(has_field(c.read_head(), "Connection"));
  EXPECT_EQ(c.read(2), "ok");
  EXPECT_TRUE(first.ended());
  warm_up(c);
}

TEST_F(HttpForward, AnswersWithoutBodyEndWithTheirHead) {
  start();
  auto c = client();
  c.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(field(c.read_head(), "Content-Length"), "1000");

  c.send("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n");
  peer.read_head();
  peer.send("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(has_field(c.read_head(), "Content-Length"));

  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  peer.read_head();
  peer.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"1\"\r\n\r\n");
  const std::string unmodified = c.read_head();
  EXPECT_EQ(field(unmodified, "Content-Length"), "77");
  EXPECT_FALSE(has_field(unmodified, "Transfer-Encoding"));

  c.send("GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(peer.read_head()), "GET /after HTTP/1.1");
}

TEST_F(HttpForward, InterimAnswersPassToNewClientsAndNotToOldOnes) {
  start();
  auto c = client();
  c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const std::string hints = c.read_head();
  EXPECT_EQ(status_line(hints), "HTTP/1.1 103 Early Hints");
  EXPECT_EQ(field(hints, "Link"), "</a.css>");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 200 OK");
  EXPECT_EQ(c.read(2), "ok");

  auto old = client();
  old.send("GET / HTTP/1.0\r\n\r\n");
  peer.read_head();
  peer.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(status_line(old.read_head()), "HTTP/1.1 200 OK");
}

TEST_F(HttpForward, ExpectationIsSettledByTheBackend) {
  start();
  auto c = client();
  c.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  auto peer = backend.accept();
  EXPECT_EQ(field(peer.read_head(), "Expect"), "100-continue");
  peer.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(c.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
  c.send("body");
  EXPECT_EQ(peer.read(4), "body");
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 200 OK");
  c.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(peer.read_head()), "GET /next HTTP/1.1");
}

TEST_F(HttpForward, RefusedExpectationReachesTheClientBeforeItSendsItsBody) {
  start();
  auto c = client();
  c.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
  const std::string answer = c.read_head();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 401 Unauthorized");
  EXPECT_EQ(field(answer, "Connection"), "close");
  EXPECT_EQ(c.read_to_end(), "no");
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpForward, AnswerBeforeTheEndOfTheRequestReachesTheClient) {
  start();
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nfirst");
  auto peer = backend.accept();
  peer.read_head();
  EXPECT_EQ(peer.read(5), "first");
  peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
  const std::string answer = c.read_head();
  EXPECT_EQ(status_line(answer), "HTTP/1.1 413 Too Large");
  EXPECT_EQ(field(answer, "Connection"), "close");
  EXPECT_EQ(c.read(3), "big");
  c.send("the client goes on for a while");
  c.shutdown_send();
  EXPECT_EQ(c.read_to_end(), "");
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpForward, RequestAndAnswerCanFlowAtTheSameTime) {
  start();
  auto c = client();
  c.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  c.read_head();
  for (int i = 0; i < 3; ++i) {
    c.send("4\r\nping\r\n");
    EXPECT_EQ(peer.read_until("ping\r\n"), "4\r\nping\r\n");
    peer.send("4\r\npong\r\n");
    EXPECT_EQ(c.read_until("pong\r\n"), "4\r\npong\r\n");
  }
  c.send("0\r\n\r\n");
  EXPECT_EQ(peer.read_until("0\r\n\r\n"), "0\r\n\r\n");
  peer.send("0\r\n\r\n");
  EXPECT_EQ(c.read_to_end(), "0\r\n\r\n");
}

TEST_F(HttpForward, LargeRequestPassesInBoundedMemory) {
  start();
  const std::string block(megabyte, 'x');
  auto c = client();
  auto peer = warm_up(c);
  c.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(64 * megabyte) + "\r\n\r\n");
  peer.read_head();
  reset_peak();
  const std::size_t before = memory_of("VmRSS:");
  auto sending = std::async(std::launch::async, [&] { c.send_repeated(block, 64); });
  EXPECT_EQ(peer.skip(64 * megabyte), 64 * megabyte);
  sending.get();
  EXPECT_LT(memory_of("VmHWM:"), before + 16 * megabyte);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_line(c.read_head()), "HTTP/1.1 200 OK");
}

TEST_F(HttpForward, LargeAnswerPassesInBoundedMemory) {
  start();
  const std::string block(megabyte, 'x');
  auto c = client();
  auto peer = warm_up(c);
  c.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  peer.read_head();
  reset_peak();
  const std::size_t before = memory_of("VmRSS:");
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(64 * megabyte) + "\r\n\r\n");
  auto sending = std::async(std::launch::async, [&] { peer.send_repeated(block, 64); });
  c.read_head();
  EXPECT_EQ(c.skip(64 * megabyte), 64 * megabyte);
  sending.get();
  EXPECT_LT(memory_of("VmHWM:"), before + 16 * megabyte);
  EXPECT_TRUE(c.ended());
}

TEST_F(HttpForward, LargeBodiesArriveUnchangedInBothFramings) {
  start();
  std::string body;
  for (std::size_t i = 0; body.size() < 10 * megabyte; ++i) body += std::to_string(i * 2654435761u);
  auto c = client();
  c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  auto sending = std::async(std::launch::async, [&] { c.send(body); });
  auto peer = backend.accept();
  peer.read_head();
  EXPECT_TRUE(peer.read(body.size()) == body);
  sending.get();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  auto answering = std::async(std::launch::async, [&] {
    for (std::size_t at = 0; at < body.size(); at += 100'000) {
      const auto part = std::string_view(body).substr(at, 100'000);
      char size[20];
      std::snprintf(size, sizeof size, "%zx\r\n", part.size());
      peer.send(size);
      peer.send(part);
      peer.send("\r\n");
    }
    peer.send("0\r\n\r\n");
  });
  c.read_head();
  std::string got;
  for (;;) {
    const std::size_t size = std::stoul(c.read_until("\r\n"), nullptr, 16);
    got += c.read(size);
    c.read(2);
    if (size == 0) break;
  }
  answering.get();
  EXPECT_TRUE(got == body);
}

TEST_F(HttpForward, TwoThreadsServeOnOnePort) {
  listen.threads = 2;
  start();
  EXPECT_EQ(server->executors().size(), 2u);
  for (int i = 0; i < 16; ++i) {
    auto c = client();
    c.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    auto peer = backend.accept();
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    c.read_head();
    EXPECT_EQ(c.read_to_end(), "ok");
  }
}

}  // namespace
}  // namespace twinstream::http
