#include "proxy/core/json_scanner.h"

#include <utility>
#include <vector>

#include "proxy/core/utf8.h"

namespace twinstream {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// Stands for itself in a string, and is a character of its own.
bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

/// Walks the text with its own stack, so that depth costs no call frames.
class Scanner {
 public:
  Scanner(std::string_view text, JsonSink& sink) : text_(text), sink_(sink) {}

  bool run() {
    if (!value()) return false;
    while (!open_.empty()) {
      if (!continue_container()) return false;
    }
    skip_space();
    return at_ == text_.size();
  }

 private:
  /// What is open, and whether its first element is still to come.
  struct Container {
    bool object;
    bool fresh = true;
  };

  /// One step inside the innermost container: an element of it (which may open another one), or its end.
  bool continue_container() {
    const bool object = open_.back().object;
    const bool fresh = std::exchange(open_.back().fresh, false);
    skip_space();
    if (peek() == (object ? '}' : ']')) return close(object);
    if (!fresh && !take(',')) return false;
    return object ? member() : value();
  }

  bool close(bool object) {
    open_.pop_back();
    const std::size_t at = at_++;
    return object ? sink_.end_object(at) : sink_.end_array(at);
  }

  bool member() {
    skip_space();
    std::string_view token;
    if (!scan_string(token) || !sink_.key(token)) return false;
    skip_space();
    return take(':') && value();
  }

  bool value() {
    skip_space();
    std::string_view token;
    switch (peek()) {
      case '{': return open(true) && sink_.begin_object(at_++);
      case '[': return open(false) && sink_.begin_array(at_++);
      case '"': return scan_string(token) && sink_.string(token);
      case 't': return scan_word("true", token) && sink_.word(token);
      case 'f': return scan_word("false", token) && sink_.word(token);
      case 'n': return scan_word("null", token) && sink_.word(token);
      default: return scan_number(token) && sink_.number(token);
    }
  }

  bool open(bool object) {
    if (open_.size() >= json_depth_limit) return false;
    open_.push_back({object});
    return true;
  }

  bool scan_word(std::string_view word, std::string_view& token) {
    token = text_.substr(at_, word.size());
    at_ += token.size();
    return token == word;
  }

  bool scan_number(std::string_view& token) {
    const std::size_t begin = at_;
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    token = text_.substr(begin, at_ - begin);
    return true;
  }

  bool digits() {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ > begin;
  }

  bool scan_string(std::string_view& token) {
    const std::size_t begin = at_;
    if (!take('"')) return false;
    while (skip_plain(), at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        token = text_.substr(begin, ++at_ - begin);
        return true;
      }
      if (c < 0x20 || !(c == '\\' ? escape() : character(c))) return false;
    }
    return false;
  }

  /// Past all that needs no second look: most of most documents.
  void skip_plain() {
    const char* const end = text_.data() + text_.size();
    const char* at = text_.data() + at_;
    while (at < end && is_plain(static_cast<unsigned char>(*at))) ++at;
    at_ = static_cast<std::size_t>(at - text_.data());
  }

  bool character(unsigned char c) {
    const std::size_t length = c < 0x80 ? 1 : utf8_sequence(text_.substr(at_));
    at_ += length;
    return length > 0;
  }

  bool escape() {
    ++at_;
    const char c = peek();
    ++at_;
    if (c != 'u') return c != '\0' && std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i) {
      if (!is_hex_digit(peek())) return false;
      ++at_;
    }
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  JsonSink& sink_;
  std::size_t at_ = 0;
  std::vector<Container> open_;
};

}  // namespace

bool scan_json(std::string_view text, JsonSink& sink) { return Scanner(text, sink).run(); }

}  // namespace twinstream
