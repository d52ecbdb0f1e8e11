#include "proxy/grpc/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace twinstream {
namespace {

template <class T, void (*release)(T*)>
struct Release {
  void operator()(T* object) const { release(object); }
};
void close_file(BIO* file) { BIO_free(file); }
using File = std::unique_ptr<BIO, Release<BIO, close_file>>;
using Certificate = std::unique_ptr<X509, Release<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY, EVP_PKEY_free>>;

/// OpenSSL would ask for the password of an encrypted key at the terminal.
int no_password(char*, int, int, void*) { return -1; }

File open(const std::string& path) { return File(BIO_new_file(path.c_str(), "r")); }

Certificate read_certificate(const File& file) {
  return Certificate(PEM_read_bio_X509(file.get(), nullptr, no_password, nullptr));
}

}  // namespace

/// gRPC would only say that no connection could be made.
std::optional<TlsProblem> problem_with(const TlsFiles& files) {
  const auto unusable = [&](std::string TlsFiles::*file, const std::string& problem) {
    ERR_clear_error();
    return TlsProblem{file, files.*file + " " + problem};
  };
  const File certificate_file = open(files.certificate), key_file = open(files.key);
  if (!certificate_file) return unusable(&TlsFiles::certificate, "cannot be read");
  if (!key_file) return unusable(&TlsFiles::key, "cannot be read");
  const Certificate certificate = read_certificate(certificate_file);
  if (!certificate) return unusable(&TlsFiles::certificate, "holds no certificate in PEM form");
  const Key key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_password, nullptr));
  if (!key) return unusable(&TlsFiles::key, "holds no private key in PEM form without a password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return unusable(&TlsFiles::key, "does not belong to the certificate in " + files.certificate);
  }
  if (files.client_ca.empty()) return std::nullopt;
  const File ca_file = open(files.client_ca);
  if (!ca_file) return unusable(&TlsFiles::client_ca, "cannot be read");
  if (!read_certificate(ca_file)) return unusable(&TlsFiles::client_ca, "holds no certificate in PEM form");
  return std::nullopt;
}

}  // namespace twinstream
