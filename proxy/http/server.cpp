#include "proxy/http/server.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <mutex>
#include <thread>

#include "proxy/core/log.h"
#include "proxy/http/session.h"

namespace twinstream::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// After the cut, what is still there only has to notice that its sockets are gone.
constexpr std::chrono::seconds cut_time{1};
/// Between two tries when the process has no file descriptor left.
constexpr std::chrono::milliseconds accept_pause{100};

using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;

std::string describe(const Endpoint& address) { return address.host + ":" + std::to_string(address.port); }

std::string remote_address(const Socket& socket) {
  ErrorCode error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return {};
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address.to_string();
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
}

tcp::endpoint resolve(const Endpoint& address, ErrorCode& error) {
  const auto literal = asio::ip::make_address(address.host, error);
  if (!error) return {literal, address.port};
  asio::io_context context;
  const auto found =
      tcp::resolver(context).resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  return error || found.empty() ? tcp::endpoint() : found.begin()->endpoint();
}

/// Our own threads share the port, and the kernel would let another process share it too: without this look, a second
/// server on the same port would silently take a part of the connections.
void check_unused(const tcp::endpoint& endpoint, ErrorCode& error) {
  asio::io_context context;
  tcp::acceptor probe(context);
  probe.open(endpoint.protocol(), error);
  if (error) return;
  probe.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return;
  probe.bind(endpoint, error);
}

void open_acceptor(Acceptor& acceptor, const tcp::endpoint& endpoint, ErrorCode& error) {
  acceptor.open(endpoint.protocol(), error);
  if (error) return;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return;
  const int on = 1;
  if (::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    error.assign(errno, boost::system::system_category());
    return;
  }
  acceptor.bind(endpoint, error);
  if (error) return;
  acceptor.listen(asio::socket_base::max_listen_connections, error);
}

}  // namespace

struct Server::Shared {
  const ListenConfig listen;
  const std::optional<BackendConfig> backend;
  const Decide decide;
  Metrics& metrics;
  std::atomic<std::size_t> connections{0};
};

class Server::IoThread {
 public:
  explicit IoThread(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)),
        context_(std::make_unique<asio::io_context>(1)),
        acceptor_(std::make_unique<Acceptor>(context_->get_executor())),
        sessions_{shared_->listen, shared_->decide, shared_->metrics, nullptr, false, 0, {}, {}} {
    sessions_.on_session_end = [this] { session_ended(); };
    if (!shared_->backend) return;
    pool_ = std::make_unique<BackendPool>(context_->get_executor(), *shared_->backend, shared_->listen.max_body_bytes,
                                          shared_->metrics);
    sessions_.pool = pool_.get();
  }

  /// The thread must have ended. What coroutines hold goes with the context, and may still use the members.
  ~IoThread() {
    acceptor_.reset();
    if (pool_) pool_->close();
    context_.reset();
  }

  std::uint16_t listen(const tcp::endpoint& endpoint, ErrorCode& error) {
    open_acceptor(*acceptor_, endpoint, error);
    return error ? 0 : acceptor_->local_endpoint(error).port();
  }

  void start() {
    asio::co_spawn(context_->get_executor(), accept(), asio::detached);
    thread_ = std::thread([this] {
      if (pool_) pool_->serve_this_thread();
      context_->run();
      ended_.set_value();
    });
  }

  asio::any_io_executor executor() const { return context_->get_executor(); }

  void begin_drain() {
    asio::post(*context_, [this] { drain(); });
  }

  void begin_cut() {
    asio::post(*context_, [this] {
      for (Session* session : sessions_.sessions) session->cut();
      if (pool_) pool_->cut();
    });
  }

  bool wait(Steady::time_point until) {
    return !thread_.joinable() || ended_future_.wait_until(until) == std::future_status::ready;
  }

  /// True if a handler still waits for a foreign thread, which will use the context.
  bool join() {
    context_->stop();
    if (thread_.joinable()) thread_.join();
    abandoned_ = sessions_.handlers_running > 0;
    for (Session* session : sessions_.sessions) session->cut();
    return abandoned_;
  }

 private:
  Awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_->async_accept(use_tuple);
      if (error == asio::error::operation_aborted || sessions_.draining) co_return;
      if (!error) {
        admit(std::move(socket));
      } else if (error != asio::error::connection_aborted) {
        log::error("cannot accept a connection", {{"error", error.message()}});
        SteadyTimer pause(context_->get_executor(), accept_pause);
        co_await pause.async_wait(use_tuple);
      }
    }
  }

  void admit(Socket socket) {
    if (shared_->connections.fetch_add(1) >= shared_->listen.max_connections) {
      shared_->connections.fetch_sub(1);
      turn_away(std::move(socket));
      return;
    }
    shared_->metrics.count("twinstream_http_connections", {}, 1);
    const std::string address = remote_address(socket);
    auto session = std::make_unique<Session>(sessions_, std::move(socket), address);
    asio::co_spawn(context_->get_executor(), Session::run(std::move(session)), asio::detached);
  }

  static void turn_away(Socket socket) {
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    ErrorCode ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(answer), ignored);
    socket.shutdown(Socket::shutdown_send, ignored);
  }

  void session_ended() {
    if (abandoned_) return;
    shared_->connections.fetch_sub(1);
    shared_->metrics.count("twinstream_http_connections", {}, -1);
    finish_if_drained();
  }

  void drain() {
    sessions_.draining = true;
    ErrorCode ignored;
    acceptor_->close(ignored);
    for (Session* session : sessions_.sessions) session->drain();
    finish_if_drained();
  }

  /// Without pooled connections nothing keeps the loop alive.
  void finish_if_drained() {
    if (sessions_.draining && sessions_.sessions.empty() && pool_) pool_->close();
  }

  const std::shared_ptr<Shared> shared_;
  std::unique_ptr<asio::io_context> context_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<BackendPool> pool_;
  SessionContext sessions_;
  std::promise<void> ended_;
  std::future<void> ended_future_ = ended_.get_future();
  std::thread thread_;
  bool abandoned_ = false;
};

Server::Server(ListenConfig listen, std::optional<BackendConfig> backend, Decide decide, Metrics& metrics)
    : shared_(std::make_shared<Shared>(std::move(listen), std::move(backend), std::move(decide), metrics)) {}

/// A foreign thread will come back to its context, at a time that nobody knows.
void Server::keep_for_ever(std::unique_ptr<IoThread> thread) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::unique_ptr<IoThread>>;
  std::lock_guard lock(mutex);
  kept->push_back(std::move(thread));
}

Server::~Server() { stop(std::chrono::milliseconds(0)); }

Result<Done> Server::start() {
  const Endpoint& address = shared_->listen.address;
  ErrorCode error;
  tcp::endpoint endpoint = resolve(address, error);
  if (!error && endpoint.port() != 0) check_unused(endpoint, error);
  const unsigned wanted = shared_->listen.threads;
  const unsigned count = wanted > 0 ? wanted : std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count && !error; ++i) {
    threads_.push_back(std::make_unique<IoThread>(shared_));
    endpoint.port(threads_.back()->listen(endpoint, error));
  }
  if (error) {
    threads_.clear();
    return Failure{FailureCode::unavailable,
                   "cannot listen on " + describe(address) + ": " + error.message() +
                       "; choose another `listen` address or stop the program that uses this one",
                   {}};
  }
  port_ = endpoint.port();
  for (const auto& thread : threads_) thread->start();
  return Done{};
}

std::uint16_t Server::port() const { return port_; }

std::vector<asio::any_io_executor> Server::executors() const {
  std::vector<asio::any_io_executor> result;
  for (const auto& thread : threads_) result.push_back(thread->executor());
  return result;
}

void Server::stop(std::chrono::milliseconds drain_timeout) {
  for (const auto& thread : threads_) thread->begin_drain();
  const auto until = Steady::now() + drain_timeout;
  bool all_ended = true;
  for (const auto& thread : threads_) all_ended = thread->wait(until) && all_ended;
  if (!all_ended) {
    for (const auto& thread : threads_) thread->begin_cut();
    for (const auto& thread : threads_) thread->wait(until + cut_time);
  }
  for (auto& thread : threads_) {
    if (!thread->join()) continue;
    log::warning("requests were still being handled when the server stopped");
    keep_for_ever(std::move(thread));
  }
  threads_.clear();
}

}  // namespace twinstream::http
