#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>

#include "adapters/embedded/embedded_log.h"
#include "config/values.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/door.h"
#include "proxy/commands/workers.h"

namespace twinstream {
namespace {

constexpr std::chrono::seconds shutdown_grace{5};
constexpr std::size_t largest_append_limit = 256 * 1024 * 1024;  // EventStore's own since 25.1

int complain(const std::string& reason) {
  std::fprintf(stderr, "twinstream sink: %s\n", reason.c_str());
  return 1;
}

Result<EventStoreServerOptions> server_options(const SinkCommand& command) {
  Endpoint listen;
  Endpoint advertise;
  if (const auto problem = parse_endpoint(command.listen, listen)) {
    return Failure{FailureCode::rejected, "--listen " + command.listen + ": it " + *problem, {}};
  }
  if (!command.advertise.empty()) {
    if (const auto problem = parse_endpoint(command.advertise, advertise)) {
      return Failure{FailureCode::rejected, "--advertise " + command.advertise + ": it " + *problem, {}};
    }
  }
  if (is_open_to_all(listen.host, command.security)) {
    return Failure{FailureCode::rejected,
                   "--listen " + command.listen +
                       " is reachable from other machines, without encryption or "
                       "passwords: add --tls-cert, --tls-key and --users, or --insecure if that is meant",
                   {}};
  }
  EventStoreServerOptions options;
  options.host = listen.host;
  options.port = listen.port;
  options.advertise_host = advertise.host;
  options.advertise_port = advertise.port;
  return options;
}

std::string authority(const std::string& host, std::uint16_t port) {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

int run_sink(const SinkCommand& command) {
  // Before any thread is started and any line is printed: a signal that comes early must not be lost.
  boost::asio::io_context main_thread;
  boost::asio::signal_set signals(main_thread, SIGINT, SIGTERM);
  signals.async_wait([](auto, int) {});

  auto options = server_options(command);
  if (!options.ok()) return complain(options.failure().reason);
  EmbeddedLogOptions log_options;
  if (command.max_append_size > largest_append_limit) return complain("--max-append-size: the most is 256 MiB");
  if (command.max_append_size > 0) log_options.max_append_bytes = command.max_append_size;
  auto log = EmbeddedLog::open(command.data, log_options);
  if (!log.ok()) return complain(log.failure().reason);

  const auto users = secure_door(command.security, "twinstream sink user", *options);
  if (!users.ok()) return complain(users.failure().reason);
  options->maintenance = log->get();
  options->stop = [&main_thread] { main_thread.stop(); };

  Workers workers(2);
  auto server = EventStoreServer::start(**log, workers.executor(), *options);
  if (!server.ok()) return complain(server.failure().reason);
  std::printf("twinstream sink: listening on %s, data in %s\n", authority(options->host, (*server)->port()).c_str(),
              command.data.c_str());
  std::fflush(stdout);
  main_thread.run();
  (*server)->shutdown(shutdown_grace);
  return 0;
}

}  // namespace twinstream
