#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "proxy/core/result.h"

namespace twinstream::eventstore {

/// `user:password` in one line of a file, which is read again when it has changed. A file that cannot be read, or is
/// not such a line, leaves the credentials as they were. Thread safe.
class CredentialsFile {
 public:
  /// `rejected` when it cannot be read now.
  static Result<std::shared_ptr<CredentialsFile>> open(std::string path);

  std::string user_and_password();
  const std::string& path() const { return path_; }

 private:
  struct Version {
    std::uint64_t inode = 0;
    std::int64_t size = -1;
    std::int64_t changed = 0;  ///< nanoseconds
    bool operator==(const Version&) const = default;
  };

  explicit CredentialsFile(std::string path) : path_(std::move(path)) {}
  Version version() const;
  Result<std::string> read() const;

  const std::string path_;
  std::mutex mutex_;
  Version version_;
  std::string line_;
};

}  // namespace twinstream::eventstore
