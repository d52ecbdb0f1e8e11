#include "adapters/eventstore/connection.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <charconv>
#include <fstream>
#include <limits>
#include <sstream>

namespace twinstream::eventstore {
namespace {

constexpr int largest_answer = 17 * 1024 * 1024;

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t present = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < present ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += j <= present ? alphabet[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

/// Empty text for an empty name.
Result<std::string> read_file(const std::string& name, std::string_view key) {
  if (name.empty()) return std::string{};
  std::ifstream file(name, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (file && !content.str().empty()) return content.str();
  return Failure{FailureCode::rejected, "cannot read " + std::string(key) + " '" + name + "' of EventStore", {}};
}

int keep_alive(const std::optional<std::chrono::milliseconds>& time) {
  return time ? static_cast<int>(time->count()) : std::numeric_limits<int>::max();
}

grpc::ChannelArguments channel_arguments(const ConnectionSettings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(largest_answer);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, keep_alive(settings.keep_alive_interval));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keep_alive(settings.keep_alive_timeout));
  // An idle subscription carries no data, and its dead peer is to be noticed all the same.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // What may be sent again is decided here, not in the library; a reconnect is a new transport, never a shared one.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

bool Features::at_least(int major, int minor) const {
  const char* const end = version.data() + version.size();
  int own_major = 0;
  const auto dot = std::from_chars(version.data(), end, own_major);
  int own_minor = 0;
  if (dot.ec != std::errc{} || dot.ptr == end || *dot.ptr != '.') return false;
  std::from_chars(dot.ptr + 1, end, own_minor);
  return own_major > major || (own_major == major && own_minor >= minor);
}

Connection::Connection(Endpoint to, std::shared_ptr<grpc::Channel> over, std::shared_ptr<const ChannelFactory> by,
                       std::shared_ptr<CallRegistry> registry, std::shared_ptr<RetiredChannels> graveyard)
    : endpoint(std::move(to)),
      channel(std::move(over)),
      factory(std::move(by)),
      calls(std::move(registry)),
      retired(std::move(graveyard)) {}

Connection::~Connection() { retired->add(std::move(channel)); }

Result<std::shared_ptr<const ChannelFactory>> ChannelFactory::load(ConnectionSettings settings) {
  auto authorities = read_file(settings.ca_file, "tlsCAFile");
  if (!authorities) return authorities.failure();
  auto own = read_file(settings.user_cert_file, "userCertFile");
  if (!own) return own.failure();
  auto own_key = read_file(settings.user_key_file, "userKeyFile");
  if (!own_key) return own_key.failure();
  Certificates certificates{std::move(*authorities), std::move(*own), std::move(*own_key)};
  std::shared_ptr<CredentialsFile> file;
  if (!settings.credentials_file.empty()) {
    if (settings.credentials) {
      return Failure{FailureCode::rejected, "EventStore's credentials are in the url and in a file: keep one", {}};
    }
    auto opened = CredentialsFile::open(settings.credentials_file);
    if (!opened) return opened.failure();
    file = std::move(*opened);
  }
  return std::shared_ptr<const ChannelFactory>(
      new ChannelFactory(std::move(settings), std::move(certificates), std::move(file)));
}

ChannelFactory::ChannelFactory(ConnectionSettings settings, Certificates certificates,
                               std::shared_ptr<CredentialsFile> credentials_file)
    : settings_(std::move(settings)),
      certificates_(std::move(certificates)),
      credentials_file_(std::move(credentials_file)) {
  if (const auto& user = settings_.credentials) {
    authorization_ = "Basic " + base64(user->user + ":" + user->password);
  }
}

namespace {

/// Encrypts without asking whom it talks to: `tlsVerifyCert=false`.
std::shared_ptr<grpc::ChannelCredentials> unverified_tls(const std::string& own, const std::string& own_key) {
  namespace tls = grpc::experimental;
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  if (!own.empty()) {
    const std::vector<tls::IdentityKeyCertPair> pairs{{own_key, own}};
    options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(pairs));
    options.watch_identity_key_cert_pairs();
  }
  return tls::TlsCredentials(options);
}

}  // namespace

std::shared_ptr<Connection> ChannelFactory::connect(Endpoint endpoint, std::shared_ptr<CallRegistry> calls,
                                                    std::shared_ptr<RetiredChannels> retired) const {
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (!settings_.tls) {
    credentials = grpc::InsecureChannelCredentials();
  } else if (settings_.verify_certificate) {
    credentials = grpc::SslCredentials({certificates_.authorities, certificates_.own_key, certificates_.own});
  } else {
    credentials = unverified_tls(certificates_.own, certificates_.own_key);
  }
  auto channel = grpc::CreateCustomChannel(to_string(endpoint), credentials, channel_arguments(settings_));
  return std::make_shared<Connection>(std::move(endpoint), std::move(channel), shared_from_this(), std::move(calls),
                                      std::move(retired));
}

void ChannelFactory::add_headers(grpc::ClientContext& context, Target target) const {
  if (credentials_file_) context.AddMetadata("authorization", "Basic " + base64(credentials_file_->user_and_password()));
  if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
  if (!settings_.connection_name.empty()) context.AddMetadata("connection-name", settings_.connection_name);
  if (target == Target::preferred && settings_.node_preference == NodePreference::leader) {
    context.AddMetadata("requires-leader", "true");
  }
}

void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds timeout) {
  context.set_deadline(std::chrono::system_clock::now() + timeout);
}

CallStatus call_status(const grpc::Status& status, const grpc::ClientContext& context, const Connection& connection) {
  CallStatus result{static_cast<StatusCode>(status.error_code()), status.error_message(), {}};
  result.credentials_may_change = connection.factory->credentials_may_change();
  if (status.ok()) return result;
  for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
    result.trailers.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  return result;
}

}  // namespace twinstream::eventstore
