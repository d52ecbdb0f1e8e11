#include "proxy/grpc/authentication.h"

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "proxy/core/password.h"
#include "proxy/grpc/tls_files.h"

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

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> server_credentials(const TlsFiles& files, UserFile* users) {
  namespace tls = grpc::experimental;
  if (auto problem = problem_with(files)) return Failure{FailureCode::rejected, std::move(problem->text), {}};
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

Caller caller_of(UserFile* users, const grpc::ServerContextBase& context) {
  if (!users) return {{}, {}, true};
  auto user = user_of(*users, context.client_metadata());
  if (!user) return {};
  return {std::move(user->login), std::move(user->groups), false};
}

}  // namespace twinstream::door
