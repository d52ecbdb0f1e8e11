#include "proxy/commands/door.h"

#include "proxy/core/log.h"

namespace twinstream {
namespace {

std::optional<TlsFiles> tls_files(const DoorSecurity& security) {
  if (security.tls_cert.empty()) return std::nullopt;
  return TlsFiles{security.tls_cert, security.tls_key, security.tls_ca};
}

std::string field_of(std::string TlsFiles::*file) {
  if (file == &TlsFiles::certificate) return "grpc.tls_cert";
  return file == &TlsFiles::key ? "grpc.tls_key" : "grpc.tls_ca";
}

}  // namespace

std::vector<FieldProblem> door_file_problems(const Config& config) {
  std::vector<FieldProblem> problems;
  if (!config.grpc) return problems;
  const DoorSecurity& security = config.grpc->security;
  if (const auto files = tls_files(security)) {
    if (const auto problem = problem_with(*files)) problems.push_back({field_of(problem->file), problem->text});
  }
  if (!security.users.empty()) {
    if (auto problem = UserFile::problem_with(security.users)) problems.push_back({"grpc.users", std::move(*problem)});
  }
  return problems;
}

std::vector<std::string> door_warnings(const DoorSecurity& security, UserFile* users, const std::string& user_command) {
  std::vector<std::string> warnings;
  if (users && users->authenticate("admin", UserFile::first_password)) {
    warnings.push_back("the user admin has the password of a fresh server: set another one with `" + user_command +
                       "`");
  }
  if (users && users->readable_by_others()) {
    warnings.push_back("others than its owner may read " + security.users +
                       ", which holds hashes of passwords: chmod 600");
  }
  if (!security.tls_cert.empty() && security.users.empty() && security.tls_ca.empty()) {
    warnings.push_back(
        "TLS without users and without an authority for clients: whoever reaches this server may read "
        "and write");
  }
  return warnings;
}

Result<std::unique_ptr<UserFile>> secure_door(const DoorSecurity& security, const std::string& user_command,
                                              EventStoreServerOptions& options) {
  std::unique_ptr<UserFile> users;
  if (!security.users.empty()) {
    auto opened = UserFile::open(security.users);
    if (!opened.ok()) return opened.failure();
    users = std::move(*opened);
  }
  options.tls = tls_files(security);
  options.users = users.get();
  for (const std::string& warning : door_warnings(security, users.get(), user_command)) log::warning(warning);
  return users;
}

}  // namespace twinstream
