#include "config/read.h"

namespace twinstream {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration timeout{milliseconds(1), hours(1)};

/// `admin: off` instead of a section.
bool is_switched_off(const DocumentNode& node) {
  return node.kind == DocumentNode::Kind::scalar && (node.text == "off" || node.text == "false");
}

Problem parse_path(std::string_view text, std::string& path) {
  const bool absolute = text.starts_with('/') && text.size() > 1 && !text.ends_with('/');
  if (!absolute || text.find_first_of("?#{} ") != std::string_view::npos) {
    return "must be a path such as /streams, without a slash at its end";
  }
  path = text;
  return std::nullopt;
}

}  // namespace

void read_listen(Section& root, ListenConfig& listen) {
  const DocumentNode* node = root.child("listen");
  if (node == nullptr) return;
  Section section(*node, "listen", root.findings());
  section.read("address", listen.address, parse_endpoint);
  section.read("threads", listen.threads, Count{0, 1024});
  section.read("max_connections", listen.max_connections, Count{1, 1'000'000});
  section.read("max_header_bytes", listen.max_header_bytes, parse_size);
  section.read("max_body_bytes", listen.max_body_bytes, parse_size);
  section.read("header_timeout", listen.header_timeout, timeout);
  section.read("idle_timeout", listen.idle_timeout, timeout);
  section.read("drain_timeout", listen.drain_timeout, Duration{milliseconds(0), hours(1)});
  section.finish();
}

void read_admin(Section& root, std::optional<Endpoint>& admin) {
  const DocumentNode* node = root.child("admin");
  if (node == nullptr) return;
  if (is_switched_off(*node)) {
    admin.reset();
    return;
  }
  Section section(*node, "admin", root.findings());
  Endpoint address = admin.value_or(Endpoint{});
  section.read("address", address, parse_endpoint);
  admin = address;
  section.finish();
}

void read_grpc(Section& root, std::optional<GrpcConfig>& grpc) {
  const DocumentNode* node = root.child("grpc");
  if (node == nullptr || node->kind == DocumentNode::Kind::nothing) return;
  Section section(*node, "grpc", root.findings());
  GrpcConfig& config = grpc.emplace();
  section.read("listen", config.listen, parse_endpoint);
  section.require("listen", "where clients of EventStore connect, such as 127.0.0.1:2113");
  Endpoint advertise;
  section.read("advertise", advertise, parse_endpoint);
  if (!advertise.host.empty()) config.advertise = advertise;
  section.read("tls_cert", config.security.tls_cert, accept_text);
  section.read("tls_key", config.security.tls_key, accept_text);
  section.read("tls_ca", config.security.tls_ca, accept_text);
  section.read("users", config.security.users, accept_text);
  section.read("insecure", config.security.insecure, parse_boolean);
  section.finish();
}

void read_backend(Section& root, std::optional<BackendConfig>& backend) {
  const DocumentNode* node = root.child("backend");
  if (node == nullptr || node->kind == DocumentNode::Kind::nothing) return;
  Section section(*node, "backend", root.findings());
  BackendConfig& config = backend.emplace();
  section.read("url", config, parse_backend_url, Shown::never);
  section.require("url", "where the backend listens, such as http://127.0.0.1:3000");
  section.read("connect_timeout", config.connect_timeout, timeout);
  section.read("response_timeout", config.response_timeout, timeout);
  section.read("max_connections", config.max_connections, Count{1, 65'536});
  section.read("idle_timeout", config.idle_timeout, timeout);
  section.finish();
}

void read_check(Section& root, seconds& interval) {
  const DocumentNode* node = root.child("check");
  if (node == nullptr) return;
  Section section(*node, "check", root.findings());
  section.read("interval", interval, Duration{seconds(0), hours(24 * 7)});
  section.finish();
}

void read_streams_api(Section& root, std::string& path) {
  const DocumentNode* node = root.child("streams_api");
  if (node == nullptr) return;
  if (is_switched_off(*node)) {
    path.clear();
    return;
  }
  Section section(*node, "streams_api", root.findings());
  section.read("path", path, parse_path);
  section.finish();
}

}  // namespace twinstream
