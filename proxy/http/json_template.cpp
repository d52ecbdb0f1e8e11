#include "proxy/http/json_template.h"

#include <algorithm>
#include <array>
#include <optional>

#include "proxy/http/event_headers.h"
#include "proxy/http/json_text.h"
#include "proxy/http/json_walk.h"

namespace twinstream::http {
namespace {

constexpr std::string_view events_word = "$events";
constexpr std::uint64_t add_limit = 1'000'000;

/// The `{name}` or `{name+1}` at the front of `text`, with its braces, as opposed to the brace of an object.
std::string_view placeholder_at(std::string_view text) {
  const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+", 1);
  if (!text.starts_with('{') || end == std::string_view::npos || end == 1 || text[end] != '}') return {};
  return text.substr(0, end + 1);
}

/// Where a value stands unquoted, it gets quotes: then the template is plain JSON.
std::string quote_bare_values(std::string_view text) {
  std::string out;
  for (bool in_string = false; !text.empty();) {
    std::string_view taken = in_string ? std::string_view() : placeholder_at(text);
    if (!in_string && text.starts_with(events_word)) taken = events_word;
    if (!taken.empty()) {
      out.append(1, '"').append(taken).append(1, '"');
    } else {
      taken = text.substr(0, in_string && text[0] == '\\' ? 2 : 1);
      if (text[0] == '"') in_string = !in_string;
      out.append(taken);
    }
    text.remove_prefix(taken.size());
  }
  return out;
}

std::string_view without_quotes(std::string_view token) { return token.substr(1, token.size() - 2); }

}  // namespace

/// Cuts the string values of a template at their placeholders. Keys stay as they are.
class JsonTemplate::Compiler final : public JsonWalk {
 public:
  Compiler(std::string_view text, Use use, JsonTemplate& result) : text_(text), use_(use), result_(result) {}

  std::string problem;

  void finish() { result_.rest_ = text_.substr(done_); }
  bool key(std::string_view) override { return true; }

 private:
  bool open(bool, std::size_t) override { return true; }
  bool close(bool, std::size_t) override { return true; }

  bool scalar(std::string_view token) override {
    if (!token.starts_with('"')) return true;
    std::string_view inside = without_quotes(token);
    if (inside == events_word || placeholder_at(inside) == inside) return add(inside, token, true);
    while (!inside.empty()) {
      const auto placeholder = placeholder_at(inside);
      if (!placeholder.empty() && !add(placeholder, placeholder, false)) return false;
      inside.remove_prefix(std::max<std::size_t>(placeholder.size(), 1));
    }
    return true;
  }

  /// `token` is the text that the value replaces.
  bool add(std::string_view placeholder, std::string_view token, bool whole) {
    if (placeholder.empty()) return true;
    const auto begin = static_cast<std::size_t>(token.data() - text_.data());
    Part part{std::string(text_.substr(done_, begin - done_)), whole};
    if (!parse(placeholder, part)) {
      problem = "there is no " + std::string(placeholder) + " here";
      return false;
    }
    result_.parts_.push_back(std::move(part));
    done_ = begin + token.size();
    return true;
  }

  bool parse(std::string_view placeholder, Part& part) const {
    if (placeholder == events_word) {
      part.name = Name::events;
      return use_ == Use::response;
    }
    const std::string_view inside = without_quotes(placeholder);
    const auto plus = inside.find('+');
    const auto name = find_name(inside.substr(0, plus));
    if (!name) return false;
    part.name = *name;
    if (plus == std::string_view::npos) return true;
    const auto added = parse_number(inside.substr(plus + 1));
    part.add = added.value_or(0);
    return part.name == Name::revision && added && *added <= add_limit;
  }

  std::optional<Name> find_name(std::string_view text) const {
    struct Entry {
      std::string_view text;
      Name name;
      Use use;
    };
    constexpr std::array entries{
        Entry{"count", Name::count, Use::response},  Entry{"id", Name::id, Use::event},
        Entry{"type", Name::type, Use::event},       Entry{"data", Name::data, Use::event},
        Entry{"created", Name::created, Use::event}, Entry{"metadata", Name::metadata, Use::event}};
    if (text == "stream") return Name::stream;
    if (text == "revision") return Name::revision;
    for (const Entry& entry : entries) {
      if (entry.text == text && entry.use == use_) return entry.name;
    }
    return std::nullopt;
  }

  std::string_view text_;
  Use use_;
  JsonTemplate& result_;
  std::size_t done_ = 0;
};

Result<JsonTemplate> JsonTemplate::compile(std::string_view text, Use use) {
  const std::string json = quote_bare_values(text);
  if (!is_json(json)) return Failure{FailureCode::rejected, "the template with values filled in is not JSON", {}};
  JsonTemplate result;
  Compiler compiler(json, use, result);
  scan_json(json, compiler);
  if (!compiler.problem.empty()) return Failure{FailureCode::rejected, compiler.problem, {}};
  compiler.finish();
  return result;
}

template <class ValueOf>
std::string JsonTemplate::render(ValueOf value_of) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.text;
    const Value value = value_of(part);
    if (part.whole && value.json) {
      out += value.text;
    } else {
      const std::string quoted = quote_json(value.text);
      out += part.whole ? std::string_view(quoted) : without_quotes(quoted);
    }
  }
  return out += rest_;
}

std::string JsonTemplate::render_response(std::string_view stream, std::uint64_t last_revision, std::size_t count,
                                          std::string_view events, int base) const {
  return render([&](const Part& part) -> Value {
    switch (part.name) {
      case Name::count: return {std::to_string(count), true};
      case Name::events: return {std::string(events), true};
      case Name::revision: return {std::to_string(last_revision + static_cast<unsigned>(base) + part.add), true};
      default: return {std::string(stream), false};
    }
  });
}

std::string JsonTemplate::render_event(const RecordedEvent& recorded, int base) const {
  const Event& event = recorded.event;
  const auto json_or_string = [](const std::string& bytes) -> Value {
    return bytes.empty() ? Value{"null", true} : Value{bytes, is_json(bytes)};
  };
  return render([&](const Part& part) -> Value {
    switch (part.name) {
      case Name::revision: return {std::to_string(recorded.revision + static_cast<unsigned>(base) + part.add), true};
      case Name::id: return {event.id.to_string(), false};
      case Name::type: return {event.type, false};
      case Name::data:
        return event.content_type == ContentType::json ? json_or_string(event.data) : Value{event.data, false};
      case Name::metadata: return json_or_string(event.metadata);
      case Name::created: return {to_rfc3339(event.created.value_or(Timestamp{})), false};
      default: return {recorded.stream, false};
    }
  });
}

}  // namespace twinstream::http
