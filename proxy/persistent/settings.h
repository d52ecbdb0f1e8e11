#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/core/event.h"

// What a persistent subscription group is made of, as plain values (EventStore reference, sections 3.8 and 13).

namespace twinstream::persistent {

inline constexpr std::string_view all_source = "$all";

enum class Strategy { round_robin, dispatch_to_single, pinned, pinned_by_correlation };

/// `RoundRobin`, `DispatchToSingle`, `Pinned`, `PinnedByCorrelation`; nothing for any other name.
std::optional<Strategy> parse_strategy(std::string_view name);
std::string_view to_string(Strategy strategy);

struct Settings {
  bool resolve_links = false;
  bool extra_statistics = false;
  std::chrono::microseconds message_timeout{30'000'000};
  std::int32_t max_retry_count = 10;  ///< deliveries after the first before a message is parked
  std::chrono::microseconds checkpoint_after{2'000'000};  ///< 0: never by time
  std::int32_t min_checkpoint_count = 10;
  std::int32_t max_checkpoint_count = 1'000;
  std::int32_t max_subscriber_count = 0;  ///< 0: unlimited
  std::int32_t live_buffer_size = 500;
  std::int32_t read_batch_size = 20;
  std::int32_t history_buffer_size = 500;
  Strategy strategy = Strategy::round_robin;

  bool operator==(const Settings&) const = default;
  /// What is wrong with them, for people.
  std::optional<std::string> problem() const;
};

/// How far a source was worked through: a stream by revision, the whole log by position. The other part stays zero.
struct Place {
  std::uint64_t next_revision = 0;  ///< everything below it is behind
  Position position;                ///< everything at or before it is behind

  auto operator<=>(const Place&) const = default;
};

struct Start {
  enum class Kind { beginning, end, at };

  Kind kind = Kind::end;
  std::uint64_t revision = 0;  ///< `at`, of a stream: the first event to deliver
  Position position;           ///< `at`, of the whole log: inclusive too

  bool operator==(const Start&) const = default;
};

struct Filter {
  bool on_stream = false;  ///< else on the event's type
  std::string regex;       ///< empty: the prefixes count
  std::vector<std::string> prefixes;

  bool operator==(const Filter&) const = default;
};

struct GroupName {
  std::string source;  ///< a stream, or `$all`
  std::string group;

  bool is_all() const { return source == all_source; }
  std::string text() const { return source + "::" + group; }
  auto operator<=>(const GroupName&) const = default;
};

struct GroupConfig {
  GroupName name;
  Settings settings;
  Start start;
  /// The start as a place, fixed when the group was made or its start changed, so that `end` means that moment for ever.
  Place begin;
  std::optional<Filter> filter;

  bool operator==(const GroupConfig&) const = default;
};

/// `7` for the event of a stream that was finished last, `C:x/P:y` for the whole log; empty for none.
std::string place_text(const GroupName& name, const Place& place);
std::optional<Place> parse_place(const GroupName& name, std::string_view text);
/// `0`, a number, `-1` for the end; with `$all` `C:x/P:y`.
std::string start_text(const GroupName& name, const Start& start);
std::optional<Start> parse_start(const GroupName& name, std::string_view text);

/// Where state is kept. `prefix` keeps the streams of one door clear of another's (and of a real server's own).
std::string config_stream(std::string_view prefix);
std::string checkpoint_stream(std::string_view prefix, const GroupName& name);
std::string parked_stream(std::string_view prefix, const GroupName& name);
/// A reader of the whole log that got these would cause the next of them without end.
bool is_bookkeeping_of_all(std::string_view prefix, std::string_view stream);

}  // namespace twinstream::persistent
