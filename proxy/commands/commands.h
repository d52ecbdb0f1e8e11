#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"

// One function for each subcommand; the answer is the exit status.

namespace twinstream {

/// Prints `FILE: ok`, with the configuration in force when `explain`; or every error, and answers 2.
int run_config_check(const std::string& file, bool explain);

/// The proxy with the migration engine, until a signal ends it. 0 after an orderly stop.
int run_serve(const std::string& config);

/// Creates or migrates the control schema, and the event tables of the managed layout.
int run_init(const std::string& config);

/// Looks at everything that must be right before and during a migration. 0 nothing refused, 1 something is.
int run_doctor(const std::string& config);

struct CheckCommand {
  std::string config;
  std::string category;  ///< empty: all
  bool json = false;
  std::size_t max_differences = 20;
  std::chrono::milliseconds patience{10'000};
};
/// 0 equal, 1 different, 2 could not check.
int run_check(const CheckCommand& command);

struct BackfillCommand {
  std::string config;
  std::string category;  ///< empty: all
  bool restart = false;  ///< from the beginning instead of where it was left
};
/// 0 complete, 1 not, or streams were set aside.
int run_backfill(const BackfillCommand& command);

/// What a running `serve` says of itself.
int run_status(const std::string& config, bool json);

struct SinkCommand {
  std::string data;
  std::string listen = "127.0.0.1:2113";
  std::string advertise;            ///< host:port that gossip tells; empty: the one listened on
  std::size_t max_append_size = 0;  ///< bytes; 0: the default
  DoorSecurity security;
};
/// The embedded EventStore-compatible server, until a signal ends it.
int run_sink(const SinkCommand& command);

struct UserCommand {
  std::string name;
  std::string full_name;
  std::vector<std::string> groups;
};
/// Makes a user of the embedded server or gives it another password, which is read from standard input.
int run_sink_user(const SinkCommand& sink, const UserCommand& command);
/// The same for the gRPC door of `serve`.
int run_user(const std::string& config, const UserCommand& command);

/// Looks whether a store that nobody uses is whole. 0 it is, 1 damaged, 2 could not check.
int run_sink_verify(const SinkCommand& sink);

/// Removes deleted and expired events from a store that nobody uses, and gives the room back.
int run_sink_scavenge(const SinkCommand& sink);

}  // namespace twinstream
