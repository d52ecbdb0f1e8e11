#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The words of the field: event, stream, revision, position. Plain values, no behaviour beyond their text forms.

namespace twinstream {

/// Microseconds since the Unix epoch, UTC: the finest unit that PostgreSQL keeps.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// RFC 3339 with exactly six fraction digits and `Z`: `2024-03-01T12:00:00.123456Z`.
std::string to_rfc3339(Timestamp time);
/// Accepts one to nine fraction digits or none, `Z` or a numeric offset; nothing else.
std::optional<Timestamp> parse_rfc3339(std::string_view text);

/// A UUID in RFC 4122 byte order.
struct EventId {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const EventId&) const = default;
  bool is_nil() const;
  /// Lower case, 8-4-4-4-12.
  std::string to_string() const;
  /// The 8-4-4-4-12 form in either case; anything else gives nothing.
  static std::optional<EventId> parse(std::string_view text);
  /// UUIDv5 of `name` in Twinstream's own namespace: the same name gives the same id for ever.
  static EventId derive(std::string_view name);
  /// UUIDv4 from the operating system's randomness. Thread safe.
  static EventId random();
};

enum class ContentType { json, binary };

/// What a writer hands over. `data` and `metadata` are bytes; whether data is JSON is said by `content_type` and not
/// checked here.
struct Event {
  EventId id;
  std::string type;
  std::string data;
  std::string metadata;
  ContentType content_type = ContentType::json;
  /// When it happened. Absent: the log stamps the time of the append. Logs that cannot store a given time ignore it
  /// (see LogTraits::keeps_created).
  std::optional<Timestamp> created;

  bool operator==(const Event&) const = default;
};

/// A place in the global order of one log. Only the log that gave it out may interpret it; others may compare two
/// positions of the same log and store them.
struct Position {
  std::uint64_t commit = 0;
  std::uint64_t prepare = 0;

  auto operator<=>(const Position&) const = default;
  static constexpr Position start() { return {0, 0}; }
  static constexpr Position end() {
    return {std::numeric_limits<std::uint64_t>::max(), std::numeric_limits<std::uint64_t>::max()};
  }
};

/// An event as a log gives it back. `event.created` is always set.
struct RecordedEvent {
  std::string stream;
  std::uint64_t revision = 0;  ///< 0-based, without gaps in its stream
  Position position;
  Event event;
};

/// The part before the first `-`; the whole name when there is none.
std::string_view category_of(std::string_view stream);

/// `$`-streams belong to the store itself and are never mirrored.
inline bool is_system_stream(std::string_view stream) { return stream.starts_with('$'); }

}  // namespace twinstream

template <>
struct std::hash<twinstream::EventId> {
  std::size_t operator()(const twinstream::EventId& id) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
  }
};
