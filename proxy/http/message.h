#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace twinstream::http {

/// Header fields in order, names compared without case.
class Fields {
 public:
  void reserve(std::size_t count) { items_.reserve(count); }
  void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);  ///< replaces every field of that name
  void erase(std::string_view name);
  std::optional<std::string_view> get(std::string_view name) const;  ///< the first one
  bool has(std::string_view name) const { return get(name).has_value(); }
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

/// A request with its whole body in memory: what the proxy answers itself.
struct Request {
  std::string method;
  std::string target;  ///< as sent: path and query, still percent-encoded
  Fields headers;
  std::string body;
  std::string remote_address;

  std::string_view path() const;   ///< target before `?`
  std::string_view query() const;  ///< after `?`, without it
};

struct Response {
  int status = 200;
  std::string reason;  ///< empty: the standard phrase
  Fields headers;
  std::string body;
};

/// `problem+json`-like error answer: {"error": text, ...}; one shape everywhere.
Response error_response(int status, std::string text);

using Handler = std::function<boost::asio::awaitable<Response>(Request)>;

/// What the server does with a request, decided from the header alone.
struct Decision {
  /// Present: read the body (up to the limit) and let this answer. Absent: stream through to the backend.
  Handler handler;
};
using Decide = std::function<Decision(const Request& head)>;  ///< `body` is empty here; called on any io thread

std::string percent_decode(std::string_view text);       ///< malformed escapes stay as they are
std::string percent_encode_segment(std::string_view text);  ///< only A-Z a-z 0-9 - _ . ~ stay literal
std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace twinstream::http
