#pragma once

#include <string_view>

// Text of header fields: ASCII, compared without case, lists separated by commas (RFC 9110 section 5.6).

namespace twinstream::http {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same_token(std::string_view left, std::string_view right);  ///< compared without case
/// Without the spaces and tabs around it.
std::string_view without_blanks(std::string_view text);
/// Whether a comma-separated list has this token.
bool list_has(std::string_view list, std::string_view token);

}  // namespace twinstream::http
