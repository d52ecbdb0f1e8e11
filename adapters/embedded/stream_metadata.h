#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace twinstream::embedded {

inline constexpr std::uint64_t tombstone_revision = 9223372036854775807u;  // 2^63-1
inline constexpr std::uint64_t soft_deleted_marker = tombstone_revision;   // as the value of $tb
inline constexpr std::string_view metadata_event_type = "$metadata";
inline constexpr std::string_view tombstone_event_type = "$streamDeleted";

inline bool is_metadata_stream(std::string_view stream) { return stream.starts_with("$$"); }
inline std::string metadata_stream_of(std::string_view stream) { return "$$" + std::string(stream); }

/// What the metadata of a stream says about the visibility of its events.
struct StreamMetadata {
  std::uint64_t truncate_before = 0;  ///< $tb
  std::optional<std::uint64_t> max_count;
  std::optional<std::uint64_t> max_age_seconds;

  bool soft_deleted() const { return truncate_before == soft_deleted_marker; }

  /// Numbers that are not positive are ignored; a known key of a wrong type makes all of it count as empty.
  static StreamMetadata parse(std::string_view json);
};

/// `json` with another `$tb`. Nothing when it is not a JSON object.
std::optional<std::string> with_truncate_before(std::string_view json, std::uint64_t revision);
std::optional<std::string> without_truncate_before(std::string_view json);

}  // namespace twinstream::embedded
