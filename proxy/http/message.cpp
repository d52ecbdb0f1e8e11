#include "proxy/http/message.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "proxy/http/tokens.h"

namespace twinstream::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

/// In queries, as HTML forms write them, a plus sign is a space.
std::string decode_query_part(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced);
}

}  // namespace

void Fields::set(std::string_view name, std::string value) {
  const auto is_named = [name](const auto& item) { return same_token(item.first, name); };
  const auto first = std::find_if(items_.begin(), items_.end(), is_named);
  if (first == items_.end()) {
    add(std::string(name), std::move(value));
    return;
  }
  first->second = std::move(value);
  items_.erase(std::remove_if(first + 1, items_.end(), is_named), items_.end());
}

void Fields::erase(std::string_view name) {
  std::erase_if(items_, [name](const auto& item) { return same_token(item.first, name); });
}

std::optional<std::string_view> Fields::get(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (same_token(key, name)) return value;
  }
  return std::nullopt;
}

std::string_view Request::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string_view Request::query() const {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

Response error_response(int status, std::string text) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = boost::json::serialize(boost::json::value{{"error", text}, {"status", status}});
  return response;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    if (!escape) {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return decoded;
}

std::string percent_encode_segment(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
      continue;
    }
    encoded += '%';
    encoded += digits[static_cast<unsigned char>(c) >> 4];
    encoded += digits[c & 15];
  }
  return encoded;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (decode_query_part(pair.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? std::string() : decode_query_part(pair.substr(equals + 1));
  }
  return std::nullopt;
}

}  // namespace twinstream::http
