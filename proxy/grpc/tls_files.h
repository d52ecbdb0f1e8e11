#pragma once

#include <optional>
#include <string>

namespace twinstream {

/// In PEM form.
struct TlsFiles {
  std::string certificate;  ///< the server's own first, then those that vouch for it
  std::string key;
  std::string client_ca;  ///< when given, clients must show a certificate that it vouches for
};

struct TlsProblem {
  std::string TlsFiles::*file;
  std::string text;  ///< names the file
};

/// What keeps a server from being secured with these files: one that cannot be read or used, a key of another
/// certificate.
std::optional<TlsProblem> problem_with(const TlsFiles& files);

}  // namespace twinstream
