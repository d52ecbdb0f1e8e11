#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/core/event_log.h"

// Feeds and entries in JSON (EventStore reference, sections 6.2, 6.3 and 7).

namespace twinstream::http {

enum class Embed { none, content, rich, body, pretty, try_harder };
Embed parse_embed(std::string_view text);  ///< in any case; what is unknown is none

/// One page that a client asks for.
struct FeedQuery {
  Direction direction = Direction::backwards;
  std::optional<std::uint64_t> from;  ///< absent: the head (backwards only)
  std::uint64_t count = 20;
};

/// An event of a page, and what it points to when it is a link event that was to be resolved.
struct FeedItem {
  RecordedEvent found;
  std::string link_title;  ///< `number@stream` of the target; empty: no link
  std::optional<RecordedEvent> target;

  bool is_link() const { return !link_title.empty(); }
  const RecordedEvent& event() const { return target ? *target : found; }
};

struct FeedPage {
  FeedQuery query;
  std::uint64_t from = 0;       ///< `query.from`, or the head's number
  std::uint64_t last = 0;       ///< number of the stream's last event
  bool end = false;             ///< nothing follows in the query's direction
  std::vector<FeedItem> items;  ///< newest first

  /// Never changes any more: the client may keep it.
  bool is_final() const;
};

/// The page of the reference's arithmetic out of what a log gave for the same `from` and `count`.
FeedPage make_page(const FeedQuery& query, StreamPage read);

struct FeedUrls {
  std::string streams;  ///< `http://host/streams/`
  std::string of_stream(std::string_view name) const;
};

/// `etag` without quotes; only for head pages.
std::string feed_json(const FeedPage& page, std::string_view stream, const FeedUrls& urls, Embed embed,
                      std::string_view etag);
/// A single event as an entry with its content.
std::string entry_json(const FeedItem& item, const FeedUrls& urls);
/// eventStreamId, eventNumber, eventType, eventId, data, metadata.
std::string envelope_json(const RecordedEvent& event);
/// The data as a JSON value: a string when it is none by itself.
std::string data_json(const Event& event);
/// What `GET /streams/{s}` answers to those who did not say what they want.
std::string description_json(std::string_view stream, std::string_view path);

}  // namespace twinstream::http
