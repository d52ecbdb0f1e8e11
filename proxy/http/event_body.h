#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/core/event.h"
#include "proxy/http/negotiation.h"

namespace twinstream::http {

/// Why a body gives no events, for the client.
struct BodyError {
  int status;
  std::string reason;  ///< the reason phrase
  std::string text;
};

using EventsOrError = std::variant<std::vector<Event>, BodyError>;

/// A body that is the data of one event. JSON is stored as sent; text that claims to be JSON and is not is refused with
/// its place, because not every table could hold it.
EventsOrError single_event(BodyType type, std::string body, EventId id, std::string event_type);

/// A body of type events+json: an array of objects with eventId, eventType, data and metadata (names in any case).
/// Objects and arrays are stored with two-space indentation, scalars in them as sent.
EventsOrError event_batch(std::string_view body);

inline constexpr std::size_t event_bytes_limit = 4 * 1024 * 1024;   ///< data and metadata of one event
inline constexpr std::size_t batch_limit = 10'000;                  ///< events of one request
inline constexpr std::size_t batch_bytes_limit = 32 * 1024 * 1024;  ///< data and metadata of one request

}  // namespace twinstream::http
