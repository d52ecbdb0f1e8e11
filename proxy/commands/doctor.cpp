#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdio>
#include <filesystem>

#include "adapters/eventstore/eventstore_log.h"
#include "adapters/postgres/postgres_log.h"
#include "adapters/postgres/preflight.h"
#include "config/values.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/door.h"
#include "proxy/commands/engine_thread.h"
#include "proxy/commands/stores.h"

namespace twinstream {
namespace {

/// Prints findings as they come and remembers whether one of them forbids to go on.
class Report {
 public:
  void ok(const std::string& text) { std::printf("  ok       %s\n", text.c_str()); }
  void warning(const std::string& text) { std::printf("  warning  %s\n", text.c_str()); }
  void refuse(const std::string& text) {
    std::printf("  REFUSED  %s\n", text.c_str());
    refused_ = true;
  }
  bool refused() const { return refused_; }

 private:
  bool refused_ = false;
};

void examine_postgres(const Config& config, EngineThread& thread, Report& report) {
  std::printf("postgres\n");
  auto findings = preflight(config.postgres);
  if (!findings) {
    report.refuse(findings.failure().reason);
    return;
  }
  for (const Finding& finding : findings->findings) {
    switch (finding.severity) {
      case Finding::Severity::ok: report.ok(finding.text); break;
      case Finding::Severity::warning: report.warning(finding.text); break;
      case Finding::Severity::refuse: report.refuse(finding.text); break;
    }
  }
  auto log = PostgresLog::open(config.postgres);
  if (!log) {
    report.refuse(log.failure().reason);
    return;
  }
  auto tip = thread.wait_for((*log)->tip());
  tip ? report.ok("the global order can be read up to position " + std::to_string(tip->commit))
      : report.refuse(tip.failure().reason);
}

void examine_eventstore(const Config& config, EngineThread& thread, Report& report) {
  std::printf("eventstore\n");
  if (config.eventstore.url.empty()) {
    report.warning("eventstore.url is not set: only observe is possible");
    return;
  }
  auto log = EventStoreLog::open(config.eventstore);
  if (!log) {
    report.refuse(log.failure().reason);
    return;
  }
  auto alive = thread.wait_for((*log)->ping());
  alive ? report.ok(*alive) : report.refuse(alive.failure().reason);
  if (!alive) return;
  auto tip = thread.wait_for((*log)->tip());
  tip ? report.ok("$all can be read") : report.refuse("$all cannot be read: " + tip.failure().reason);
}

void examine_backend(const Config& config, Report& report) {
  std::printf("backend\n");
  if (!config.backend) {
    report.warning("there is no backend: nothing is passed through");
    return;
  }
  boost::asio::io_context context;
  boost::asio::ip::tcp::resolver resolver(context);
  boost::asio::ip::tcp::socket socket(context);
  boost::system::error_code error;
  const Endpoint& address = config.backend->address;
  const std::string where = address.host + ":" + std::to_string(address.port);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
  if (!error) boost::asio::connect(socket, found, error);
  error ? report.warning(where + " cannot be reached: " + error.message()) : report.ok(where + " accepts connections");
}

/// Its files have been looked at with the configuration.
void examine_grpc(const Config& config, Report& report) {
  if (!config.grpc) return;
  std::printf("grpc\n");
  const DoorSecurity& security = config.grpc->security;
  report.ok(security.tls_cert.empty() ? "cleartext" : "TLS with the certificate in " + security.tls_cert);
  if (security.tls_cert.empty() && !is_loopback(config.grpc->listen.host)) {
    report.warning("`insecure: true`: whoever reaches this address may read and write");
  }
  std::unique_ptr<UserFile> users;
  std::error_code error;
  if (security.users.empty()) {
    report.ok("no users: nobody is asked for a name");
  } else if (!std::filesystem::exists(security.users, error)) {
    report.warning(security.users +
                   " will be made with the users and passwords of a fresh server: set others with "
                   "`twinstream user`");
  } else if (auto opened = UserFile::open(security.users); !opened) {
    report.refuse(opened.failure().reason);
  } else {
    users = std::move(*opened);
    report.ok(std::to_string(users->users().size()) + " users in " + security.users);
  }
  for (const std::string& warning : door_warnings(security, users.get(), "twinstream user")) report.warning(warning);
}

}  // namespace

int run_doctor(const std::string& path) {
  const auto config = load_or_complain(path, door_file_problems);
  if (!config) return 2;
  std::printf("configuration\n  ok       %s\n", path.c_str());
  Report report;
  EngineThread thread;
  examine_postgres(*config, thread, report);
  examine_eventstore(*config, thread, report);
  examine_backend(*config, report);
  examine_grpc(*config, report);
  std::printf(report.refused() ? "not ready: see REFUSED above\n" : "ready\n");
  return report.refused() ? 1 : 0;
}

}  // namespace twinstream
