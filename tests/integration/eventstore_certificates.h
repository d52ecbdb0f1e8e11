#pragma once

#include <filesystem>
#include <string>

namespace twinstream::testing {

struct Certificate {
  std::string pem;
  std::string key_pem;
};

/// A certificate that signs others.
Certificate make_authority(const std::string& name);
/// A certificate for 127.0.0.1 and this name, signed by the authority.
Certificate make_certificate(const std::string& name, const Certificate& authority);

/// A file that is removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace twinstream::testing
