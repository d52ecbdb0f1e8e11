#include "proxy/http/append_mapping.h"

#include <charconv>

#include "proxy/http/event_body.h"
#include "proxy/http/event_headers.h"
#include "proxy/http/json_pointer.h"
#include "proxy/http/json_text.h"

namespace twinstream::http {
namespace {

using Kind = ValueSource::Kind;
/// What is wrong with the request, when something is.
using Complaint = std::optional<std::string>;

std::string refuse(const ValueSource& source, std::string_view field, std::string_view problem) {
  return std::string(field) + " (" + describe(source) + ") " + std::string(problem);
}

bool is_json_type(const Fields& headers) {
  const auto type = headers.get("Content-Type");
  if (!type) return true;
  const std::string_view name = trim(type->substr(0, type->find(';')));
  return name.ends_with("/json") || name.ends_with("+json");
}

Complaint check_json_body(const Route& route, const Request& request) {
  const bool is_data = route.config.data.kind == Kind::body && is_json_type(request.headers);
  if (!route.needs_json && !is_data) return std::nullopt;
  const auto at = json_error(request.body);
  if (!at) return std::nullopt;
  return "the body is not JSON at byte " + std::to_string(*at);
}

/// Makes the events of one request, an element at a time.
class EventReader {
 public:
  EventReader(const Route& route, const PathParameters& parameters, const Request& request)
      : route_(route.config),
        name_(route.name),
        request_(request),
        inputs_{request.headers, request.query(), parameters, request.body, request.body} {}

  Complaint read(AppendRequest& append) {
    const auto stream = text_value(route_.stream, inputs_);
    if (!stream) return refuse(route_.stream, "stream", "is missing");
    append.stream = *stream;
    if (auto refusal = read_expected(append.expected)) return refusal;
    return route_.events.kind == Kind::none ? read_event(append) : read_array(append);
  }

 private:
  Complaint read_expected(ExpectedRevision& expected) const {
    const auto text = text_value(route_.expected_revision, inputs_);
    if (!text) return std::nullopt;
    const auto parsed = parse_expected_revision(*text, route_.revision_base);
    if (!parsed) {
      return refuse(route_.expected_revision, "expected_revision", "must be a number, any, none or exists");
    }
    expected = *parsed;
    return std::nullopt;
  }

  Complaint read_array(AppendRequest& append) {
    const auto array = json_at(request_.body, route_.events.argument);
    if (!array || !array->starts_with('[')) return refuse(route_.events, "events", "must be an array");
    const auto elements = json_children(*array, batch_limit);
    if (!elements) return refuse(route_.events, "events", "has more than " + std::to_string(batch_limit));
    if (elements->empty()) return refuse(route_.events, "events", "is empty");
    for (const JsonChild& element : *elements) {
      inputs_.json = inputs_.body = element.value;
      if (auto refusal = read_event(append)) return "event " + std::to_string(append.events.size()) + ": " + *refusal;
    }
    return std::nullopt;
  }

  Complaint read_event(AppendRequest& append) const {
    Event event;
    const auto type = text_value(route_.type, inputs_);
    if (!type) return refuse(route_.type, "type", "is missing");
    event.type = *type;
    if (auto refusal = read_id(event.id, append)) return refusal;
    auto data = raw_value(route_.data, inputs_);
    if (!data) return refuse(route_.data, "data", "is missing");
    event.data = std::move(*data);
    event.content_type = is_json_data(event.data) ? ContentType::json : ContentType::binary;
    event.metadata = raw_value(route_.metadata, inputs_).value_or("");
    append.events.push_back(std::move(event));
    return std::nullopt;
  }

  Complaint read_id(EventId& id, const AppendRequest& append) const {
    if (const auto text = text_value(route_.id, inputs_)) {
      const auto parsed = parse_event_id(*text);
      if (!parsed) return refuse(route_.id, "id", "must be a UUID");
      id = *parsed;
      return std::nullopt;
    }
    const auto key = request_.headers.get("Idempotency-Key");
    id = key && !key->empty() ? derived_id(*key, append) : EventId::random();
    return std::nullopt;
  }

  EventId derived_id(std::string_view key, const AppendRequest& append) const {
    std::string name = name_ + '\n' + append.stream + '\n' + std::string(key);
    return EventId::derive(name.append(1, '\n').append(std::to_string(append.events.size())));
  }

  /// The body's type is said by the request; what comes from elsewhere is JSON when it reads as such.
  bool is_json_data(const std::string& data) const {
    switch (route_.data.kind) {
      case Kind::json: return true;
      case Kind::body: return route_.events.kind != Kind::none || is_json_type(request_.headers);
      default: return is_json(data);
    }
  }

  const RouteConfig& route_;
  const std::string& name_;
  const Request& request_;
  ValueInputs inputs_;
};

}  // namespace

std::optional<ExpectedRevision> parse_expected_revision(std::string_view text, int base) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (text == "any") return ExpectedRevision::any();
  if (text == "none") return ExpectedRevision::no_stream();
  if (text == "exists" || text == "*") return ExpectedRevision::stream_exists();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < base - 1) return std::nullopt;
  return ExpectedRevision::before(static_cast<std::uint64_t>(number - base + 1));
}

std::variant<AppendRequest, Response> read_append(const Route& route, const PathParameters& parameters,
                                                  const Request& request) {
  AppendRequest append;
  Complaint refusal = check_json_body(route, request);
  if (!refusal) refusal = EventReader(route, parameters, request).read(append);
  if (refusal) return error_response(400, std::move(*refusal));
  return append;
}

}  // namespace twinstream::http
