#include "proxy/grpc/user_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "proxy/core/log.h"
#include "proxy/core/password.h"

namespace twinstream {
namespace {

namespace json = boost::json;

constexpr std::size_t longest_login = 128;

Timestamp time_now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

json::object to_json(const User& user) {
  return {{"login", user.login},
          {"full_name", user.full_name},
          {"groups", json::array(user.groups.begin(), user.groups.end())},
          {"password", user.password},
          {"disabled", user.disabled},
          {"updated", user.updated.time_since_epoch().count()}};
}

/// Throws what Boost throws when a key is missing or of another type.
User user_from(const json::object& object) {
  User user;
  user.login = json::value_to<std::string>(object.at("login"));
  user.full_name = json::value_to<std::string>(object.at("full_name"));
  user.groups = json::value_to<std::vector<std::string>>(object.at("groups"));
  user.password = json::value_to<std::string>(object.at("password"));
  user.disabled = object.at("disabled").as_bool();
  user.updated = Timestamp(std::chrono::microseconds(object.at("updated").as_int64()));
  return user;
}

std::string to_text(const Users& users) {
  std::string text = "{\"users\": [";
  const char* separator = "\n";
  for (const auto& [login, user] : users) {
    text += separator + json::serialize(to_json(user));
    separator = ",\n";
  }
  return text + "\n]}\n";
}

User first_user(std::string login, std::string full_name, std::string group) {
  return {std::move(login), std::move(full_name), {std::move(group)}, hash_password(UserFile::first_password), false,
          time_now()};
}

class OpenFile {
 public:
  OpenFile(const std::filesystem::path& path, int flags) : file_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~OpenFile() {
    if (file_ >= 0) ::close(file_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  bool ok() const { return file_ >= 0; }
  bool lock() const { return ::flock(file_, LOCK_EX) == 0; }
  bool sync() const { return ::fsync(file_) == 0; }
  bool write(std::string_view text) const {
    while (!text.empty()) {
      const auto written = ::write(file_, text.data(), text.size());
      if (written < 0 && errno != EINTR) return false;
      if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }

 private:
  int file_;
};

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

std::optional<std::string> problem_with_login(std::string_view login) {
  if (login.empty()) return "it is empty";
  if (login.size() > longest_login) return "it is longer than " + std::to_string(longest_login) + " bytes";
  for (const char c : login) {
    // Basic authentication ends the login at the first colon.
    if (c == ':' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "it has a colon or a control character";
  }
  return std::nullopt;
}

Failure UserFile::failure(const std::string& what) const {
  return {FailureCode::unavailable, "users file " + path_.string() + " " + what, {}};
}

Result<std::unique_ptr<UserFile>> UserFile::open(std::filesystem::path path) {
  std::unique_ptr<UserFile> file(new UserFile(std::move(path)));
  std::error_code error;
  if (!std::filesystem::exists(file->path_, error)) {
    const auto make = [](Users& users) {
      if (!users.empty()) return false;
      users.emplace("admin", first_user("admin", "Event Store Administrator", "$admins"));
      users.emplace("ops", first_user("ops", "Event Store Operations", "$ops"));
      return true;
    };
    if (auto failed = file->change(make)) return std::move(*failed);
  }
  if (auto failed = file->load()) return std::move(*failed);
  return file;
}

std::optional<std::string> UserFile::problem_with(const std::filesystem::path& path) {
  UserFile file(path);
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    const auto failed = file.load();
    return failed ? std::optional(failed->reason) : std::nullopt;
  }
  if (::access(directory_of(path).c_str(), W_OK | X_OK) == 0) return std::nullopt;
  return file.failure("cannot be made in its directory: " + std::generic_category().message(errno)).reason;
}

bool UserFile::readable_by_others() const {
  struct stat status {};
  return ::stat(path_.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

UserFile::Version UserFile::version_on_disk() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

/// Under the mutex, or before anybody else knows this object.
std::optional<Failure> UserFile::load() {
  const Version version = version_on_disk();
  std::ifstream input(path_, std::ios::binary);
  std::ostringstream text;
  if (!input) return failure("cannot be read: " + std::generic_category().message(errno));
  if (!(text << input.rdbuf())) return failure("cannot be read");
  Users users;
  try {
    const json::value document = json::parse(text.str());
    for (const auto& entry : document.as_object().at("users").as_array()) {
      User user = user_from(entry.as_object());
      std::string login = user.login;
      users.emplace(std::move(login), std::move(user));
    }
  } catch (const std::exception&) {
    return failure("is not what this program writes: move it away, then a new one can be made");
  }
  users_ = std::move(users);
  version_ = version;
  return std::nullopt;
}

/// A file that cannot be read keeps the users that were known.
void UserFile::load_if_changed() {
  const Version version = version_on_disk();
  if (version == version_) return;
  const auto failed = load();
  version_ = version;
  if (failed) log::error("the users are kept as they were", {{"reason", failed->reason}});
}

Users UserFile::users() {
  std::scoped_lock lock(mutex_);
  load_if_changed();
  return users_;
}

std::optional<User> UserFile::find(std::string_view login) {
  std::scoped_lock lock(mutex_);
  load_if_changed();
  const auto found = users_.find(login);
  if (found == users_.end() || found->second.disabled) return std::nullopt;
  return found->second;
}

std::optional<User> UserFile::authenticate(std::string_view login, std::string_view password) {
  // Who asks for a user that is not there waits as long as for one that is.
  static const std::string nobody = "pbkdf2-sha512$210000$" + std::string(32, '0') + "$" + std::string(64, '0');
  const std::optional<User> user = find(login);
  std::unique_lock lock(mutex_);
  const auto known = recognised_.find(std::string(login));
  const std::string remembered = known == recognised_.end() ? std::string() : known->second;
  lock.unlock();

  std::string digest;
  if (user) {
    // Each part with its length: no two triples have the same text.
    for (const std::string_view part : {login, password, std::string_view(user->password)}) {
      digest += std::to_string(part.size()) + ":" + std::string(part);
    }
    digest = recognisable(digest);
    if (digest == remembered) return user;
  }
  if (!matches_password(password, user ? user->password : nobody) || !user) return std::nullopt;
  lock.lock();
  recognised_[std::string(login)] = std::move(digest);
  return user;
}

std::optional<Failure> UserFile::change(const std::function<bool(Users&)>& edit) {
  std::scoped_lock lock(mutex_);
  // The lock is on the directory: the file itself is another one after each change.
  const OpenFile directory(directory_of(path_), O_RDONLY | O_DIRECTORY);
  if (!directory.ok() || !directory.lock()) {
    return failure("cannot be changed: " + std::generic_category().message(errno));
  }
  std::error_code error;
  if (std::filesystem::exists(path_, error)) {
    if (auto failed = load()) return failed;
  }
  Users users = users_;
  if (!edit(users)) return std::nullopt;
  if (auto failed = save(users)) return failed;
  if (!directory.sync()) return failure("may be lost at a power failure: " + std::generic_category().message(errno));
  return load();
}

std::optional<Failure> UserFile::save(const Users& users) const {
  const std::filesystem::path fresh = path_.string() + ".new";
  const OpenFile file(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!file.ok() || !file.write(to_text(users)) || !file.sync() || ::rename(fresh.c_str(), path_.c_str()) != 0) {
    return failure("cannot be written: " + std::generic_category().message(errno));
  }
  return std::nullopt;
}

}  // namespace twinstream
