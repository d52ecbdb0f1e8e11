#include "proxy/http/event_body.h"

#include <algorithm>

#include "proxy/http/event_headers.h"
#include "proxy/http/json_text.h"

namespace twinstream::http {
namespace {

BodyError invalid(std::string text) { return {400, "Bad Request", std::move(text)}; }

BodyError not_json(std::size_t at) {
  return invalid("Write request body invalid. It is not JSON at byte " + std::to_string(at) + ".");
}

BodyError too_large() { return {413, "Too large events received. Limit is 4mb", ""}; }

std::optional<BodyError> check(const Event& event) {
  if (event.id.is_nil()) return invalid("Empty eventId provided.");
  if (event.type.empty()) return invalid("Empty eventType provided.");
  if (event.data.size() + event.metadata.size() > event_bytes_limit) return too_large();
  return std::nullopt;
}

bool is_container(std::string_view json) { return json.starts_with('{') || json.starts_with('['); }

struct Part {
  std::string bytes;
  bool json = false;
};

std::optional<Part> indented(std::string_view json) {
  auto bytes = indent_json(json, event_bytes_limit);
  if (!bytes) return std::nullopt;
  return Part{std::move(*bytes), true};
}

/// Data or metadata from its JSON value, as the reference does it: numbers, booleans and null are lost. Nothing when it
/// is too large.
std::optional<Part> part_of(std::string_view value) {
  if (is_container(value)) return indented(value);
  if (!value.starts_with('"')) return Part{};
  std::string text = decode_json_string(value).value_or("");
  if (is_container(trim(text)) && is_json(text)) return indented(text);
  return Part{std::move(text), false};
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string text_of(std::string_view value) {
  return value.starts_with('"') ? decode_json_string(value).value_or("") : std::string();
}

EventsOrError batch_event(std::string_view element) {
  const auto members = json_children(element, batch_limit);
  if (!element.starts_with('{') || !members) return invalid("Write request body invalid.");
  Event event;
  bool json = false;
  for (const auto& [key, value] : *members) {
    const std::string name = lower_case(decode_json_string(key).value_or(""));
    if (name == "eventtype") event.type = text_of(value);
    if (name == "eventid") {
      const std::string text = text_of(value);
      const auto id = EventId::parse(text);
      if (!id && !text.empty()) return invalid("Write request body invalid. An eventId is not a UUID.");
      event.id = id.value_or(EventId{});
    }
    if (name != "data" && name != "metadata") continue;
    auto part = part_of(value);
    if (!part) return too_large();
    json = json || part->json;
    (name == "data" ? event.data : event.metadata) = std::move(part->bytes);
  }
  event.content_type = json ? ContentType::json : ContentType::binary;
  if (auto error = check(event)) return *error;
  return std::vector<Event>{std::move(event)};
}

}  // namespace

EventsOrError single_event(BodyType type, std::string body, EventId id, std::string event_type) {
  Event event;
  event.id = id;
  event.type = std::move(event_type);
  event.data = std::move(body);
  event.content_type = type == BodyType::json ? ContentType::json : ContentType::binary;
  if (type == BodyType::json) {
    if (const auto at = json_error(event.data)) return not_json(*at);
  }
  if (auto error = check(event)) return *error;
  return std::vector<Event>{std::move(event)};
}

EventsOrError event_batch(std::string_view body) {
  if (const auto at = json_error(body)) return not_json(*at);
  const auto elements = json_children(body, batch_limit);
  if (!trim(body).starts_with('[') || !elements || elements->empty()) {
    return invalid("Write request body invalid.");
  }
  std::vector<Event> events;
  std::size_t bytes = 0;
  for (const auto& element : *elements) {
    auto event = batch_event(element.value);
    if (auto* error = std::get_if<BodyError>(&event)) return std::move(*error);
    events.push_back(std::move(std::get<std::vector<Event>>(event).front()));
    bytes += events.back().data.size() + events.back().metadata.size();
    if (bytes > batch_bytes_limit) return BodyError{413, "Too large batch received. Limit is 32mb", ""};
  }
  return events;
}

}  // namespace twinstream::http
