#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include "proxy/core/json.h"
#include "proxy/core/json_scanner.h"
#include "proxy/core/utf8.h"

// How: one scan writes every token in canonical form, separators included, in the order of the text. Objects whose
// keys are already in order (all that PostgreSQL printed) are then finished. The others are remembered by the places
// of their members and put in order while the text is copied once: the work is linear, whatever the nesting.

namespace twinstream {
namespace {

/// `1e131071` is eight bytes that print as 131,072: what we are willing to print for one document.
constexpr std::size_t output_limit = std::size_t{64} << 20;

// Limits of PostgreSQL's numeric.
constexpr std::int64_t exponent_limit = 1'073'741'823;
constexpr std::int64_t integer_digits_limit = 131'072;
constexpr std::int64_t scale_limit = 16'383;

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Member {
  Span key;    ///< decoded, in the buffer of keys
  Span whole;  ///< key and value, in the text
};

struct UnsortedObject {
  Span inside;  ///< between the braces
  std::vector<Member> members;
};

// ---- Numbers ----

struct Number {
  bool negative = false;
  std::string_view integer;
  std::string_view fraction;
  std::int64_t exponent = 0;
};

std::optional<std::int64_t> parse_exponent(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value >= exponent_limit || value <= -exponent_limit) return std::nullopt;
  return value;
}

std::optional<Number> split_number(std::string_view token) {
  Number number;
  number.negative = token.starts_with('-');
  if (number.negative) token.remove_prefix(1);
  if (const auto e = token.find_first_of("eE"); e != std::string_view::npos) {
    const auto exponent = parse_exponent(token.substr(e + 1));
    if (!exponent) return std::nullopt;
    number.exponent = *exponent;
    token = token.substr(0, e);
  }
  const auto point = token.find('.');
  number.integer = token.substr(0, point);
  if (point != std::string_view::npos) number.fraction = token.substr(point + 1);
  return number;
}

/// The digits with the point moved by the exponent: no exponent, scale kept, no leading zeros, no sign on zero.
bool append_number(std::string& out, std::string_view token) {
  const auto number = split_number(token);
  if (!number) return false;
  const auto fraction_size = static_cast<std::int64_t>(number->fraction.size());
  const std::int64_t scale = std::max<std::int64_t>(0, fraction_size - number->exponent);
  if (scale > scale_limit) return false;

  std::string digits(number->integer);
  digits += number->fraction;
  const std::size_t leading_zeros = std::min(digits.find_first_not_of('0'), digits.size());
  const bool zero = leading_zeros == digits.size();
  digits.erase(0, leading_zeros);
  const std::int64_t padding = zero ? 0 : std::max<std::int64_t>(0, number->exponent - fraction_size);
  const std::int64_t integer_digits = static_cast<std::int64_t>(digits.size()) + padding - scale;
  if (integer_digits > integer_digits_limit) return false;

  digits.append(static_cast<std::size_t>(padding), '0');
  if (integer_digits < 1) digits.insert(0, static_cast<std::size_t>(1 - integer_digits), '0');
  if (number->negative && !zero) out += '-';
  const std::size_t point = digits.size() - static_cast<std::size_t>(scale);
  out.append(digits, 0, point);
  if (scale > 0) out.append(1, '.').append(digits, point);
  return true;
}

// ---- Strings ----

std::uint32_t parse_hex4(std::string_view text) {
  std::uint32_t value = 0;
  const std::string_view digits = text.substr(0, 4);
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

/// Of `\uXXXX` at the front of `text`, or of a surrogate pair of them; `text` is moved past it. Nothing for \u0000 and
/// lone surrogates.
std::optional<std::uint32_t> take_unicode_escape(std::string_view& text) {
  const std::uint32_t first = parse_hex4(text.substr(2));
  text.remove_prefix(6);
  if (first == 0 || (first >= 0xdc00 && first <= 0xdfff)) return std::nullopt;
  if (first < 0xd800 || first > 0xdbff) return first;
  if (!text.starts_with("\\u")) return std::nullopt;
  const std::uint32_t second = parse_hex4(text.substr(2));
  if (second < 0xdc00 || second > 0xdfff) return std::nullopt;
  text.remove_prefix(6);
  return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

char simple_escape(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

bool append_decoded(std::string& out, std::string_view token) {
  std::string_view rest = token.substr(1, token.size() - 2);
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    out.append(rest, 0, plain);
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    if (rest[1] == 'u') {
      const auto code_point = take_unicode_escape(rest);
      if (!code_point) return false;
      append_utf8(out, *code_point);
    } else {
      out += simple_escape(rest[1]);
      rest.remove_prefix(2);
    }
  }
  return true;
}

void append_quoted(std::string& out, std::string_view decoded) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  for (char c : decoded) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out.append("\\u00").append(1, digits[c >> 4]).append(1, digits[c & 15]);
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

// ---- The first pass ----

class CanonicalWriter final : public JsonSink {
 public:
  bool begin_object(std::size_t) override {
    separate();
    text += '{';
    open_.push_back({true, text.size(), members_.size(), keys.size(), unsorted.size()});
    return true;
  }

  bool key(std::string_view token) override {
    finish_member();
    separate();
    Member& member = members_.emplace_back();
    member.whole.begin = text.size();
    member.key.begin = keys.size();
    if (!append_decoded(keys, token)) return false;
    member.key.end = keys.size();
    append_quoted(text, std::string_view(keys).substr(member.key.begin));
    text += ": ";
    after_key_ = true;
    return fits();
  }

  bool end_object(std::size_t) override {
    finish_member();
    remember_if_unsorted();
    members_.resize(open_.back().first_member);
    open_.pop_back();
    text += '}';
    return fits();
  }

  bool begin_array(std::size_t) override {
    separate();
    text += '[';
    open_.push_back({false, text.size(), members_.size(), keys.size(), unsorted.size()});
    return true;
  }

  bool end_array(std::size_t) override {
    open_.pop_back();
    text += ']';
    return true;
  }

  bool string(std::string_view token) override {
    separate();
    scratch_.clear();
    if (!append_decoded(scratch_, token)) return false;
    append_quoted(text, scratch_);
    return fits();
  }

  bool number(std::string_view token) override {
    separate();
    return append_number(text, token) && fits();
  }

  bool word(std::string_view token) override {
    separate();
    text += token;
    return true;
  }

  bool before(const Member& a, const Member& b) const {
    const std::size_t a_size = a.key.end - a.key.begin, b_size = b.key.end - b.key.begin;
    return a_size != b_size ? a_size < b_size : key_of(a) < key_of(b);
  }
  std::string_view key_of(const Member& member) const {
    return std::string_view(keys).substr(member.key.begin, member.key.end - member.key.begin);
  }

  std::string text;
  std::string keys;                      ///< the decoded keys, one after the other
  std::vector<UnsortedObject> unsorted;  ///< inner ones before those around them

 private:
  struct Container {
    bool object;
    std::size_t begin;         ///< in the text, after the bracket
    std::size_t first_member;  ///< in members_
    std::size_t first_key;     ///< in keys
    std::size_t first_unsorted;
  };

  /// Writes the comma between two elements; nothing before the first one and before a member's value.
  void separate() {
    if (after_key_) {
      after_key_ = false;
    } else if (!open_.empty() && text.size() > open_.back().begin) {
      text += ", ";
    }
  }

  void finish_member() {
    if (members_.size() > open_.back().first_member) members_.back().whole.end = text.size();
  }

  void remember_if_unsorted() {
    const auto first = members_.begin() + static_cast<std::ptrdiff_t>(open_.back().first_member);
    const auto disorder =
        std::adjacent_find(first, members_.end(), [this](const Member& a, const Member& b) { return !before(a, b); });
    if (disorder != members_.end()) {
      unsorted.push_back({{open_.back().begin, text.size()}, {first, members_.end()}});
    } else if (unsorted.size() == open_.back().first_unsorted) {
      keys.resize(open_.back().first_key);  // nobody needs them any more
    }
  }

  bool fits() const { return text.size() <= output_limit; }

  std::string scratch_;
  std::vector<Container> open_;
  std::vector<Member> members_;  ///< of all open objects
  bool after_key_ = false;
};

// ---- Looking only ----

class FitChecker final : public JsonSink {
 public:
  bool begin_object(std::size_t) override { return count(2); }
  bool key(std::string_view token) override { return string(token); }
  bool end_object(std::size_t) override { return true; }
  bool begin_array(std::size_t) override { return count(2); }
  bool end_array(std::size_t) override { return true; }
  bool string(std::string_view token) override {
    if (token.find('\\') == std::string_view::npos) return count(token.size());
    scratch_.clear();
    return append_decoded(scratch_, token) && count(token.size());
  }
  bool number(std::string_view token) override {
    scratch_.clear();
    return append_number(scratch_, token) && count(scratch_.size());
  }
  bool word(std::string_view token) override { return count(token.size()); }

 private:
  /// No less than what is printed: escapes are printed no longer than they were given; two for a separator.
  bool count(std::size_t bytes) { return (printed_ += bytes + 2) <= output_limit; }

  std::string scratch_;
  std::size_t printed_ = 0;
};

// ---- The second pass ----

class Sorter {
 public:
  explicit Sorter(CanonicalWriter& written) : written_(written) {
    std::sort(written_.unsorted.begin(), written_.unsorted.end(),
              [](const auto& a, const auto& b) { return a.inside.begin < b.inside.begin; });
  }

  std::string run() {
    out_.reserve(written_.text.size());
    copy({0, written_.text.size()});
    return std::move(out_);
  }

 private:
  /// Recursion is bounded by json_depth_limit.
  void copy(Span span) {
    auto next = first_inside(span);
    while (next != written_.unsorted.end() && next->inside.begin < span.end) {
      copy_text({span.begin, next->inside.begin});
      copy_sorted(*next);
      span.begin = next->inside.end;
      next = first_inside(span);
    }
    copy_text(span);
  }

  /// A span begins at a quote or a closing brace, never inside the braces of an object that is still to be copied.
  std::vector<UnsortedObject>::iterator first_inside(Span span) {
    return std::upper_bound(written_.unsorted.begin(), written_.unsorted.end(), span.begin,
                            [](std::size_t at, const auto& object) { return at < object.inside.begin; });
  }

  void copy_sorted(UnsortedObject& object) {
    auto& members = object.members;
    std::sort(members.begin(), members.end(), [this](const Member& a, const Member& b) {
      if (written_.before(a, b)) return true;
      return !written_.before(b, a) && a.whole.begin < b.whole.begin;
    });
    bool first = true;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const bool repeated = i + 1 < members.size() && written_.key_of(members[i]) == written_.key_of(members[i + 1]);
      if (repeated) continue;  // the last one wins
      if (!first) out_ += ", ";
      first = false;
      copy(members[i].whole);
    }
  }

  void copy_text(Span span) { out_.append(written_.text, span.begin, span.end - span.begin); }

  CanonicalWriter& written_;
  std::string out_;
};

}  // namespace

bool fits_jsonb(std::string_view text) {
  FitChecker checker;
  return scan_json(text, checker);
}

std::optional<std::string> canonical_json(std::string_view text) {
  CanonicalWriter writer;
  if (!scan_json(text, writer)) return std::nullopt;
  if (writer.unsorted.empty()) return std::move(writer.text);
  return Sorter(writer).run();
}

}  // namespace twinstream
