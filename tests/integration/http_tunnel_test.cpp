#include "tests/integration/http_support.h"

// Connections that change their protocol, as WebSocket does.

namespace twinstream::http {
namespace {

using std::chrono::milliseconds;

class HttpTunnel : public HttpTest {
 protected:
  static constexpr std::string_view request =
      "GET /socket HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  static constexpr std::string_view agreement =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

  /// A tunnel in use.
  std::pair<RawSocket, RawSocket> open() {
    auto c = client();
    c.send(request);
    auto peer = backend.accept();
    peer.read_head();
    peer.send(agreement);
    c.read_head();
    return {std::move(c), std::move(peer)};
  }
};

TEST_F(HttpTunnel, UpgradePassesAndThenBytesGoBothWays) {
  start();
  auto c = client();
  c.send(request);
  auto peer = backend.accept();
  const std::string asked = peer.read_head();
  EXPECT_EQ(field(asked, "Connection"), "upgrade");
  EXPECT_EQ(field(asked, "Upgrade"), "websocket");
  EXPECT_EQ(field(asked, "Sec-WebSocket-Key"), "dGhlIHNhbXBsZSBub25jZQ==");
  peer.send(std::string(agreement) + "first");
  const std::string agreed = c.read_head();
  EXPECT_EQ(status_line(agreed), "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(field(agreed, "Connection"), "upgrade");
  EXPECT_EQ(field(agreed, "Upgrade"), "websocket");
  EXPECT_EQ(field(agreed, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(c.read(5), "first");
  c.send(std::string_view("\x81\x00\xff raw", 7));
  EXPECT_EQ(peer.read(7), std::string_view("\x81\x00\xff raw", 7));
  peer.send("back");
  EXPECT_EQ(c.read(4), "back");
}

TEST_F(HttpTunnel, BytesSentAheadOfTheAgreementAreNotLost) {
  start();
  auto c = client();
  c.send(std::string(request) + "eager");
  auto peer = backend.accept();
  peer.read_head();
  peer.send(agreement);
  EXPECT_EQ(peer.read(5), "eager");
}

TEST_F(HttpTunnel, EndOfOneSideIsPassedOnWhileTheOtherGoesOn) {
  start();
  auto [c, peer] = open();
  c.shutdown_send();
  EXPECT_EQ(peer.read_to_end(), "");
  peer.send("last words");
  peer.close();
  EXPECT_EQ(c.read_to_end(), "last words");
}

TEST_F(HttpTunnel, ResetOfOneSideEndsTheOther) {
  start();
  auto [c, peer] = open();
  peer.abort();
  EXPECT_TRUE(c.ended());
}

TEST_F(HttpTunnel, IdleTunnelIsClosed) {
  listen.idle_timeout = milliseconds(50);
  start();
  auto [c, peer] = open();
  EXPECT_TRUE(c.ended());
  EXPECT_TRUE(peer.ended());
}

TEST_F(HttpTunnel, RefusedUpgradeIsAnOrdinaryAnswer) {
  start();
  auto c = client();
  c.send(request);
  auto peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno");
  const std::string head = c.read_head();
  EXPECT_EQ(status_line(head), "HTTP/1.1 426 Upgrade Required");
  EXPECT_EQ(field(head, "Upgrade"), "other");
  EXPECT_EQ(c.read(2), "no");
  c.send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_line(peer.read_head()), "GET /next HTTP/1.1");
}

TEST_F(HttpTunnel, UpgradeToHttp2IsNotOffered) {
  start();
  auto c = client();
  c.send(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n");
  const std::string asked = backend.accept().read_head();
  EXPECT_FALSE(has_field(asked, "Upgrade"));
  EXPECT_FALSE(has_field(asked, "HTTP2-Settings"));
}

}  // namespace
}  // namespace twinstream::http
