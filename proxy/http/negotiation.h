#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "proxy/http/message.h"

// Media types of the event API. Both families of names (`vnd.eventstore`, `vnd.kurrent`) mean the same.

namespace twinstream::http {

enum class BodyType { json, binary, xml, batch };

/// What the body is by its Content-Type; nothing when the type is missing, unknown or not in UTF-8.
std::optional<BodyType> body_type(const Fields& headers);

enum class Representation { description, atom, json, event, binary, empty };

struct MediaType {
  std::string_view name;
  Representation representation;
};

/// What the routes of the event API can answer with, in order of preference.
std::span<const MediaType> feed_types();
std::span<const MediaType> event_types();
std::span<const MediaType> write_types();

/// The offer that fits the `format` of the query, else the best of Accept, else (neither is there) the first.
std::optional<MediaType> negotiate(const Request& request, std::span<const MediaType> offers);

/// Whether the client takes anything: no Accept, or `*/*` in it.
bool accepts_anything(const Fields& headers);

}  // namespace twinstream::http
