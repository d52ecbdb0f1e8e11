#include <algorithm>
#include <iterator>

#include "proxy/http/api_responses.h"
#include "proxy/http/event_headers.h"
#include "proxy/http/json_text.h"
#include "proxy/http/original_time.h"
#include "proxy/http/streams_api.h"

namespace twinstream::http {
namespace {

constexpr std::size_t piece_size = 500;
constexpr std::size_t page_bytes_limit = 64 * 1024 * 1024;
constexpr std::string_view keep_for_ever = "max-age=31536000, private";
constexpr std::string_view ask_again = "max-age=0, no-cache, must-revalidate";

/// Stands for the media type in an ETag. FNV-1a: the same in every process, so that replicas agree.
std::string type_hash(std::string_view type) {
  std::uint32_t hash = 2166136261U;
  for (const unsigned char c : type) hash = (hash ^ c) * 16777619U;
  return std::to_string(hash);
}

std::string etag_of(std::uint64_t number, std::string_view type) {
  return std::to_string(number) + ';' + type_hash(type);
}

Response not_acceptable(const Request& request) {
  Response response = text_response(406, "Requested URI is not available in requested format");
  const bool wants_xml = request.headers.get("Accept").value_or("").find("xml") != std::string_view::npos;
  if (wants_xml) response.body = "XML is not served. Ask for application/vnd.eventstore.atom+json.";
  return response;
}

std::optional<Response> refuse_flags(const Request& request) {
  for (const std::string_view name : {"ResolveLinkTos", "RequireLeader"}) {
    const auto text = event_header(request.headers, name);
    if (text && !parse_flag(*text)) return bad_request("ES-" + std::string(name) + " header in wrong format.");
  }
  const auto master = request.headers.get("ES-RequireMaster");
  if (master && !parse_flag(*master)) return bad_request("ES-RequireLeader header in wrong format.");
  return std::nullopt;
}

std::optional<Response> refuse_long_poll(const Request& request) {
  const auto text = event_header(request.headers, "LongPoll");
  if (!text || parse_number(*text).value_or(0) > 0) return std::nullopt;
  return bad_request("ES-LongPoll header in wrong format.");
}

bool wants_links_resolved(const Request& request) {
  return parse_flag(event_header(request.headers, "ResolveLinkTos").value_or("true")).value_or(true);
}

Response document(const MediaType& type, std::string body) {
  Response response;
  const bool text = type.representation != Representation::binary;
  response.headers.add("Content-Type", std::string(type.name) + (text ? "; charset=utf-8" : ""));
  response.headers.add("Vary", "Accept");
  response.body = std::move(body);
  return response;
}

Response description(const Request& request, const MediaType& type, std::string_view stream) {
  Response response = document(type, description_json(stream, request.path()));
  response.reason = "Description Document";
  response.status = accepts_anything(request.headers) ? 406 : 200;
  return response;
}

bool is_current(const Request& request, const std::string& etag) {
  std::string_view tag = trim(request.headers.get("If-None-Match").value_or(""));
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag == etag;
}

void set_caching(Response& response, bool final, const std::string& etag) {
  response.headers.add("Cache-Control", std::string(final ? keep_for_ever : ask_again));
  if (!final) response.headers.add("ETag", '"' + etag + '"');
}

/// The `number@stream` of a link event, parsed.
struct LinkTarget {
  std::string stream;
  std::uint64_t number;
};

std::optional<LinkTarget> parse_link(const Event& event) {
  const auto at = event.data.find('@');
  if (event.type != "$>" || at == std::string::npos || at + 1 == event.data.size()) return std::nullopt;
  const auto number = parse_number(std::string_view(event.data).substr(0, at));
  if (!number) return std::nullopt;
  return LinkTarget{event.data.substr(at + 1), *number};
}

Awaitable<Result<std::optional<RecordedEvent>>> read_one(EventLog& log, std::string stream, std::uint64_t number) {
  ReadStream read;
  read.stream = std::move(stream);
  read.from = number;
  read.max_count = 1;
  auto page = co_await log.read_stream(std::move(read));
  if (!page.ok()) co_return page.failure();
  const bool there = !page->events.empty() && page->events.front().revision == number;
  co_return there ? std::optional(std::move(page->events.front())) : std::nullopt;
}

std::size_t bytes_of(const std::vector<RecordedEvent>& events) {
  std::size_t bytes = 0;
  for (const RecordedEvent& each : events) bytes += each.event.data.size() + each.event.metadata.size();
  return bytes;
}

/// The events of one page of a feed, read piece by piece so that their size can be bounded. The head is the one that
/// fits the page's open end: the last seen forwards, the first seen backwards.
Awaitable<Result<StreamPage>> read_page(EventLog& log, std::string stream, FeedQuery query) {
  StreamPage page;
  std::size_t bytes = 0;
  std::optional<std::uint64_t> from = query.from;
  for (bool first = true; first || (!page.end && page.events.size() < query.count); first = false) {
    ReadStream read{stream, query.direction, from, std::min(piece_size, query.count - page.events.size())};
    auto piece = co_await log.read_stream(std::move(read));
    if (!piece.ok()) co_return piece.failure();
    bytes += bytes_of(piece->events);
    if (bytes > page_bytes_limit) {
      co_return Failure{FailureCode::rejected, "the page is larger than 64 MiB: ask for fewer events", {}};
    }
    if (first || query.direction == Direction::forwards) page.head = piece->head;
    const bool forwards = query.direction == Direction::forwards;
    if (!piece->events.empty()) from = piece->events.back().revision + (forwards ? 1 : -1);
    page.end = piece->end || piece->events.empty() || (!forwards && piece->events.back().revision == 0);
    std::move(piece->events.begin(), piece->events.end(), std::back_inserter(page.events));
  }
  co_return page;
}

std::string representation_of(const FeedItem& item, Representation representation, const FeedUrls& urls) {
  switch (representation) {
    case Representation::json: return data_json(item.event().event);
    case Representation::event: return envelope_json(item.event());
    case Representation::binary: return item.event().event.data;
    default: return entry_json(item, urls);
  }
}

}  // namespace

Awaitable<Response> StreamsApi::read_feed(std::string stream, FeedQuery query, Request request) const {
  const auto type = negotiate(request, feed_types());
  if (!type) co_return not_acceptable(request);
  const bool forwards = query.direction == Direction::forwards;
  if (type->representation == Representation::description && !forwards) co_return description(request, *type, stream);
  if (auto refusal = refuse_flags(request)) co_return *refusal;
  if (auto refusal = refuse_long_poll(request); refusal && forwards) co_return *refusal;

  auto result = co_await read_page(log_, stream, query);
  if (!result.ok()) co_return read_failure(result.failure());
  FeedPage page = make_page(query, std::move(*result));
  const std::string etag = etag_of(page.last, type->name);
  if (is_current(request, etag)) co_return text_response(304, "Not Modified");

  if (wants_links_resolved(request)) page.items = co_await resolve_links(std::move(page.items));
  if (options_.original_times) {
    for (FeedItem& item : page.items) restore_original_time(item.target ? item.target->event : item.found.event);
  }
  const Embed embed = parse_embed(query_value(request.query(), "embed").value_or(""));
  const std::string head_tag = etag_of(page.last, "application/vnd.eventstore.atom+json");
  Response response = document(*type, feed_json(page, stream, urls(request.headers), embed, head_tag));
  set_caching(response, page.is_final(), etag);
  co_return response;
}

Awaitable<Response> StreamsApi::read_event(std::string stream, std::string number, Request request) const {
  const auto type = negotiate(request, event_types());
  if (!type) co_return not_acceptable(request);
  if (auto refusal = refuse_flags(request)) co_return *refusal;
  const bool head = number == "head";
  const auto wanted = parse_number(number);
  if (!wanted && !head) co_return bad_request("'" + number + "' is not valid event number");

  ReadStream read{stream, head ? Direction::backwards : Direction::forwards, wanted, 1};
  auto page = co_await log_.read_stream(std::move(read));
  if (!page.ok()) co_return read_failure(page.failure());
  const bool there = !page->events.empty() && (head || page->events.front().revision == *wanted);
  if (!there) co_return text_response(404, "Not Found");

  const std::string etag = etag_of(page->events.front().revision, type->name);
  std::vector<FeedItem> items;
  items.push_back({std::move(page->events.front()), {}, {}});
  if (wants_links_resolved(request)) items = co_await resolve_links(std::move(items));
  FeedItem& item = items.front();
  if (item.is_link() && !item.target) co_return text_response(404, "Not Found");
  if (options_.original_times) restore_original_time(item.target ? item.target->event : item.found.event);
  Response response = document(*type, representation_of(item, type->representation, urls(request.headers)));
  set_caching(response, !head, etag);
  co_return response;
}

Awaitable<std::vector<FeedItem>> StreamsApi::resolve_links(std::vector<FeedItem> items) const {
  for (FeedItem& item : items) {
    const auto link = parse_link(item.found.event);
    if (!link) continue;
    item.link_title = std::to_string(link->number) + '@' + link->stream;
    auto target = co_await read_one(log_, link->stream, link->number);
    if (target.ok()) item.target = std::move(*target);
  }
  co_return items;
}

}  // namespace twinstream::http
