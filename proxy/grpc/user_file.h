#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/core/event.h"
#include "proxy/core/result.h"

namespace twinstream {

struct User {
  std::string login;
  std::string full_name;
  std::vector<std::string> groups;
  std::string password;  ///< its salted hash
  bool disabled = false;
  Timestamp updated;
};

using Users = std::map<std::string, User, std::less<>>;

/// The users of a server as JSON in one file that only its owner may read. Changes replace the file as a whole, under a
/// lock that all processes share; what another process has changed is seen at the next call. Thread safe.
class UserFile {
 public:
  static constexpr std::string_view first_password = "changeit";

  /// A file that is missing is made, with EventStore's first users: `admin` of $admins and `ops` of $ops.
  static Result<std::unique_ptr<UserFile>> open(std::filesystem::path path);

  /// What keeps this file, or its directory when it is missing, from being used; it is not made.
  static std::optional<std::string> problem_with(const std::filesystem::path& path);

  /// Whether users of the machine other than the owner may read it: it holds hashes of passwords.
  bool readable_by_others() const;

  /// Nothing when the login is unknown, disabled, or the password is another one. Slow (a tenth of a second) until the
  /// password was right once.
  std::optional<User> authenticate(std::string_view login, std::string_view password);

  Users users();
  /// Nothing when the login is unknown or disabled.
  std::optional<User> find(std::string_view login);

  /// `edit` gets the users as they are now, and answers whether they are to be kept as it leaves them.
  std::optional<Failure> change(const std::function<bool(Users&)>& edit);

 private:
  struct Version {
    std::uint64_t inode = 0;
    std::int64_t size = -1;
    std::int64_t changed = 0;  ///< nanoseconds
    bool operator==(const Version&) const = default;
  };

  explicit UserFile(std::filesystem::path path) : path_(std::move(path)) {}
  Version version_on_disk() const;
  std::optional<Failure> load();
  void load_if_changed();
  std::optional<Failure> save(const Users& users) const;
  Failure failure(const std::string& what) const;

  const std::filesystem::path path_;
  std::mutex mutex_;
  Version version_;
  Users users_;
  /// By login: what login, password and hash are recognised by, once they were found to fit.
  std::unordered_map<std::string, std::string> recognised_;
};

/// What keeps a login name from being used; nothing when it can be.
std::optional<std::string> problem_with_login(std::string_view login);

}  // namespace twinstream
