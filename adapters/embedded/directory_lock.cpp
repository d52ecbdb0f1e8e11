#include "adapters/embedded/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace twinstream::embedded {

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(const std::filesystem::path& directory) {
  const auto refuse = [&](const std::string& reason) {
    return Failure{FailureCode::unavailable, "data directory " + directory.string() + " " + reason, {}};
  };
  const auto error_text = [](int error) { return std::generic_category().message(error); };
  const int file = ::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return refuse("cannot be written: " + error_text(errno));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(file);
    if (error == EWOULDBLOCK) return refuse("is in use by another process: stop it or choose another directory");
    return refuse("cannot be locked: " + error_text(error));
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(file));
}

DirectoryLock::~DirectoryLock() { ::close(file_); }

}  // namespace twinstream::embedded
