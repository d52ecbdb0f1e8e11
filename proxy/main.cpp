#include <CLI/CLI.hpp>
#include <csignal>

#include "proxy/commands/commands.h"

namespace {

using twinstream::BackfillCommand;
using twinstream::CheckCommand;
using twinstream::SinkCommand;
using twinstream::UserCommand;

/// The options of every subcommand and what to run for the one that was chosen.
struct Commands {
  explicit Commands(CLI::App& app) {
    add_serve(app);
    add_sink(app);
    add_init(app);
    add_doctor(app);
    add_backfill(app);
    add_check(app);
    add_status(app);
    add_user(app);
    add_config(app);
  }

  void with_config(CLI::App* command, std::string& path) {
    command->add_option("--config,-c", path, "Configuration file")->required();
  }

  void add_serve(CLI::App& app) {
    auto* command = app.add_subcommand("serve", "Run the proxy and the migration");
    with_config(command, config);
    command->callback([this] { run = [this] { return twinstream::run_serve(config); }; });
  }

  void add_init(CLI::App& app) {
    auto* command = app.add_subcommand("init", "Create or migrate Twinstream's own tables in PostgreSQL");
    with_config(command, config);
    command->callback([this] { run = [this] { return twinstream::run_init(config); }; });
  }

  void add_doctor(CLI::App& app) {
    auto* command = app.add_subcommand("doctor", "Look at everything that must be right before a migration");
    with_config(command, config);
    command->callback([this] { run = [this] { return twinstream::run_doctor(config); }; });
  }

  void add_backfill(CLI::App& app) {
    auto* command = app.add_subcommand("backfill", "Carry history now, in this process; can be stopped and continued");
    with_config(command, backfill.config);
    command->add_option("--category", backfill.category, "Only this category");
    command->add_flag("--restart", backfill.restart, "From the beginning instead of where it was left");
    command->callback([this] { run = [this] { return twinstream::run_backfill(backfill); }; });
  }

  void add_check(CLI::App& app) {
    auto* command = app.add_subcommand("check", "Compare both stores: 0 equal, 1 different, 2 could not check");
    with_config(command, check.config);
    command->add_option("--category", check.category, "Only this category");
    command->add_flag("--json", check.json, "The report as JSON");
    command->add_option("--max-differences", check.max_differences, "Describe at most so many")->capture_default_str();
    command->add_option("--patience", patience_seconds, "Seconds a difference may be a write on its way")
        ->capture_default_str();
    command->callback([this] {
      check.patience = std::chrono::milliseconds(static_cast<std::int64_t>(patience_seconds * 1000));
      run = [this] { return twinstream::run_check(check); };
    });
  }

  void add_status(CLI::App& app) {
    auto* command = app.add_subcommand("status", "What a running `serve` says of itself");
    with_config(command, config);
    command->add_flag("--json", json, "As JSON");
    command->callback([this] { run = [this] { return twinstream::run_status(config, json); }; });
  }

  void add_sink(CLI::App& app) {
    auto* command = app.add_subcommand("sink", "Run the embedded EventStore-compatible server");
    command->add_option("--data", sink.data, "Directory of the events; made when missing")->required();
    command->add_option("--listen", sink.listen, "host:port, port 0 takes a free one")->capture_default_str();
    command->add_option("--advertise", sink.advertise, "host:port that gossip tells clients to connect to");
    command->add_option("--max-append-size", sink.max_append_size, "Most data of one append, e.g. 1048576 or 4MiB")
        ->transform(CLI::AsSizeValue(false));
    command->add_flag("--insecure", sink.security.insecure,
                      "Allow an address that other machines can reach without TLS");
    auto* cert =
        command->add_option("--tls-cert", sink.security.tls_cert, "Certificate of the server (PEM); turns TLS on");
    auto* key = command->add_option("--tls-key", sink.security.tls_key, "Its private key (PEM)")->needs(cert);
    cert->needs(key);
    command->add_option("--tls-ca", sink.security.tls_ca, "Demand client certificates of this authority (PEM)")
        ->needs(cert);
    command
        ->add_option("--users", sink.security.users,
                     "File of the users: calls need a name and a password, and the rights")
        ->needs(cert);
    command->callback([this] {
      if (!run) run = [this] { return twinstream::run_sink(sink); };
    });
    add_sink_user(*command);
    auto* verify = command->add_subcommand("verify", "Check a store at rest: 0 whole, 1 damaged, 2 could not check");
    verify->fallthrough();
    verify->callback([this] { run = [this] { return twinstream::run_sink_verify(sink); }; });
    auto* scavenge = command->add_subcommand("scavenge", "Remove deleted and expired events from a store at rest");
    scavenge->fallthrough();
    scavenge->callback([this] { run = [this] { return twinstream::run_sink_scavenge(sink); }; });
  }

  void add_sink_user(CLI::App& sink_command) {
    auto* command = sink_command.add_subcommand("user", "Make a user or set its password, read from standard input");
    command->fallthrough();
    with_user(command);
    command->add_option("--users", sink.security.users,
                        "File of the users, instead of users.json in the data directory");
    command->callback([this] { run = [this] { return twinstream::run_sink_user(sink, user); }; });
  }

  void add_user(CLI::App& app) {
    auto* command = app.add_subcommand(
        "user", "Make a user of the gRPC door of `serve` or set its password, read from standard input");
    with_config(command, config);
    with_user(command);
    command->callback([this] { run = [this] { return twinstream::run_user(config, user); }; });
  }

  void with_user(CLI::App* command) {
    command->add_option("NAME", user.name, "Login name")->required();
    command->add_option("--full-name", user.full_name, "Name for people");
    command->add_option("--groups", user.groups, "Groups such as $admins,$ops")->delimiter(',');
  }

  void add_config(CLI::App& app) {
    auto* command = app.add_subcommand("config", "Look at a configuration file");
    command->require_subcommand(1);
    auto* check_file = command->add_subcommand("check", "Say what is wrong with it, with line and column");
    check_file->add_option("FILE", config, "Configuration file")->required();
    check_file->add_flag("--explain", explain, "Print the configuration in force, defaults included");
    check_file->callback([this] { run = [this] { return twinstream::run_config_check(config, explain); }; });
  }

  std::function<int()> run;
  std::string config;
  bool json = false;
  bool explain = false;
  double patience_seconds = 10;
  CheckCommand check;
  BackfillCommand backfill;
  SinkCommand sink;
  UserCommand user;
};

}  // namespace

int main(int count, char** arguments) {
  // Whoever reads our log may go away, and so may the other end of any connection.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Moves an event-sourced backend from PostgreSQL to EventStoreDB or KurrentDB while it runs.", "twinstream");
  app.set_version_flag("--version", "twinstream " TWINSTREAM_VERSION);
  app.require_subcommand(1);
  Commands commands(app);
  CLI11_PARSE(app, count, arguments);
  return commands.run();
}
