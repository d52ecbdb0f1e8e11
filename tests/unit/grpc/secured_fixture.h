#pragma once

#include <openssl/evp.h>

#include "proxy/grpc/user_file.h"
#include "tests/integration/eventstore_certificates.h"
#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {

inline std::string basic(const std::string& login, const std::string& password) {
  const std::string text = login + ":" + password;
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return "Basic " + encoded;
}

class HeaderPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit HeaderPlugin(std::string header) : header_(std::move(header)) {}
  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    metadata->emplace("authorization", header_);
    return grpc::Status::OK;
  }

 private:
  const std::string header_;
};

/// The server with TLS and users, called as whoever the test wants to be.
class SecuredDoorTest : public DoorTest {
 protected:
  SecuredDoorTest() {
    restart();
    as_admin();
  }

  void restart(const std::string& client_ca = {}) {
    server_.reset();
    EventStoreServerOptions options;
    options.tls = TlsFiles{certificate_file_.path(), key_file_.path(), client_ca};
    options.users = users_.get();
    options.maintenance = log_.get();
    options.stop = [this] { stopped_ = true; };
    auto server = EventStoreServer::start(*log_, context_.get_executor(), options);
    if (!server.ok()) throw std::runtime_error(server.failure().reason);
    server_ = std::move(*server);
  }

  static std::unique_ptr<UserFile> open_users(const std::filesystem::path& path) {
    auto users = UserFile::open(path);
    if (!users.ok()) throw std::runtime_error(users.failure().reason);
    return std::move(*users);
  }

  std::shared_ptr<grpc::ChannelCredentials> trusting() const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = authority_.pem;
    return grpc::SslCredentials(options);
  }

  void call_with(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    channel_ = grpc::CreateChannel(address(), credentials);
    stub_ = streams::Streams::NewStub(channel_);
  }
  void with_header(const std::string& header) {
    call_with(grpc::CompositeChannelCredentials(
        trusting(), grpc::MetadataCredentialsFromPlugin(std::make_unique<HeaderPlugin>(header))));
  }
  void as(const std::string& login, const std::string& password) { with_header(basic(login, password)); }
  void as_admin() { as("admin", "changeit"); }
  void as_nobody() { call_with(trusting()); }

  /// Makes a user without the Users service.
  void add_user(const std::string& login, const std::string& password, std::vector<std::string> groups = {});

  const testing::Certificate authority_ = testing::make_authority("authority");
  const testing::Certificate certificate_ = testing::make_certificate("localhost", authority_);
  const testing::TemporaryFile certificate_file_{certificate_.pem};
  const testing::TemporaryFile key_file_{certificate_.key_pem};
  std::unique_ptr<UserFile> users_ = open_users(directory_.path() / "users.json");
  std::atomic<bool> stopped_ = false;
};

inline bool is_denied(const Ended& end) {
  return end.status.error_code() == grpc::StatusCode::PERMISSION_DENIED && end.trailer("exception") == "access-denied";
}

}  // namespace twinstream
