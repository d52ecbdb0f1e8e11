#include <boost/asio/executor_work_guard.hpp>
#include <filesystem>
#include <thread>

#include "adapters/embedded/embedded_log.h"
#include "adapters/eventstore/eventstore_log.h"
#include "proxy/grpc/server.h"
#include "tests/contract/event_log_contract.h"

// The gRPC client against the gRPC server, over real sockets.

namespace twinstream::contract {
namespace {

template <class T>
T must(Result<T> result) {
  if (result.ok()) return std::move(*result);
  std::cerr << result.failure().reason << '\n';
  std::abort();
}

/// The embedded server in a directory of its own, shared by all tests of the process.
class Server {
 public:
  static Server& shared() {
    static Server server;
    return server;
  }

  std::string url() const { return "esdb://127.0.0.1:" + std::to_string(server_->port()) + "?tls=false"; }

 private:
  Server()
      : directory_(std::filesystem::temp_directory_path() / ("twinstream-" + EventId::random().to_string())),
        log_(must(EmbeddedLog::open(directory_))),
        work_(boost::asio::make_work_guard(context_)),
        thread_([this] { context_.run(); }),
        server_(must(EventStoreServer::start(*log_, context_.get_executor(), {}))) {}

  ~Server() {
    server_.reset();
    work_.reset();
    thread_.join();
    log_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  const std::filesystem::path directory_;
  std::unique_ptr<EmbeddedLog> log_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
  std::unique_ptr<EventStoreServer> server_;
};

class EventStoreFixture final : public LogFixture {
 public:
  EventLog& log() override { return *log_; }

  Abilities abilities() const override {
    Abilities abilities;
    abilities.sees_hidden = false;  // the protocol has no way to read them
    abilities.plain_metadata = false;
    abilities.checks = false;
    return abilities;
  }

 private:
  std::unique_ptr<EventStoreLog> log_ = must(EventStoreLog::open(EventStoreConfig{.url = Server::shared().url()}));
};

INSTANTIATE_TEST_SUITE_P(EventStore, EventLogContract,
                         ::testing::Values(LogUnderTest{"eventstore",
                                                        [] { return std::make_unique<EventStoreFixture>(); }}),
                         log_name);

}  // namespace
}  // namespace twinstream::contract
