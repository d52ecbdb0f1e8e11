#pragma once

#include <filesystem>
#include <memory>

#include "proxy/core/result.h"

namespace twinstream::embedded {

/// Held as long as it lives, and given up by the kernel when the process dies however it dies.
class DirectoryLock {
 public:
  static Result<std::unique_ptr<DirectoryLock>> take(const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  int file_;
};

}  // namespace twinstream::embedded
