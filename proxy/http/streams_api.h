#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/http/feed.h"
#include "proxy/http/message.h"
#include "proxy/http/negotiation.h"

namespace twinstream::http {

struct StreamsApiOptions {
  std::string path = "/streams";
  /// Give events their original time back and take `$originalCreated` out of their metadata.
  bool original_times = false;
};

/// The HTTP event API of EventStore over an event log, in JSON. Differences to the reference server:
///  - data sent as application/json must be JSON; 413 writes nothing; counts above 4096 answer 400;
///  - stored JSON keeps the spelling of numbers and strings;
///  - `ES-ResolveLinkTos: false` is honoured; ES-LongPoll is checked and answered at once;
///  - XML feeds (406), XML batches (415), `$all` and stream metadata (404) are not served; no CORS fields are sent;
///  - Twinstream-Mirror tells whether an append has reached the follower; 409 tells of an event id that is taken.
/// Thread safe. The log must outlive it; it must outlive its answers.
class StreamsApi {
 public:
  StreamsApi(EventLog& log, StreamsApiOptions options) : log_(log), options_(std::move(options)) {}

  bool serves(std::string_view path) const;
  Awaitable<Response> handle(Request request) const;

 private:
  Awaitable<Response> append(std::string stream, Request request) const;
  Awaitable<Response> append_with_id(std::string stream, std::string guid, Request request) const;
  Awaitable<Response> write(AppendRequest append, std::string streams_url) const;
  Awaitable<Response> remove(std::string stream, Request request) const;
  Awaitable<Response> read_feed(std::string stream, FeedQuery query, Request request) const;
  Awaitable<Response> read_event(std::string stream, std::string number, Request request) const;
  Awaitable<std::vector<FeedItem>> resolve_links(std::vector<FeedItem> items) const;
  Awaitable<Response> on_stream(std::string stream, Request request) const;
  Awaitable<Response> on_part(std::vector<std::string> parts, Request request) const;

  FeedUrls urls(const Fields& headers) const;

  EventLog& log_;
  StreamsApiOptions options_;
};

}  // namespace twinstream::http
