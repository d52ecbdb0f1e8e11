#pragma once

#include <string>
#include <string_view>

#include "proxy/core/event_log.h"
#include "proxy/http/message.h"

// The answers of the event API as the EventStore reference gives them (sections 5.4 to 5.6, 6.2, 9.1, 10).

namespace twinstream::http {

/// An answer whose meaning is in status and reason phrase; the text is for people.
Response text_response(int status, std::string reason, std::string text = {});
inline Response bad_request(std::string text) { return text_response(400, "Bad Request", std::move(text)); }

/// `reason` of a trailing slash redirect and of a missing event id differ, so does what may be cached.
Response redirect(std::string location, std::string text);

/// What a failed append or delete is to the client.
Response write_failure(const Failure& failure);
/// What a failed read is to the client.
Response read_failure(const Failure& failure);

/// `Twinstream-Mirror: done` or `pending`; nothing for none.
void add_mirror_state(Response& response, MirrorState state);

inline constexpr std::string_view retry_after_seconds = "1";

}  // namespace twinstream::http
