#include "proxy/grpc/authentication.h"

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "proxy/core/password.h"
#include "proxy/grpc/server.h"

namespace twinstream::door {
namespace {

constexpr unsigned reread_seconds = 60;

template <class Metadata>
std::optional<User> user_of(UserFile& users, const Metadata& metadata) {
  const auto [first, last] = metadata.equal_range("authorization");
  if (std::distance(first, last) != 1) return std::nullopt;
  const auto credentials = parse_basic({first->second.data(), first->second.size()});
  if (!credentials) return std::nullopt;
  return users.authenticate(credentials->login, credentials->password);
}

/// Runs on threads that gRPC keeps for this: checking a password for the first time is slow on purpose. It leaves no
/// mark in the context, which belongs to the connection and not to the call.
class BasicAuthentication final : public grpc::AuthMetadataProcessor {
 public:
  explicit BasicAuthentication(UserFile& users) : users_(users) {}

  bool IsBlocking() const override { return true; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext*, OutputMetadata*, OutputMetadata*) override {
    const bool anonymous = metadata.find("authorization") == metadata.end();
    if (anonymous || user_of(users_, metadata)) return grpc::Status::OK;
    return {grpc::StatusCode::UNAUTHENTICATED, "the user is not known or the password is wrong"};
  }

 private:
  UserFile& users_;
};

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

Failure unusable(const std::string& file, const std::string& problem) {
  ERR_clear_error();
  return {FailureCode::rejected, file + " " + problem, {}};
}

/// gRPC would only say that no connection could be made.
std::optional<Failure> problem_with(const TlsFiles& files) {
  const File certificate_file(BIO_new_file(files.certificate.c_str(), "r"));
  const File key_file(BIO_new_file(files.key.c_str(), "r"));
  if (!certificate_file) return unusable(files.certificate, "cannot be read");
  if (!key_file) return unusable(files.key, "cannot be read");
  const Certificate certificate(PEM_read_bio_X509(certificate_file.get(), nullptr, no_password, nullptr));
  if (!certificate) return unusable(files.certificate, "holds no certificate in PEM form");
  const Key key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_password, nullptr));
  if (!key) return unusable(files.key, "holds no private key in PEM form without a password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return unusable(files.key, "does not belong to the certificate in " + files.certificate);
  }
  if (files.client_ca.empty()) return std::nullopt;
  const File ca_file(BIO_new_file(files.client_ca.c_str(), "r"));
  if (!ca_file) return unusable(files.client_ca, "cannot be read");
  const Certificate ca(PEM_read_bio_X509(ca_file.get(), nullptr, no_password, nullptr));
  if (!ca) return unusable(files.client_ca, "holds no certificate in PEM form");
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> server_credentials(const TlsFiles& files, UserFile* users) {
  namespace tls = grpc::experimental;
  if (auto problem = problem_with(files)) return std::move(*problem);
  const bool mutual = !files.client_ca.empty();
  auto provider = mutual ? std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.certificate,
                                                                                 files.client_ca, reread_seconds)
                         : std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.certificate,
                                                                                 reread_seconds);
  tls::TlsServerCredentialsOptions options(std::move(provider));
  options.watch_identity_key_cert_pairs();
  if (mutual) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  auto credentials = tls::TlsServerCredentials(options);
  if (users) credentials->SetAuthMetadataProcessor(std::make_shared<BasicAuthentication>(*users));
  return credentials;
}

Caller caller_of(UserFile* users, const grpc::CallbackServerContext& context) {
  if (!users) return {{}, {}, true};
  auto user = user_of(*users, context.client_metadata());
  if (!user) return {};
  return {std::move(user->login), std::move(user->groups), false};
}

}  // namespace twinstream::door
