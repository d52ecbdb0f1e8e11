#include "proxy/http/head_checks.h"

#include "proxy/http/tokens.h"

namespace twinstream::http {
namespace {

Refusal malformed(std::string text) { return {400, std::move(text)}; }

/// The whole list of codings must be `chunked`: everything else has been the way to smuggle requests.
std::optional<Refusal> check_transfer_encoding(const std::vector<FieldView>& fields, int version) {
  bool seen = false;
  for (const auto& [name, value] : fields) {
    if (!same_token(name, "Transfer-Encoding")) continue;
    if (version < 11) return malformed("Transfer-Encoding in an HTTP/1.0 message");
    if (seen || !same_token(value, "chunked")) {
      return Refusal{501, "a Transfer-Encoding other than chunked is not supported"};
    }
    seen = true;
  }
  return std::nullopt;
}

bool is_host(std::string_view text) { return text.find_first_of(" \t,/\\?#@<>\"") == std::string_view::npos; }

std::optional<Refusal> take_host(RequestHead& head) {
  bool seen = false;
  for (const auto& [name, value] : head.fields) {
    if (!same_token(name, "Host")) continue;
    if (seen) return malformed("more than one Host field");
    seen = true;
    head.host = value;
  }
  if (!seen && head.version >= 11) return malformed("an HTTP/1.1 request needs a Host field");
  if (!is_host(head.host)) return malformed("malformed Host field");
  return std::nullopt;
}

std::optional<std::string_view> after_scheme(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (same_token(target.substr(0, scheme.size()), scheme)) return target.substr(scheme.size());
  }
  return std::nullopt;
}

std::optional<Refusal> take_absolute_form(RequestHead& head, std::string_view rest) {
  const auto path = rest.find_first_of("/?");
  head.host = rest.substr(0, path);
  if (head.host.empty() || !is_host(head.host)) return malformed("malformed authority in the request target");
  head.target = path == std::string_view::npos ? std::string_view("/") : rest.substr(path);
  if (head.target.front() == '?') return malformed("the request target has no path");
  return std::nullopt;
}

std::optional<Refusal> take_target(RequestHead& head) {
  if (head.method == "CONNECT") return Refusal{405, "CONNECT is not supported"};
  if (head.target.find('#') != std::string_view::npos) return malformed("the request target has a fragment");
  if (head.target.front() == '/') return std::nullopt;
  if (head.target == "*" && head.method == "OPTIONS") return std::nullopt;
  if (const auto rest = after_scheme(head.target)) return take_absolute_form(head, *rest);
  return malformed("malformed request target");
}

}  // namespace

std::optional<Refusal> check(RequestHead& head) {
  if (auto refused = check_transfer_encoding(head.fields, head.version)) return refused;
  if (auto refused = take_host(head)) return refused;
  return take_target(head);
}

std::optional<Refusal> check(ResponseHead& head) {
  if (head.status < 100 || head.status > 599) return malformed("status outside 100 to 599");
  return check_transfer_encoding(head.fields, head.version);
}

}  // namespace twinstream::http
