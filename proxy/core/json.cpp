#include "proxy/core/json.h"

#include "proxy/core/json_scanner.h"

namespace twinstream {
namespace {

constexpr std::string_view created_key = "\"$originalCreated\"";

/// Where things are in a document whose value is an object: its closing brace, and the last member that is called
/// `$originalCreated` and has a string.
class ObjectMap final : public JsonSink {
 public:
  explicit ObjectMap(std::string_view text) : text_(text) {}

  bool begin_object(std::size_t) override {
    ++depth_;
    return true;
  }
  bool key(std::string_view token) override {
    if (depth_ != 1) return true;
    ++members;
    key_at_created_ = token == created_key;
    if (key_at_created_) created_key_at_ = place(token);
    return true;
  }
  bool end_object(std::size_t at) override {
    brace = at;
    --depth_;
    return true;
  }
  bool begin_array(std::size_t) override {
    ++depth_;
    return depth_ > 1;
  }
  bool end_array(std::size_t) override {
    --depth_;
    return true;
  }
  bool string(std::string_view token) override {
    if (depth_ == 1 && key_at_created_) {
      created_begin = created_key_at_;
      created_end = place(token) + token.size();
      created_value = token.substr(1, token.size() - 2);
    }
    return depth_ > 0;
  }
  bool number(std::string_view) override { return depth_ > 0; }
  bool word(std::string_view) override { return depth_ > 0; }

  std::size_t members = 0;
  std::size_t brace = 0;
  std::string_view created_value;  ///< without its quotes
  std::size_t created_begin = 0;
  std::size_t created_end = 0;  ///< 0: there is no such member

 private:
  std::size_t place(std::string_view token) const { return static_cast<std::size_t>(token.data() - text_.data()); }

  std::string_view text_;
  std::size_t depth_ = 0;
  bool key_at_created_ = false;
  std::size_t created_key_at_ = 0;
};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// Takes the member out together with one comma: the one before it, or the one after it when it is the first.
std::string without_member(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t before = begin;
  while (is_space(text[before - 1])) --before;
  if (text[before - 1] == ',') {
    begin = before - 1;
  } else {
    std::size_t after = end;
    while (is_space(text[after])) ++after;
    if (text[after] == ',') end = after + 1;
  }
  return std::string(text.substr(0, begin)).append(text.substr(end));
}

}  // namespace

bool is_json_object(std::string_view text) {
  ObjectMap map(text);
  return scan_json(text, map);
}

std::optional<std::string> with_original_created(std::string_view metadata, Timestamp created) {
  const std::string time = to_rfc3339(created);
  if (!parse_rfc3339(time)) return std::nullopt;  // beyond the year 9999: strip_original_created would not know it
  const std::string member = std::string(created_key) + ":\"" + time + '"';
  if (metadata.empty()) return '{' + member + '}';
  ObjectMap map(metadata);
  if (!scan_json(metadata, map)) return std::nullopt;
  std::string result(metadata.substr(0, map.brace));
  if (map.members > 0) result += ',';
  return result.append(member).append(metadata.substr(map.brace));
}

StrippedMetadata strip_original_created(std::string_view metadata) {
  ObjectMap map(metadata);
  if (!scan_json(metadata, map) || map.created_end == 0) return {std::string(metadata), std::nullopt};
  const auto created = parse_rfc3339(map.created_value);
  if (!created) return {std::string(metadata), std::nullopt};
  return {without_member(metadata, map.created_begin, map.created_end), created};
}

}  // namespace twinstream
