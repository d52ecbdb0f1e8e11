#include "proxy/http/forward.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <ctime>

#include "proxy/http/tokens.h"

namespace twinstream::http {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_content_length(std::string& out, std::uint64_t length) {
  out.append("Content-Length: ");
  append_number(out, length);
  out.append("\r\n");
}

std::string_view standard_reason(int status) {
  const auto text = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {text.data(), text.size()};
}

void append_status_line(std::string& out, int status, std::string_view reason) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out.append(" ").append(reason).append("\r\n");
}

/// Which fields the peer declared to concern its connection only.
class ConnectionOptions {
 public:
  explicit ConnectionOptions(const std::vector<FieldView>& fields) : fields_(fields) {
    for (const auto& [name, value] : fields) {
      if (same_token(name, "Connection") && !same_token(value, "close") && !same_token(value, "keep-alive"))
        any_ = true;
    }
  }

  bool name(std::string_view field) const {
    if (!any_) return false;
    for (const auto& [name, value] : fields_) {
      if (same_token(name, "Connection") && list_has(value, field)) return true;
    }
    return false;
  }

 private:
  const std::vector<FieldView>& fields_;
  bool any_ = false;
};

bool is_forwarded_for(std::string_view name) { return name.size() == 15 && same_token(name, "X-Forwarded-For"); }
bool is_content_length(std::string_view name) { return name.size() == 14 && same_token(name, "Content-Length"); }
bool is_host_field(std::string_view name) { return name.size() == 4 && same_token(name, "Host"); }

void append_forwarded_for(std::string& out, const RequestHead& head, std::string_view client_address) {
  bool first = true;
  const auto add = [&](std::string_view address) {
    if (address.empty()) return;
    out.append(first ? "X-Forwarded-For: " : ", ").append(address);
    first = false;
  };
  for (const auto& [name, value] : head.fields) {
    if (is_forwarded_for(name)) add(value);
  }
  add(client_address);
  if (!first) out.append("\r\n");
}

void append_forwarding_fields(std::string& out, const RequestHead& head, std::string_view client_address) {
  append_forwarded_for(out, head, client_address);
  if (!find_field(head.fields, "X-Forwarded-Proto")) append_field(out, "X-Forwarded-Proto", "http");
  if (!head.host.empty() && !find_field(head.fields, "X-Forwarded-Host")) {
    append_field(out, "X-Forwarded-Host", head.host);
  }
  append_field(out, "Via", head.version >= 11 ? "1.1 twinstream" : "1.0 twinstream");
}

void append_framing(std::string& out, Framing framing, std::uint64_t length) {
  if (framing == Framing::length) append_content_length(out, length);
  if (framing == Framing::chunked) append_field(out, "Transfer-Encoding", "chunked");
}

void append_host(std::string& out, const RequestHead& head, const BackendConfig& backend) {
  if (!head.host.empty()) {
    append_field(out, "Host", head.host);
    return;
  }
  out.append("Host: ").append(backend.address.host).append(":");
  append_number(out, backend.address.port);
  out.append("\r\n");
}

/// Values of our own answers may come from stored data: a line break in one must not begin another field.
void append_own_field(std::string& out, std::string_view name, std::string_view value) {
  const auto from = out.size();
  append_field(out, name, value);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; };
  std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(from), out.end() - 2, is_control, ' ');
}

/// Fields of the request that go on as they are.
void append_request_fields(std::string& out, const RequestHead& head) {
  const ConnectionOptions options(head.fields);
  for (const auto& [name, value] : head.fields) {
    if (is_hop_by_hop(name) || is_host_field(name) || is_content_length(name) || is_forwarded_for(name)) continue;
    if (head.version < 11 && same_token(name, "Expect")) continue;  // its client would not know what to do with a 100
    if (options.name(name)) continue;
    append_field(out, name, value);
  }
}

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

void append_response_fields(std::string& out, const ResponseHead& head) {
  const ConnectionOptions options(head.fields);
  for (const auto& [name, value] : head.fields) {
    // 426 must say which protocol it wants, although Upgrade concerns one connection.
    const bool wanted = head.status == 426 && same_token(name, "Upgrade");
    if (!wanted && (is_hop_by_hop(name) || is_content_length(name) || options.name(name))) continue;
    append_field(out, name, value);
  }
  append_field(out, "Via", head.version >= 11 ? "1.1 twinstream" : "1.0 twinstream");
}

void append_connection(std::string& out, const ClientSide& client) {
  if (!client.keep_alive) {
    append_field(out, "Connection", "close");
  } else if (client.version < 11) {
    append_field(out, "Connection", "keep-alive");
  }
}

/// The date of this second (RFC 9110 section 5.6.7), made once per second and thread.
std::string_view http_date() {
  thread_local std::time_t made_for = 0;
  thread_local char text[40];
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now != made_for) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    made_for = now;
  }
  return {text, size};
}

std::uint64_t own_length(const Response& response, const ClientSide& client) {
  if (client.head_request && response.body.empty()) {
    const auto announced = response.headers.get("Content-Length").value_or("");
    std::uint64_t length = 0;
    if (std::from_chars(announced.data(), announced.data() + announced.size(), length).ec == std::errc()) return length;
  }
  return response.body.size();
}

}  // namespace

std::optional<std::string_view> find_field(const std::vector<FieldView>& fields, std::string_view name) {
  for (const FieldView& field : fields) {
    if (same_token(field.name, name)) return field.value;
  }
  return std::nullopt;
}

bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 2: return same_token(name, "TE");
    case 7: return same_token(name, "Trailer") || same_token(name, "Upgrade");
    case 10: return same_token(name, "Connection") || same_token(name, "Keep-Alive");
    case 17:
      if (same_token(name, "Transfer-Encoding")) return true;
      break;
    default: break;
  }
  return name.size() > 6 && same_token(name.substr(0, 6), "Proxy-");
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS" ||
         method == "TRACE";
}

bool expects_continue(const RequestHead& head) {
  if (head.version < 11 || head.framing == Framing::none) return false;
  const auto expect = find_field(head.fields, "Expect");
  return expect && same_token(*expect, "100-continue");
}

std::optional<std::string_view> upgrade_protocol(const RequestHead& head) {
  const auto protocol = find_field(head.fields, "Upgrade");
  if (!protocol || head.version < 11 || list_has(*protocol, "h2c")) return std::nullopt;
  for (const auto& [name, value] : head.fields) {
    if (same_token(name, "Connection") && list_has(value, "upgrade")) return protocol;
  }
  return std::nullopt;
}

void write_request_head(std::string& out, const RequestHead& head, std::string_view client_address,
                        const BackendConfig& backend) {
  out.append(head.method).append(" ");
  if (head.target != "*") out.append(backend.base_path);
  out.append(head.target).append(" HTTP/1.1\r\n");
  append_host(out, head, backend);
  append_request_fields(out, head);
  append_forwarding_fields(out, head, client_address);
  append_framing(out, head.framing, head.content_length);
  if (const auto protocol = upgrade_protocol(head)) {
    append_field(out, "Connection", "upgrade");
    append_field(out, "Upgrade", *protocol);
  }
  out.append("\r\n");
}

Framing client_framing(const ResponseHead& head, const ClientSide& client) {
  if (client.head_request || has_no_body(head.status)) return Framing::none;
  if (head.framing == Framing::length) return Framing::length;
  if (head.framing == Framing::none) return Framing::none;
  return client.version >= 11 ? Framing::chunked : Framing::until_close;
}

void write_response_head(std::string& out, const ResponseHead& head, const ClientSide& client) {
  append_status_line(out, head.status, head.reason);
  append_response_fields(out, head);
  const Framing framing = client_framing(head, client);
  append_framing(out, framing, head.content_length);
  if (framing == Framing::none && (client.head_request || head.status == 304)) {
    if (const auto length = find_field(head.fields, "Content-Length")) append_field(out, "Content-Length", *length);
  }
  append_connection(out, client);
  out.append("\r\n");
}

void write_interim_head(std::string& out, const ResponseHead& head) {
  append_status_line(out, head.status, head.reason);
  const ConnectionOptions options(head.fields);
  for (const auto& [name, value] : head.fields) {
    if (!is_hop_by_hop(name) && !is_content_length(name) && !options.name(name)) append_field(out, name, value);
  }
  out.append("\r\n");
}

void write_switching_head(std::string& out, const ResponseHead& head) {
  append_status_line(out, head.status, head.reason);
  append_response_fields(out, head);
  append_field(out, "Connection", "upgrade");
  if (const auto protocol = find_field(head.fields, "Upgrade")) append_field(out, "Upgrade", *protocol);
  out.append("\r\n");
}

void write_own_head(std::string& out, const Response& response, const ClientSide& client) {
  append_status_line(out, response.status,
                     response.reason.empty() ? standard_reason(response.status) : response.reason);
  for (const auto& [name, value] : response.headers.items()) {
    if (!is_hop_by_hop(name) && !is_content_length(name)) append_own_field(out, name, value);
  }
  if (!response.headers.has("Date")) append_field(out, "Date", http_date());
  if (!has_no_body(response.status)) append_content_length(out, own_length(response, client));
  append_connection(out, client);
  out.append("\r\n");
}

Response to_response(const ResponseHead& head, bool head_request) {
  Response response;
  response.status = head.status;
  response.reason = std::string(head.reason);
  const ConnectionOptions options(head.fields);
  for (const auto& [name, value] : head.fields) {
    if (is_hop_by_hop(name) || options.name(name) || (is_content_length(name) && !head_request)) continue;
    response.headers.add(std::string(name), std::string(value));
  }
  return response;
}

Request to_request(const RequestHead& head, std::string_view client_address) {
  Request request;
  request.method = std::string(head.method);
  request.target = std::string(head.target);
  request.headers.reserve(head.fields.size());
  for (const auto& [name, value] : head.fields) {
    request.headers.add(std::string(name), std::string(is_host_field(name) ? head.host : value));
  }
  request.remote_address = std::string(client_address);
  return request;
}

}  // namespace twinstream::http
