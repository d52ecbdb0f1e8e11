#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/core/event.h"

// JSON as text. Numbers keep their digits: nothing here goes through a double.

namespace twinstream {

/// The one text that PostgreSQL's jsonb prints for a value equal to `text`: keys sorted by byte length then bytes, last
/// duplicate wins, `", "` and `": "`, numbers without exponent and with their scale kept. Nothing when `text` is not
/// JSON or is something jsonb cannot hold (\u0000, lone surrogates). (Reference: PostgreSQL event stores, section 9.)
std::optional<std::string> canonical_json(std::string_view text);

/// Whether canonical_json has something to print, without printing it; may refuse a few bytes before its limit of 64 MiB.
bool fits_jsonb(std::string_view text);

bool is_json_object(std::string_view text);

/// EventStore stamps its own time, so the authority's is carried as `"$originalCreated"`, put textually at the end of
/// the metadata object; empty metadata becomes an object with this key alone. Nothing when `metadata` is neither empty
/// nor a JSON object: such metadata is left alone by the caller.
std::optional<std::string> with_original_created(std::string_view metadata, Timestamp created);

struct StrippedMetadata {
  std::string metadata;              ///< byte for byte what with_original_created was given, except that `{}` made from
                                     ///< empty metadata stays `{}`
  std::optional<Timestamp> created;  ///< absent when the key was not there
};
StrippedMetadata strip_original_created(std::string_view metadata);

}  // namespace twinstream
