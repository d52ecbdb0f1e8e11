#include <array>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "tests/integration/eventstore_support.h"

// A peer that is gone without a word: nothing closes the connection, and nothing comes through it any more.

namespace twinstream::testing {
namespace {

using boost::asio::ip::tcp;

/// Stands between a client and a server, and lets connections fall silent.
class Network {
 public:
  explicit Network(int port) : server_(boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)) {
    boost::asio::co_spawn(io_, accept(), boost::asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Network() {
    io_.stop();
    thread_.join();
  }

  std::string url(const std::string& query) const {
    return "esdb://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "?tls=false&" + query;
  }

  /// Those that there are now: they stay open, and not a byte passes in either direction. Later ones are as usual.
  void silence() {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      ++generation_;
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  using Socket = std::shared_ptr<tcp::socket>;

  Awaitable<void> accept() {
    for (;;) {
      auto client = std::make_shared<tcp::socket>(co_await acceptor_.async_accept(boost::asio::use_awaitable));
      auto server = std::make_shared<tcp::socket>(io_);
      co_await server->async_connect(server_, boost::asio::use_awaitable);
      boost::asio::co_spawn(io_, carry(client, server, generation_), boost::asio::detached);
      boost::asio::co_spawn(io_, carry(server, client, generation_), boost::asio::detached);
    }
  }

  Awaitable<void> carry(Socket from, Socket to, int generation) {
    std::array<char, 4096> bytes{};
    for (;;) {
      const std::size_t count = co_await from->async_read_some(boost::asio::buffer(bytes), boost::asio::use_awaitable);
      if (generation != generation_) continue;
      co_await boost::asio::async_write(*to, boost::asio::buffer(bytes, count), boost::asio::use_awaitable);
    }
  }

  boost::asio::io_context io_{1};
  tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  const tcp::endpoint server_;
  int generation_ = 0;
  std::thread thread_;
};

// Nothing else would tell: a subscription sends nothing, has no deadline, and its server owes it nothing.
TEST(EventStoreKeepAlive, ASubscriptionWhosePeerHasFallenSilentGoesOnOverAnotherConnection) {
  FakeEventStore server;
  Network network(server.port());
  Caller caller;
  const auto log = open_log(network.url("keepAliveInterval=100&keepAliveTimeout=200"), std::chrono::seconds(20));
  server.write("s");
  const auto subscription = log->subscribe_all(Position::start());
  ASSERT_EQ(next_events(caller, *subscription, 1).size(), 1u);
  network.silence();
  server.write("s");
  const auto events = next_events(caller, *subscription, 1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events.front().revision, 1u);
  EXPECT_EQ(server.count("Subscribe"), 2u);
}

}  // namespace
}  // namespace twinstream::testing
