#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace twinstream {

/// How many bytes the well-formed UTF-8 sequence at the front of `text` has; 0 when there is none. Overlong forms,
/// surrogates and code points beyond U+10FFFF are not well formed.
std::size_t utf8_sequence(std::string_view text);

bool is_utf8(std::string_view text);

void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace twinstream
