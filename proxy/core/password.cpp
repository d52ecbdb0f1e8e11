#include "proxy/core/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <stdexcept>

namespace twinstream {
namespace {

constexpr std::string_view scheme = "pbkdf2-sha512";
constexpr int iterations = 210'000;  // OWASP's advice for this hash
constexpr int most_iterations = 10'000'000;
constexpr std::size_t salt_bytes = 16;
constexpr std::size_t hash_bytes = 32;

unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(raw(bytes), static_cast<int>(count)) != 1) throw std::runtime_error("OpenSSL has no random numbers");
  return bytes;
}

std::string derive(std::string_view password, std::string_view salt, int rounds) {
  std::string key(hash_bytes, '\0');
  const int done = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt),
                                     static_cast<int>(salt.size()), rounds, EVP_sha512(),
                                     static_cast<int>(key.size()), raw(key));
  if (done != 1) throw std::runtime_error("OpenSSL could not hash a password");
  return key;
}

std::string to_hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

struct Parts {
  int rounds = 0;
  std::string salt;
  std::string key;
};

/// The text up to the next `$`, which is taken off.
std::string_view take_field(std::string_view& text) {
  const auto end = text.find('$');
  const auto field = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return field;
}

std::optional<Parts> take_apart(std::string_view text) {
  if (take_field(text) != scheme) return std::nullopt;
  Parts parts;
  const auto rounds = take_field(text);
  const auto [end, error] = std::from_chars(rounds.data(), rounds.data() + rounds.size(), parts.rounds);
  const bool number = error == std::errc() && end == rounds.data() + rounds.size();
  if (!number || parts.rounds < 1 || parts.rounds > most_iterations) return std::nullopt;
  const auto salt = from_hex(take_field(text));
  const auto key = from_hex(take_field(text));
  if (!salt || !key || key->size() != hash_bytes) return std::nullopt;
  parts.salt = *salt;
  parts.key = *key;
  return parts;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(raw(bytes), raw(text), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  // OpenSSL counts the bytes that padding stands for.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

bool is_basic(std::string_view scheme_name) {
  constexpr std::string_view basic = "basic";
  if (scheme_name.size() != basic.size()) return false;
  for (std::size_t i = 0; i < basic.size(); ++i) {
    if ((scheme_name[i] | 0x20) != basic[i]) return false;
  }
  return true;
}

}  // namespace

std::string hash_password(std::string_view password) {
  const std::string salt = random_bytes(salt_bytes);
  return std::string(scheme) + "$" + std::to_string(iterations) + "$" + to_hex(salt) + "$" +
         to_hex(derive(password, salt, iterations));
}

bool matches_password(std::string_view password, std::string_view hash) {
  const auto parts = take_apart(hash);
  if (!parts) return false;
  const std::string key = derive(password, parts->salt, parts->rounds);
  return CRYPTO_memcmp(key.data(), parts->key.data(), key.size()) == 0;
}

std::optional<BasicCredentials> parse_basic(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos || !is_basic(authorization.substr(0, space))) return std::nullopt;
  authorization.remove_prefix(space);
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  const auto text = from_base64(authorization);
  const auto colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return BasicCredentials{text->substr(0, colon), text->substr(colon + 1)};
}

std::string recognisable(std::string_view secret) {
  static const std::string key = random_bytes(32);
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(secret), secret.size(), raw(digest), &size);
  digest.resize(size);
  return digest;
}

}  // namespace twinstream
