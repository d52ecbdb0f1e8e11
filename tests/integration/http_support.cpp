#include "tests/integration/http_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

namespace twinstream::http {
namespace {

constexpr timeval patience{10, 0};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

bool wait_readable(int descriptor, int milliseconds) {
  pollfd wanted{descriptor, POLLIN, 0};
  return ::poll(&wanted, 1, milliseconds) == 1;
}

}  // namespace

RawSocket::RawSocket(int descriptor) : descriptor_(descriptor) {
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

RawSocket::RawSocket(RawSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), received_(std::move(other.received_)) {}

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
  close();
  descriptor_ = std::exchange(other.descriptor_, -1);
  received_ = std::move(other.received_);
  return *this;
}

RawSocket::~RawSocket() { close(); }

RawSocket RawSocket::connect(std::uint16_t port) {
  RawSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (::connect(socket.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  return socket;
}

void RawSocket::send(std::string_view text) {
  while (!text.empty()) {
    const auto count = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) fail("send");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void RawSocket::send_repeated(std::string_view block, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) send(block);
}

std::size_t RawSocket::receive() {
  char block[16 * 1024];
  const auto count = ::recv(descriptor_, block, sizeof block, 0);
  if (count < 0) fail("receive after '" + received_.substr(0, 200) + "'");
  received_.append(block, static_cast<std::size_t>(count));
  return static_cast<std::size_t>(count);
}

std::string RawSocket::read_until(std::string_view end) {
  std::size_t found;
  while ((found = received_.find(end)) == std::string::npos) {
    if (receive() == 0) throw std::runtime_error("the peer closed after '" + received_ + "'");
  }
  std::string text = received_.substr(0, found + end.size());
  received_.erase(0, text.size());
  return text;
}

std::string RawSocket::read(std::size_t count) {
  while (received_.size() < count) {
    if (receive() == 0) throw std::runtime_error("the peer closed after '" + received_ + "'");
  }
  std::string text = received_.substr(0, count);
  received_.erase(0, count);
  return text;
}

std::size_t RawSocket::skip(std::size_t count) {
  std::size_t skipped = 0;
  for (;;) {
    const std::size_t now = std::min(count - skipped, received_.size());
    received_.erase(0, now);
    skipped += now;
    if (skipped == count || receive() == 0) return skipped;
  }
}

std::string RawSocket::read_to_end() {
  while (receive() > 0) {
  }
  return std::exchange(received_, {});
}

bool RawSocket::ended() {
  if (!received_.empty()) return false;
  char byte;
  const auto count = ::recv(descriptor_, &byte, 1, 0);
  if (count > 0) received_ += byte;
  if (count < 0 && errno != ECONNRESET) fail("wait for the end");
  return count <= 0;
}

bool RawSocket::was_reset() {
  char block[16 * 1024];
  for (;;) {
    const auto count = ::recv(descriptor_, block, sizeof block, 0);
    if (count < 0 && errno != ECONNRESET) fail("wait for the end");
    if (count <= 0) return count < 0;
  }
}

void RawSocket::shutdown_send() { ::shutdown(descriptor_, SHUT_WR); }

void RawSocket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void RawSocket::abort() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

RawListener::RawListener() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(descriptor_, 64) != 0) fail("listen");
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() { close(); }

RawSocket RawListener::accept() {
  if (!wait_readable(descriptor_, 10'000)) throw std::runtime_error("nobody connected to the backend");
  const int descriptor = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
  if (descriptor < 0) fail("accept");
  return RawSocket(descriptor);
}

bool RawListener::has_waiting() const { return wait_readable(descriptor_, 0); }

void RawListener::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

HttpTest::HttpTest() {
  listen.address = {"127.0.0.1", 0};
  listen.threads = 1;
  upstream.emplace();
  upstream->address = {"127.0.0.1", backend.port()};
}

void HttpTest::start() {
  server = std::make_unique<Server>(listen, upstream, decide, metrics);
  const auto started = server->start();
  ASSERT_TRUE(started.ok()) << started.failure().reason;
}

RawSocket HttpTest::warm_up(RawSocket& client) {
  client.send("GET /warm-up HTTP/1.1\r\nHost: shop\r\n\r\n");
  RawSocket peer = backend.accept();
  peer.read_head();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwarm");
  client.read_until("warm");
  return peer;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string field(const std::string& head, const std::string& name) {
  std::vector<std::string> values;
  const std::string lower = lower_case(head), wanted = "\r\n" + lower_case(name) + ": ";
  for (auto at = lower.find(wanted); at != std::string::npos; at = lower.find(wanted, at + 1)) {
    const auto from = at + wanted.size();
    values.push_back(head.substr(from, head.find("\r\n", from) - from));
  }
  std::string joined;
  for (const auto& value : values) joined += (joined.empty() ? "" : "|") + value;
  return joined;
}

bool has_field(const std::string& head, const std::string& name) {
  return lower_case(head).find("\r\n" + lower_case(name) + ":") != std::string::npos;
}

std::string status_line(const std::string& head) { return head.substr(0, head.find("\r\n")); }

}  // namespace twinstream::http
