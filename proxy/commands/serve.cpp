#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "adapters/postgres/serve_lock.h"
#include "config/explain.h"
#include "config/watch.h"
#include "proxy/admin/admin.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/door.h"
#include "proxy/commands/engine_thread.h"
#include "proxy/commands/stores.h"
#include "proxy/commands/workers.h"
#include "proxy/core/log.h"
#include "proxy/http/router.h"
#include "proxy/http/server.h"
#include "proxy/http/upstream.h"

namespace twinstream {
namespace {

constexpr std::chrono::seconds lock_look{1};
constexpr std::chrono::seconds engine_close_limit{10};
constexpr unsigned grpc_threads = 2;

std::string errors_text(const std::vector<ConfigError>& errors) {
  std::string text;
  for (const ConfigError& error : errors) text += (text.empty() ? "" : "\n") + to_string(error);
  return text;
}

/// Everything that `serve` puts together; the order of members is the order of construction.
class Service {
 public:
  Service(std::string path, Config config, OpenStores stores, std::unique_ptr<ServeLock> lock)
      : path_(std::move(path)),
        config_(std::move(config)),
        stores_(std::move(stores)),
        lock_(std::move(lock)),
        engine_({thread_.executor(), clock_, system_random(), *stores_.postgres, *stores_.eventstore, *stores_.control,
                 metrics_}),
        router_({engine_, config_.backend ? &upstream_ : nullptr, metrics_}),
        admin_(thread_.executor(), engine_, metrics_, clock_, config_state_) {}

  Result<Done> start() {
    auto loaded = router_.load(config_);
    if (!loaded) return loaded;
    config_state_.loaded(clock_.now());
    auto opened = thread_.wait_for(engine_.open(config_, true));
    if (!opened) return opened;
    server_ = std::make_unique<http::Server>(
        config_.listen, config_.backend, [this](const http::Request& head) { return router_.decide(head); }, metrics_);
    auto started = server_->start();
    if (!started) return started;
    if (config_.grpc) started = start_grpc(*config_.grpc);
    if (started) started = start_admin();
    if (started) tell_addresses();
    return started;
  }

  /// Until a signal asks to stop; answers the exit status.
  int run() {
    boost::asio::io_context main(1);
    boost::asio::signal_set ending(main, SIGINT, SIGTERM);
    boost::asio::signal_set reloading(main, SIGHUP);
    ConfigWatcher watcher(main.get_executor(), path_, [this](LoadResult result) { reload(std::move(result)); });
    std::function<void(boost::system::error_code, int)> on_hangup = [&](boost::system::error_code error, int) {
      if (error) return;
      watcher.reload();
      reloading.async_wait(on_hangup);
    };
    reloading.async_wait(on_hangup);
    boost::asio::steady_timer lock_timer(main);
    watch_lock(lock_timer, main);
    ending.async_wait([&](boost::system::error_code, int) { main.stop(); });
    main.run();
    return stop();
  }

 private:
  Result<Done> start_grpc(const GrpcConfig& grpc) {
    const Endpoint advertise = grpc.advertise.value_or(Endpoint{});
    workers_ = std::make_unique<Workers>(grpc_threads);
    // PostgreSQL has no place for the state of persistent subscriptions. System streams: nobody mirrors or checks them.
    EventStoreServerOptions options{grpc.listen.host, grpc.listen.port,         advertise.host,
                                    advertise.port,   stores_.eventstore.get(), "$twinstream-"};
    auto users = secure_door(grpc.security, "twinstream user", options);
    if (!users) return users.failure();
    users_ = std::move(*users);
    auto server = EventStoreServer::start(engine_.log(), workers_->executor(), std::move(options));
    if (!server) return server.failure();
    grpc_server_ = std::move(*server);
    return Done{};
  }

  Result<Done> start_admin() {
    if (!config_.admin) return Done{};
    ListenConfig listen;
    listen.address = *config_.admin;
    listen.threads = 1;
    listen.max_connections = 64;
    admin_server_ = std::make_unique<http::Server>(
        listen, std::nullopt, [this](const http::Request& head) { return admin_.decide(head); }, metrics_);
    return admin_server_->start();
  }

  void tell_addresses() {
    const auto text = [](const Endpoint& listen, std::uint16_t port) { return listen.host + ":" + std::to_string(port); };
    std::string line = "proxy on " + text(config_.listen.address, server_->port());
    line += ", admin on " + (admin_server_ ? text(*config_.admin, admin_server_->port()) : std::string("off"));
    if (grpc_server_) line += ", gRPC on " + text(config_.grpc->listen, grpc_server_->port());
    std::printf("twinstream serve: %s\n", line.c_str());
    std::fflush(stdout);
  }

  /// A file with errors, or one that the phases in force do not allow, changes nothing.
  void reload(LoadResult result) {
    if (const auto* errors = std::get_if<std::vector<ConfigError>>(&result)) {
      refuse_reload(errors_text(*errors));
      return;
    }
    Config next = std::get<Config>(std::move(result));
    auto applied = router_.load(next);
    if (applied) {
      applied = thread_.wait_for(apply(next));
      if (!applied) (void)router_.load(config_);
    }
    if (!applied) {
      refuse_reload(path_ + ": " + applied.failure().reason);
      return;
    }
    for (const std::string& field : restart_needed(config_, next)) {
      log::warning("this change of the configuration needs a restart", {{"field", field}});
    }
    for (const FieldProblem& problem : door_file_problems(next)) {
      log::warning("a restart would fail", {{"field", problem.field}, {"reason", problem.text}});
    }
    config_.categories = next.categories;
    config_.routes = next.routes;
    config_state_.loaded(clock_.now());
    metrics_.count("twinstream_config_loads_total", {{"result", "ok"}});
    metrics_.gauge("twinstream_config_timestamp_seconds",
                   std::chrono::duration<double>(clock_.now().time_since_epoch()).count());
    log::info("configuration taken over", {{"file", path_}});
  }

  void refuse_reload(std::string errors) {
    log::error("the new configuration is not taken over, the old one stays", {{"errors", errors}});
    metrics_.count("twinstream_config_loads_total", {{"result", "refused"}});
    config_state_.failed(std::move(errors));
  }

  Awaitable<Result<Done>> apply(Config config) { co_return engine_.apply(config); }

  /// The lock ends with its session, for example when PostgreSQL restarts. It is taken again; when another process was
  /// faster, this one must not go on.
  void watch_lock(boost::asio::steady_timer& timer, boost::asio::io_context& main) {
    timer.expires_after(lock_look);
    timer.async_wait([&](boost::system::error_code error) {
      if (error) return;
      if (!lock_->held() && !retake_lock()) {
        main.stop();
        return;
      }
      watch_lock(timer, main);
    });
  }

  bool retake_lock() {
    auto lock = ServeLock::acquire(config_.postgres, std::chrono::milliseconds(0));
    if (lock) {
      lock_ = std::move(*lock);
      log::info("the serve lock was lost and is taken again");
    } else if (lock.failed_with(FailureCode::rejected)) {
      log::error("another process serves now: stopping", {{"reason", lock.failure().reason}});
      lost_lock_ = true;
    }
    return !lost_lock_;
  }

  int stop() {
    log::info("stopping: requests under way are finished first");
    server_->stop(config_.listen.drain_timeout);
    if (grpc_server_) grpc_server_->shutdown(config_.listen.drain_timeout);
    thread_.wait_for(close_engine());
    if (admin_server_) admin_server_->stop(std::chrono::milliseconds(500));
    thread_.stop();
    log::info("stopped");
    return lost_lock_ ? 1 : 0;
  }

  Awaitable<Done> close_engine() {
    co_await engine_.close(engine_close_limit);
    co_return Done{};
  }

  std::string path_;
  Config config_;
  SystemClock clock_;
  Metrics metrics_;
  OpenStores stores_;
  std::unique_ptr<ServeLock> lock_;
  EngineThread thread_;
  Engine engine_;
  http::PooledUpstream upstream_;
  http::Router router_;
  ConfigState config_state_;
  Admin admin_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Server> admin_server_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<UserFile> users_;
  std::unique_ptr<EventStoreServer> grpc_server_;
  bool lost_lock_ = false;
};

int complain(const Failure& failure) {
  std::fprintf(stderr, "twinstream serve: %s\n", failure.reason.c_str());
  return 1;
}

}  // namespace

int run_serve(const std::string& path) {
  auto config = load_or_complain(path, door_file_problems);
  if (!config) return 2;
  auto stores = open_stores(*config);
  if (!stores) return complain(stores.failure());
  auto lock = ServeLock::acquire(config->postgres);
  if (!lock) return complain(lock.failure());
  Service service(path, *config, std::move(*stores), std::move(*lock));
  if (auto started = service.start(); !started) return complain(started.failure());
  const int status = service.run();
  std::fflush(nullptr);
  // What still waits inside is left where it is: everything acknowledged is durable, and a crash at any moment has to
  // be harmless anyway.
  std::_Exit(status);
}

}  // namespace twinstream
