#include "proxy/grpc/server.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <mutex>

#include "proxy/core/log.h"
#include "proxy/grpc/authentication.h"
#include "proxy/grpc/batch_append_service.h"

namespace twinstream {
namespace {

using door::Door;

constexpr int largest_request = 16 * 1024 * 1024 - 10'000;

/// gRPC would write to standard error by itself, in a form of its own.
void quieten_grpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args* line) { log::debug("grpc", {{"message", line->message}}); });
  });
}

std::string authority(const std::string& host, std::uint16_t port) {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

/// gRPC does not say why it could not listen.
std::string reason_not_to_listen(const EventStoreServerOptions& options) {
  namespace ip = boost::asio::ip;
  boost::asio::io_context context;
  boost::system::error_code error;
  const auto found =
      ip::tcp::resolver(context).resolve(options.host, std::to_string(options.port), ip::tcp::resolver::passive, error);
  if (error) return error.message();
  ip::tcp::acceptor acceptor(context);
  acceptor.open(found.begin()->endpoint().protocol(), error);
  if (!error) acceptor.bind(found.begin()->endpoint(), error);
  return error ? error.message() : "gRPC refused the address";
}

void configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(largest_request);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 2'048);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Clients ping every 10 seconds, with calls and without: never send them away for it.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

Result<std::shared_ptr<grpc::ServerCredentials>> credentials_for(const EventStoreServerOptions& options) {
  if (options.tls) return door::server_credentials(*options.tls, options.users);
  if (!options.users) return grpc::InsecureServerCredentials();
  return Failure{FailureCode::rejected, "users need TLS: passwords would cross the network for all to read", {}};
}

class Server final : public EventStoreServer {
 public:
  Server(EventLog& log, boost::asio::any_io_executor executor, const EventStoreServerOptions& options)
      : door_{log,
              std::move(executor),
              door::Node(options.cluster),
              {},
              {},
              options.group_state ? *options.group_state : log,
              options.group_prefix,
              options.users,
              options.maintenance,
              options.stop} {}
  ~Server() override { shutdown(std::chrono::milliseconds(0)); }

  std::optional<Failure> listen(const EventStoreServerOptions& options) {
    quieten_grpc();
    const auto credentials = credentials_for(options);
    if (!credentials.ok()) return credentials.failure();
    grpc::ServerBuilder builder;
    configure(builder);
    int bound = 0;
    const std::string address = authority(options.host, options.port);
    builder.AddListeningPort(address, *credentials, &bound);
    for (const auto& service : services_) builder.RegisterService(service.get());
    builder.RegisterService(&batch_appends_);
    auto queue = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (!server_ || bound == 0) {
      return Failure{
          FailureCode::unavailable, "cannot listen on " + address + ": " + reason_not_to_listen(options), {}};
    }
    auto& accepting = *queue;
    completions_ = std::make_unique<CompletionThread>(std::move(queue));
    batch_appends_.accept(*completions_, accepting);
    port_ = static_cast<std::uint16_t>(bound);
    door_.node.advertise(options.advertise_host.empty() ? options.host : options.advertise_host,
                         options.advertise_port == 0 ? port_ : options.advertise_port);
    return std::nullopt;
  }

  std::uint16_t port() const override { return port_; }

  void shutdown(std::chrono::milliseconds grace) override {
    if (!server_ || stopped_) return;
    stopped_ = true;
    door_.calls.stop_all();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    door_.tasks.wait();
  }

 private:
  Door door_;
  std::vector<std::unique_ptr<grpc::Service>> services_ = door::make_services(door_);
  door::BatchAppendService batch_appends_{door_};
  std::unique_ptr<CompletionThread> completions_;
  std::unique_ptr<grpc::Server> server_;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<EventStoreServer>> EventStoreServer::start(EventLog& log, boost::asio::any_io_executor executor,
                                                                  EventStoreServerOptions options) {
  auto server = std::make_unique<Server>(log, std::move(executor), options);
  if (auto failure = server->listen(options)) return std::move(*failure);
  return std::unique_ptr<EventStoreServer>(std::move(server));
}

}  // namespace twinstream
