#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "proxy/commands/commands.h"
#include "proxy/commands/stores.h"
#include "proxy/core/password.h"
#include "proxy/grpc/user_file.h"

namespace twinstream {
namespace {

int refuse(const std::string& reason) {
  std::fprintf(stderr, "twinstream user: %s\n", reason.c_str());
  return 1;
}

/// The terminal does not show what is typed as long as this lives.
class Unseen {
 public:
  Unseen() : terminal_(::isatty(STDIN_FILENO) && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!terminal_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    std::fputs("Password: ", stderr);
  }
  ~Unseen() {
    if (!terminal_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::fputs("\n", stderr);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;

 private:
  termios before_{};
  const bool terminal_;
};

std::string read_password() {
  const Unseen unseen;
  std::string password;
  std::getline(std::cin, password);
  return password;
}

/// What is not given stays as it was.
void apply(User& user, const UserCommand& command, const std::string& hash) {
  user.login = command.name;
  user.password = hash;
  user.disabled = false;
  user.updated = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  if (!command.full_name.empty()) user.full_name = command.full_name;
  if (!command.groups.empty()) user.groups = command.groups;
}

int set_user(const std::filesystem::path& path, const UserCommand& command) {
  if (const auto problem = problem_with_login(command.name)) return refuse("the name cannot be used: " + *problem);
  const std::string password = read_password();
  if (password.empty()) return refuse("no password came from standard input");
  auto file = UserFile::open(path);
  if (!file.ok()) return refuse(file.failure().reason);
  const std::string hash = hash_password(password);
  bool fresh = false;
  const auto failure = (*file)->change([&](Users& users) {
    const auto [place, added] = users.try_emplace(command.name);
    fresh = added;
    apply(place->second, command, hash);
    return true;
  });
  if (failure) return refuse(failure->reason);
  std::printf("%s: %s in %s\n", command.name.c_str(), fresh ? "new user" : "new password", path.c_str());
  return 0;
}

}  // namespace

int run_sink_user(const SinkCommand& sink, const UserCommand& command) {
  if (!sink.security.users.empty()) return set_user(sink.security.users, command);
  std::error_code error;
  std::filesystem::create_directories(sink.data, error);
  return set_user(std::filesystem::path(sink.data) / "users.json", command);
}

int run_user(const std::string& path, const UserCommand& command) {
  const auto config = load_or_complain(path);
  if (!config) return 2;
  if (!config->grpc || config->grpc->security.users.empty()) {
    return refuse(path + " names no users file: add `users` to its section `grpc`");
  }
  return set_user(config->grpc->security.users, command);
}

}  // namespace twinstream
