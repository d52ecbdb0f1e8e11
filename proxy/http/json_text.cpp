#include "proxy/http/json_text.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <utility>

#include "proxy/core/utf8.h"
#include "proxy/http/json_walk.h"

namespace twinstream::http {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::size_t end_of(std::string_view text, std::string_view token) {
  return static_cast<std::size_t>(token.data() - text.data()) + token.size();
}

/// Remembers the end of what was accepted, and which separator may follow it.
class ErrorFinder final : public JsonWalk {
 public:
  explicit ErrorFinder(std::string_view text) : text_(text) {}

  std::size_t first_misfit() const {
    std::size_t at = skip_space(end_);
    if (separator_ != '\0' && at < text_.size() && text_[at] == separator_) at = skip_space(at + 1);
    return at;
  }

  bool key(std::string_view token) override { return accept(end_of(text_, token), ':'); }

 private:
  bool open(bool, std::size_t at) override {
    ++depth_;
    return accept(at + 1, '\0');
  }
  bool close(bool, std::size_t at) override {
    --depth_;
    return accept(at + 1, ',');
  }
  bool scalar(std::string_view token) override { return accept(end_of(text_, token), ','); }

  bool accept(std::size_t end, char separator) {
    end_ = end;
    separator_ = depth_ == 0 ? '\0' : separator;
    return true;
  }

  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at;
  }

  std::string_view text_;
  std::size_t depth_ = 0;
  std::size_t end_ = 0;
  char separator_ = '\0';
};

class ChildCollector final : public JsonWalk {
 public:
  ChildCollector(std::string_view text, std::size_t limit) : text_(text), limit_(limit) {}

  std::vector<JsonChild> children;

  bool key(std::string_view token) override {
    if (depth_ == 1) key_ = token;
    return true;
  }

 private:
  bool open(bool, std::size_t at) override {
    if (++depth_ == 2) begin_ = at;
    return true;
  }
  bool close(bool, std::size_t at) override {
    --depth_;
    return depth_ != 1 || add(text_.substr(begin_, at + 1 - begin_));
  }
  bool scalar(std::string_view token) override {
    if (depth_ == 0) return false;
    return depth_ > 1 || add(token);
  }
  bool add(std::string_view value) {
    children.push_back({key_, value});
    return children.size() <= limit_;
  }

  std::string_view text_;
  std::size_t limit_;
  std::size_t depth_ = 0;
  std::size_t begin_ = 0;
  std::string_view key_;
};

class Indenter final : public JsonWalk {
 public:
  explicit Indenter(std::size_t limit) : limit_(limit) {}

  std::string out;

  bool key(std::string_view token) override {
    separate();
    out.append(token).append(": ");
    after_key_ = true;
    return fits();
  }

 private:
  bool open(bool object, std::size_t) override {
    separate();
    out += object ? '{' : '[';
    ++depth_;
    fresh_ = true;
    return fits();
  }
  bool close(bool object, std::size_t) override {
    --depth_;
    if (!fresh_) new_line();
    out += object ? '}' : ']';
    fresh_ = false;
    return fits();
  }
  bool scalar(std::string_view token) override {
    separate();
    out.append(token);
    return fits();
  }

  void separate() {
    const bool first = std::exchange(fresh_, false);
    if (std::exchange(after_key_, false) || depth_ == 0) return;
    if (!first) out += ',';
    new_line();
  }
  void new_line() { out.append(1, '\n').append(2 * depth_, ' '); }

  bool fits() const { return out.size() <= limit_; }

  std::size_t limit_;
  std::size_t depth_ = 0;
  bool fresh_ = false;
  bool after_key_ = false;
};

void append_escaped(std::string& out, char c) {
  constexpr char digits[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (static_cast<unsigned char>(c) >= 0x20) {
    out += c;
    return;
  }
  out.append("\\u00").append(1, digits[c >> 4]).append(1, digits[c & 15]);
}

}  // namespace

std::optional<std::size_t> json_error(std::string_view text) {
  ErrorFinder finder(text);
  if (scan_json(text, finder)) return std::nullopt;
  return finder.first_misfit();
}

std::optional<std::vector<JsonChild>> json_children(std::string_view text, std::size_t limit) {
  ChildCollector collector(text, limit);
  if (!scan_json(text, collector)) return std::nullopt;
  return std::move(collector.children);
}

std::optional<std::string> decode_json_string(std::string_view token) {
  if (token.find('\\') == std::string_view::npos) return std::string(token.substr(1, token.size() - 2));
  boost::system::error_code error;
  const auto value = boost::json::parse(token, error);
  if (error || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

std::string quote_json(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  while (!text.empty()) {
    const std::size_t size = utf8_sequence(text);
    if (size == 0) out += "\xEF\xBF\xBD";
    if (size == 1) append_escaped(out, text[0]);
    if (size > 1) out.append(text.substr(0, size));
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out += '"';
  return out;
}

std::optional<std::string> indent_json(std::string_view text, std::size_t limit) {
  Indenter indenter(limit);
  indenter.out.reserve(std::min(limit, text.size() + text.size() / 4));
  if (!scan_json(text, indenter)) return std::nullopt;
  return std::move(indenter.out);
}

std::string pretty_json(std::string_view text) {
  constexpr std::size_t small = 64 * 1024;
  auto indented = indent_json(text, small + 4 * text.size());
  return indented ? std::move(*indented) : std::string(text);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  text_.append(quote_json(name)).append(1, ':');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  text_.append(json);
  return *this;
}

JsonWriter& JsonWriter::begin(char bracket) {
  separate();
  text_ += bracket;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
  text_ += bracket;
  first_ = false;
  return *this;
}

void JsonWriter::separate() {
  if (!std::exchange(first_, false)) text_ += ',';
}

}  // namespace twinstream::http
