#pragma once

#include <string>
#include <vector>

#include "config/load.h"
#include "proxy/grpc/server.h"

// What `sink` and `serve` share about who may come through an EventStore gRPC door.

namespace twinstream {

/// What is wrong with the files that the section `grpc` names. Nothing is made or changed.
std::vector<FieldProblem> door_file_problems(const Config& config);

/// What an operator should know who lets others reach such a door. `users` is null when there is no file of them (yet);
/// `user_command` makes users.
std::vector<std::string> door_warnings(const DoorSecurity& security, UserFile* users, const std::string& user_command);

/// Puts TLS and users into the options, and logs the warnings. What it answers must outlive the server; null: no users.
Result<std::unique_ptr<UserFile>> secure_door(const DoorSecurity& security, const std::string& user_command,
                                              EventStoreServerOptions& options);

}  // namespace twinstream
