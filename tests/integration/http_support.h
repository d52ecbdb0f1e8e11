#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/core/metrics.h"
#include "proxy/http/server.h"

namespace twinstream::http {

/// A blocking TCP peer that says exactly the bytes it is told to. A wait of ten seconds throws.
class RawSocket {
 public:
  explicit RawSocket(int descriptor);
  RawSocket(RawSocket&& other) noexcept;
  RawSocket& operator=(RawSocket&& other) noexcept;
  ~RawSocket();
  static RawSocket connect(std::uint16_t port);

  void send(std::string_view text);
  void send_repeated(std::string_view block, std::size_t times);
  std::string read_until(std::string_view end);  ///< including it; throws when the peer ends before
  std::string read_head() { return read_until("\r\n\r\n"); }
  std::string read(std::size_t count);
  std::size_t skip(std::size_t count);  ///< reads without keeping; fewer when the peer ends
  std::string read_to_end();            ///< until the peer closes; throws on a reset
  bool ended();                         ///< waits for the peer to close or reset; false when it sends something
  bool was_reset();                     ///< reads on; whether the connection ends with a reset

  void shutdown_send();
  void close();
  void abort();  ///< closes with a reset

 private:
  std::size_t receive();  ///< 0: the peer closed

  int descriptor_;
  std::string received_;
};

class RawListener {
 public:
  RawListener();
  ~RawListener();
  std::uint16_t port() const { return port_; }
  RawSocket accept();
  bool has_waiting() const;  ///< a connection that was not accepted yet
  void close();

 private:
  int descriptor_;
  std::uint16_t port_;
};

/// A server in front of a scripted backend. Change the settings, then start().
class HttpTest : public testing::Test {
 protected:
  HttpTest();

  void start();
  RawSocket client() { return RawSocket::connect(server->port()); }
  /// One GET answered 200 on a new backend connection, which is kept by the proxy afterwards.
  RawSocket warm_up(RawSocket& client);

  Metrics metrics;
  RawListener backend;
  ListenConfig listen;
  std::optional<BackendConfig> upstream;
  Decide decide = [](const Request&) { return Decision{}; };
  std::unique_ptr<Server> server;
};

std::string lower_case(std::string text);
/// The value of the field in this head, names compared without case; several are joined with `|`.
std::string field(const std::string& head, const std::string& name);
bool has_field(const std::string& head, const std::string& name);
std::string status_line(const std::string& head);

}  // namespace twinstream::http
