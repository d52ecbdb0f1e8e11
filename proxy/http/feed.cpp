#include "proxy/http/feed.h"

#include <algorithm>

#include "proxy/core/json.h"
#include "proxy/core/utf8.h"
#include "proxy/http/json_text.h"
#include "proxy/http/message.h"

namespace twinstream::http {
namespace {

/// The reference drops the zeros at the end of a fraction, and the point with them.
std::string feed_time(Timestamp time) {
  std::string text = to_rfc3339(time);
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + 'Z';
}

std::string value_or_string(std::string_view text, bool json) {
  if (json && is_json(text)) return std::string(text);
  return quote_json(text);
}

bool is_json_event(const Event& event) { return event.content_type == ContentType::json; }

bool is_showable(std::string_view text) {
  return is_utf8(text) && std::none_of(text.begin(), text.end(),
                                       [](unsigned char c) { return c < 0x20 && c != '\n' && c != '\r' && c != '\t'; });
}

void add_author(JsonWriter& out) { out.key("author").begin_object().key("name").string("EventStore").end_object(); }

void add_link(JsonWriter& out, std::string_view uri, std::string_view relation) {
  out.begin_object().key("uri").string(uri).key("relation").string(relation).key("type").null().end_object();
}

std::string pretty(std::string_view text) { return is_json_object(text) ? pretty_json(text) : std::string(text); }

/// The rich fields: texts of data and metadata by the level of embedding, and what kind they are.
class RichFields {
 public:
  RichFields(const FeedItem& item, Embed embed) : item_(item), event_(item.event().event), embed_(embed) {}

  void write(JsonWriter& out) const {
    const RecordedEvent& shown = item_.event();
    const bool bodies = embed_ != Embed::rich;
    const bool found_out = embed_ == Embed::try_harder && !is_json_event(event_) && is_json_object(event_.data);
    const std::string_view link_metadata = item_.is_link() ? std::string_view(item_.found.event.metadata) : "";
    out.key("eventId").string(event_.id.to_string()).key("eventType").string(event_.type);
    out.key("eventNumber").number(shown.revision);
    write_text(out, "data", bodies ? data() : std::nullopt);
    write_text(out, "metaData", text_of_metadata(event_.metadata, bodies));
    write_text(out, "linkMetaData", text_of_metadata(link_metadata, bodies));
    out.key("streamId").string(shown.stream).key("isJson").boolean(is_json_event(event_) || found_out);
    out.key("isMetaData").boolean(bodies && !event_.metadata.empty());
    out.key("isLinkMetaData").boolean(bodies && !link_metadata.empty());
    out.key("isRedacted").boolean(false);
    out.key("positionEventNumber").number(item_.found.revision);
    out.key("positionStreamId").string(item_.found.stream);
  }

 private:
  static void write_text(JsonWriter& out, std::string_view key, const std::optional<std::string>& text) {
    out.key(key);
    text ? out.string(*text) : out.null();
  }

  std::optional<std::string> data() const {
    if (is_json_event(event_)) return embed_ == Embed::body ? event_.data : pretty(event_.data);
    if (embed_ == Embed::try_harder && is_showable(event_.data)) return pretty(event_.data);
    return std::nullopt;
  }

  std::optional<std::string> text_of_metadata(std::string_view metadata, bool bodies) const {
    if (metadata.empty() || !bodies) return std::nullopt;
    return embed_ == Embed::body ? std::string(metadata) : pretty(metadata);
  }

  const FeedItem& item_;
  const Event& event_;
  Embed embed_;
};

bool has_content(const FeedItem& item) { return is_json_event(item.found.event) && !item.is_link(); }

void write_entry(JsonWriter& out, const FeedItem& item, const FeedUrls& urls, Embed embed) {
  const std::string title =
      item.is_link() ? item.link_title : std::to_string(item.found.revision) + '@' + item.found.stream;
  const auto at = title.find('@');
  const std::string url = urls.of_stream(title.substr(at + 1)) + '/' + title.substr(0, at);
  const bool lost = item.is_link() && !item.target;
  out.begin_object();
  if (embed >= Embed::rich && !lost) RichFields(item, embed).write(out);
  out.key("title").string(title).key("id").string(url).key("updated").string(feed_time(*item.found.event.created));
  add_author(out);
  out.key("summary").string(item.is_link() ? "$>" : item.found.event.type).key("retryCount").null().key("content");
  embed == Embed::content&& has_content(item) ? out.raw(envelope_json(item.found)) : out.null();
  out.key("links").begin_array();
  add_link(out, url, "edit");
  add_link(out, url, "alternate");
  out.end_array().end_object();
}

void write_links(JsonWriter& out, const FeedPage& page, const std::string& stream_url) {
  const std::string count = std::to_string(page.query.count);
  const auto link = [&](std::string_view relation, const std::string& from, std::string_view direction) {
    add_link(out, stream_url + '/' + from + '/' + std::string(direction) + '/' + count, relation);
  };
  const bool forwards = page.query.direction == Direction::forwards;
  const bool older = forwards ? page.from > 0 : !page.end;
  const bool newer = !forwards || !page.end || !page.items.empty();
  const std::uint64_t newest = std::min(forwards ? page.from + page.query.count - 1 : page.from, page.last);
  out.begin_array();
  add_link(out, stream_url, "self");
  link("first", "head", "backward");
  if (older) {
    link("last", "0", "forward");
    link("next", std::to_string(forwards ? page.from - 1 : page.from - page.query.count), "backward");
  }
  if (newer) link("previous", std::to_string(newest + 1), "forward");
  add_link(out, stream_url + "/metadata", "metadata");
  out.end_array();
}

std::string updated_of(const FeedPage& page) {
  if (page.items.empty()) return "0001-01-01T00:00:00Z";
  const bool forwards = page.query.direction == Direction::forwards;
  return feed_time(*(forwards ? page.items.back() : page.items.front()).found.event.created);
}

}  // namespace

Embed parse_embed(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "content") return Embed::content;
  if (lower == "rich") return Embed::rich;
  if (lower == "body") return Embed::body;
  if (lower == "pretty") return Embed::pretty;
  if (lower == "tryharder") return Embed::try_harder;
  return Embed::none;
}

bool FeedPage::is_final() const {
  if (!query.from) return false;
  return query.direction == Direction::forwards ? last + 1 >= from + query.count : last >= from;
}

FeedPage make_page(const FeedQuery& query, StreamPage read) {
  const std::uint64_t last = read.head.revision.value_or(0);
  const std::uint64_t lowest = read.head.first_visible;
  FeedPage page{query, query.from.value_or(last), last, false, {}};
  std::uint64_t first_wanted = page.from;
  std::uint64_t last_wanted = page.from;
  if (query.direction == Direction::forwards) {
    last_wanted = page.from + query.count - 1;
    page.end = last_wanted >= lowest && last_wanted >= last;
  } else {
    first_wanted = page.from + 1 > query.count ? page.from + 1 - query.count : 0;
    page.end = first_wanted <= lowest;
  }
  for (RecordedEvent& event : read.events) {
    if (event.revision < first_wanted || event.revision > last_wanted) continue;
    page.items.push_back({std::move(event), {}, {}});
  }
  if (query.direction == Direction::forwards) std::reverse(page.items.begin(), page.items.end());
  return page;
}

std::string FeedUrls::of_stream(std::string_view name) const { return streams + percent_encode_segment(name); }

std::string feed_json(const FeedPage& page, std::string_view stream, const FeedUrls& urls, Embed embed,
                      std::string_view etag) {
  const std::string url = urls.of_stream(stream);
  const bool backwards = page.query.direction == Direction::backwards;
  const bool head = backwards && !page.query.from;
  JsonWriter out;
  out.begin_object().key("title").string("Event stream '" + std::string(stream) + "'").key("id").string(url);
  out.key("updated").string(updated_of(page)).key("streamId").string(stream);
  add_author(out);
  out.key("headOfStream").boolean(backwards ? head : page.end).key("selfUrl");
  backwards ? out.string(url) : out.null();
  out.key("eTag");
  head ? out.string(etag) : out.null();
  out.key("links");
  write_links(out, page, url);
  out.key("entries").begin_array();
  for (const FeedItem& item : page.items) write_entry(out, item, urls, embed);
  out.end_array().end_object();
  return pretty_json(out.take());
}

std::string entry_json(const FeedItem& item, const FeedUrls& urls) {
  JsonWriter out;
  write_entry(out, item, urls, Embed::content);
  return pretty_json(out.take());
}

std::string envelope_json(const RecordedEvent& event) {
  const bool json = is_json_event(event.event);
  JsonWriter out;
  out.begin_object().key("eventStreamId").string(event.stream).key("eventNumber").number(event.revision);
  out.key("eventType").string(event.event.type).key("eventId").string(event.event.id.to_string());
  out.key("data").raw(value_or_string(event.event.data, json));
  out.key("metadata").raw(value_or_string(event.event.metadata, json)).end_object();
  return pretty_json(out.take());
}

std::string data_json(const Event& event) { return pretty_json(value_or_string(event.data, is_json_event(event))); }

std::string description_json(std::string_view stream, std::string_view path) {
  const auto resource = [&](JsonWriter& out, std::string_view type) {
    out.begin_object().key("href").string(path).key("supportedContentTypes").begin_array().string(type);
    out.end_array().end_object();
  };
  JsonWriter out;
  out.begin_object().key("title").string("Description document for '" + std::string(stream) + "'");
  out.key("description").string("Ask for one of the supported content types with the Accept header.");
  out.key("_links").begin_object().key("self");
  resource(out, "application/vnd.eventstore.streamdesc+json");
  out.key("stream");
  resource(out, "application/vnd.eventstore.atom+json");
  out.end_object().end_object();
  return pretty_json(out.take());
}

}  // namespace twinstream::http
