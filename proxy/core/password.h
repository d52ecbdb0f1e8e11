#pragma once

#include <optional>
#include <string>
#include <string_view>

// Passwords are never kept: a salted hash of each is, and an `authorization` header only as long as its call.

namespace twinstream {

/// `pbkdf2-sha512$ITERATIONS$SALT$HASH`, salt and hash in hexadecimal. Takes about a tenth of a second, as it should.
std::string hash_password(std::string_view password);

/// Takes as long whether it matches or not. False when `hash` has not the form above.
bool matches_password(std::string_view password, std::string_view hash);

struct BasicCredentials {
  std::string login;
  std::string password;
};
/// From the value of an `authorization` header, `Basic base64(login:password)`.
std::optional<BasicCredentials> parse_basic(std::string_view authorization);

/// A digest under a key that this process has drawn at random: for recognising a secret without keeping it.
std::string recognisable(std::string_view secret);

}  // namespace twinstream
