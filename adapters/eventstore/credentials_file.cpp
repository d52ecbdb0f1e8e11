#include "adapters/eventstore/credentials_file.h"

#include <sys/stat.h>

#include <fstream>

#include "proxy/core/log.h"

namespace twinstream::eventstore {

Result<std::shared_ptr<CredentialsFile>> CredentialsFile::open(std::string path) {
  std::shared_ptr<CredentialsFile> file(new CredentialsFile(std::move(path)));
  const Version version = file->version();
  auto line = file->read();
  if (!line.ok()) return line.failure();
  file->version_ = version;
  file->line_ = std::move(*line);
  return file;
}

CredentialsFile::Version CredentialsFile::version() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<std::string> CredentialsFile::read() const {
  const auto refuse = [&](const char* problem) {
    return Failure{FailureCode::rejected, "credentials file '" + path_ + "' of EventStore " + problem, {}};
  };
  std::ifstream file(path_, std::ios::binary);
  std::string line;
  if (!std::getline(file, line)) return refuse("cannot be read or is empty");
  if (line.ends_with('\r')) line.pop_back();
  const auto colon = line.find(':');
  if (colon == std::string::npos || colon == 0) return refuse("has no line of the form user:password");
  return line;
}

/// The version is taken before the file is read: what changes meanwhile is read again next time.
std::string CredentialsFile::user_and_password() {
  std::scoped_lock lock(mutex_);
  const Version now = version();
  if (now == version_) return line_;
  version_ = now;
  auto line = read();
  if (line.ok()) {
    line_ = std::move(*line);
    log::info("credentials of EventStore read again", {{"file", path_}});
  } else {
    log::warning("credentials of EventStore are kept as they were", {{"reason", line.failure().reason}});
  }
  return line_;
}

}  // namespace twinstream::eventstore
