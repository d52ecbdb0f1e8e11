#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace twinstream::http {

/// The exact source text of the value that `pointer` (RFC 6901) names; of several members with one name the last.
/// Nothing when there is none. `text` must be JSON.
std::optional<std::string_view> json_at(std::string_view text, std::string_view pointer);

/// The pointer of the first place in which two JSON values differ, shortened to a printable bound; nothing when they
/// are equal. Both are compared in canonical form; an answer that has none is compared by its bytes.
std::optional<std::string> first_json_difference(std::string_view left, std::string_view right);

}  // namespace twinstream::http
