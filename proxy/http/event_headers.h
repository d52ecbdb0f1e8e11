#pragma once

#include <optional>
#include <string_view>

#include "proxy/core/event_log.h"
#include "proxy/http/message.h"

namespace twinstream::http {

/// A header of the event API by the end of its name (`EventType`): `Kurrent-` is looked at first, `ES-` second.
std::optional<std::string_view> event_header(const Fields& headers, std::string_view name);

/// -4 stream exists, -2 any, -1 no stream, from 0 exact; nothing for all else.
std::optional<ExpectedRevision> parse_expected_version(std::string_view text);

/// A non-zero UUID.
std::optional<EventId> parse_event_id(std::string_view text);

/// `true` or `false` in any case.
std::optional<bool> parse_flag(std::string_view text);

/// The whole text is a decimal number that fits 63 bits.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// `scheme://host:port/prefix` as the client knows us: the X-Forwarded fields, else Host.
std::string public_base(const Fields& headers);

}  // namespace twinstream::http
