#include "proxy/http/json_pointer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/core/json.h"
#include "proxy/http/json_text.h"
#include "proxy/http/json_walk.h"

namespace twinstream::http {
namespace {

constexpr std::size_t printed_pointer_limit = 200;

std::string unescape(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size();
    out += escape ? (token[++i] == '1' ? '/' : '~') : token[i];
  }
  return out;
}

std::string escape(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~') out += "~0";
    if (c == '/') out += "~1";
    if (c != '~' && c != '/') out += c;
  }
  return out;
}

std::vector<std::string> split(std::string_view pointer) {
  std::vector<std::string> tokens;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto token = pointer.substr(0, pointer.find('/'));
    tokens.push_back(unescape(token));
    pointer.remove_prefix(token.size());
  }
  return tokens;
}

/// Follows one path through the text. Containers on the path are levels; all others are only counted.
class Follower final : public JsonWalk {
 public:
  Follower(std::string_view text, std::vector<std::string> path) : text_(text), path_(std::move(path)) {}

  std::optional<std::string_view> found;

  bool key(std::string_view token) override {
    if (elsewhere_ == 0) levels_.back().hit = decode_json_string(token) == path_[levels_.size() - 1];
    return true;
  }

 private:
  struct Level {
    bool object;
    bool hit = false;
    std::size_t index = 0;
  };

  bool open(bool object, std::size_t at) override {
    if (elsewhere_ > 0 || !step()) {
      ++elsewhere_;
    } else if (levels_.size() == path_.size()) {
      begin_ = at;
      capturing_ = true;
      ++elsewhere_;
    } else {
      levels_.push_back({object});
    }
    return true;
  }

  bool close(bool, std::size_t at) override {
    if (elsewhere_ == 0) {
      levels_.pop_back();
    } else if (--elsewhere_ == 0 && std::exchange(capturing_, false)) {
      found = text_.substr(begin_, at + 1 - begin_);
    }
    return true;
  }

  bool scalar(std::string_view token) override {
    if (elsewhere_ == 0 && step() && levels_.size() == path_.size()) found = token;
    return true;
  }

  /// Whether the value that begins now is on the path. A later member of the same name takes the earlier one's place.
  bool step() {
    if (levels_.empty()) return true;
    Level& level = levels_.back();
    const bool hit = level.object ? level.hit : std::to_string(level.index++) == path_[levels_.size() - 1];
    if (hit) found.reset();
    return hit;
  }

  std::string_view text_;
  std::vector<std::string> path_;
  std::vector<Level> levels_;
  std::size_t elsewhere_ = 0;  ///< open containers that are not on the path, or are the target
  bool capturing_ = false;
  std::size_t begin_ = 0;
};

/// Finds what stands at, or first after, one byte of the text.
class Locator final : public JsonWalk {
 public:
  Locator(std::string_view text, std::size_t offset) : text_(text), offset_(offset) {}

  bool inside = false;  ///< the byte belongs to it; the end of a container belongs to nothing
  std::string pointer;

  bool key(std::string_view token) override {
    names_.back().name = decode_json_string(token).value_or("?");
    return !reached(token);
  }

 private:
  struct Name {
    bool object;
    std::string name;
    std::size_t index = 0;
  };

  bool open(bool object, std::size_t at) override {
    if (reached(text_.substr(at, 1))) return false;
    names_.push_back({object, {}});
    return true;
  }
  bool close(bool, std::size_t at) override {
    names_.pop_back();
    if (reached(text_.substr(at, 1))) return inside = false;
    next();
    return true;
  }
  bool scalar(std::string_view token) override {
    if (reached(token)) return false;
    next();
    return true;
  }

  void next() {
    if (!names_.empty() && !names_.back().object) ++names_.back().index;
  }

  bool reached(std::string_view token) {
    const auto begin = static_cast<std::size_t>(token.data() - text_.data());
    if (begin + token.size() <= offset_) return false;
    inside = begin <= offset_;
    for (const auto& [object, name, index] : names_) {
      pointer.append(1, '/').append(object ? escape(name) : std::to_string(index));
    }
    return true;
  }

  std::string_view text_;
  std::size_t offset_;
  std::vector<Name> names_;
};

std::string printable(std::string pointer) {
  if (pointer.empty()) return "the whole value";
  if (pointer.size() > printed_pointer_limit) pointer = pointer.substr(0, printed_pointer_limit) + "...";
  return pointer;
}

}  // namespace

std::optional<std::string_view> json_at(std::string_view text, std::string_view pointer) {
  Follower follower(text, split(pointer));
  scan_json(text, follower);
  return follower.found;
}

std::optional<std::string> first_json_difference(std::string_view left, std::string_view right) {
  const auto a = canonical_json(left);
  const auto b = canonical_json(right);
  if (!a || !b) return left == right ? std::nullopt : std::optional<std::string>("the whole value");
  if (*a == *b) return std::nullopt;
  // Canonical texts are equal up to the difference, so its place is the same in both; what stands there may not be.
  const auto mismatch = std::mismatch(a->begin(), a->end(), b->begin(), b->end());
  const auto offset = static_cast<std::size_t>(mismatch.first - a->begin());
  Locator in_a(*a, offset);
  Locator in_b(*b, offset);
  scan_json(*a, in_a);
  scan_json(*b, in_b);
  const bool prefer_b = in_b.inside != in_a.inside ? in_b.inside : in_b.pointer.size() > in_a.pointer.size();
  return printable(prefer_b ? in_b.pointer : in_a.pointer);
}

}  // namespace twinstream::http
