#include "proxy/http/parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <limits>
#include <optional>

#include "proxy/http/head_checks.h"

namespace twinstream::http {
namespace {

namespace beast = boost::beast::http;
using boost::system::error_code;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

void take_start_line(RequestHead& head, std::string_view method, std::string_view target, int version) {
  head.method = method;
  head.target = target;
  head.version = version;
}

/// Beast's grammar with a sink that keeps views instead of copies.
template <class Head>
class Grammar final : public beast::basic_parser<std::is_same_v<Head, RequestHead>> {
 public:
  explicit Grammar(Head& head) : head_(head) {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());
    this->body_limit(boost::none);
  }

  std::vector<std::string_view>* pieces = nullptr;
  std::size_t bytes = 0;

 private:
  void on_request_impl(beast::verb, boost::beast::string_view method, boost::beast::string_view target, int version,
                       error_code&) override {
    if constexpr (std::is_same_v<Head, RequestHead>) take_start_line(head_, view(method), view(target), version);
  }

  void on_response_impl(int status, boost::beast::string_view reason, int version, error_code&) override {
    if constexpr (std::is_same_v<Head, ResponseHead>) {
      head_.status = status;
      head_.reason = view(reason);
      head_.version = version;
    }
  }

  void on_field_impl(beast::field, boost::beast::string_view name, boost::beast::string_view value,
                     error_code&) override {
    if (!header_done_) head_.fields.push_back({view(name), view(value)});  // later ones are trailers
  }

  void on_header_impl(error_code&) override { header_done_ = true; }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

  std::size_t on_body_impl(boost::beast::string_view body, error_code&) override { return take(view(body)); }

  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body, error_code&) override {
    return take(view(body));
  }

  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  std::size_t take(std::string_view piece) {
    pieces->push_back(piece);
    bytes += piece.size();
    return piece.size();
  }

  Head& head_;
  bool header_done_ = false;
};

/// Where a head ends, found before it is parsed, so that it is parsed once and its views stay valid.
class HeadScan {
 public:
  /// complete: the head is the first `end` bytes.
  Progress scan(std::string_view input) {
    while (line_ < input.size()) {
      const void* found = std::memchr(input.data() + line_, '\n', input.size() - line_);
      if (!found) return Progress::need_more;
      const auto feed = static_cast<std::size_t>(static_cast<const char*>(found) - input.data());
      if (feed == line_ || input[feed - 1] != '\r') return Progress::malformed;
      const bool folded = line_ > 0 && (input[line_] == ' ' || input[line_] == '\t');
      if (folded) return Progress::malformed;
      const bool empty = feed == line_ + 1;
      line_ = feed + 1;
      if (!empty) continue;
      end = line_;
      return Progress::complete;
    }
    return Progress::need_more;
  }

  std::size_t end = 0;

 private:
  std::size_t line_ = 0;
};

/// A server is to skip an empty line before the request line; clients of old send one after a body.
std::size_t leading_empty_lines(std::string_view input) {
  std::size_t count = 0;
  while (input.substr(count, 2) == "\r\n") count += 2;
  return count;
}

}  // namespace

template <class Head>
struct Parser<Head>::Implementation {
  explicit Implementation(std::size_t limit) : max_head_bytes(limit) {}

  Progress refuse(int status, std::string text) {
    refusal = {status, std::move(text)};
    return Progress::malformed;
  }

  Progress malformed(std::string_view why) {
    return refuse(400, std::string("malformed HTTP message: ") + std::string(why));
  }

  Progress too_long() { return refuse(431, "the header is larger than " + std::to_string(max_head_bytes) + " bytes"); }

  void take_framing() {
    const bool empty = grammar->content_length() == std::uint64_t{0} && !bodyless;
    if (grammar->is_done()) {
      head.framing = empty ? Framing::length : Framing::none;
    } else if (grammar->chunked()) {
      head.framing = Framing::chunked;
    } else if (grammar->content_length()) {
      head.framing = Framing::length;
      head.content_length = *grammar->content_length();
    } else {
      head.framing = Framing::until_close;
    }
    head.keep_alive = grammar->keep_alive();
  }

  Progress parse(std::string_view text) {
    error_code error;
    grammar->put({text.data(), text.size()}, error);
    if (error) return malformed(error == beast::error::need_more ? "incomplete line" : error.message());
    take_framing();
    if (auto refused = check(head)) return refuse(refused->status, std::move(refused->text));
    return Progress::complete;
  }

  const std::size_t max_head_bytes;
  bool bodyless = false;
  Head head;
  std::optional<Grammar<Head>> grammar;
  HeadScan scan;
  std::size_t skipped = 0;
  Refusal refusal;
};

template <class Head>
Parser<Head>::Parser(std::size_t max_head_bytes) : implementation_(std::make_unique<Implementation>(max_head_bytes)) {
  restart();
}

template <class Head>
Parser<Head>::~Parser() = default;
template <class Head>
Parser<Head>::Parser(Parser&&) noexcept = default;
template <class Head>
Parser<Head>& Parser<Head>::operator=(Parser&&) noexcept = default;

template <class Head>
void Parser<Head>::restart(bool bodyless) {
  auto& self = *implementation_;
  auto fields = std::move(self.head.fields);
  fields.clear();
  self.head = Head();
  self.head.fields = std::move(fields);
  self.grammar.emplace(self.head);
  self.grammar->skip(bodyless);
  self.bodyless = bodyless;
  self.scan = HeadScan();
  self.skipped = 0;
  self.refusal = Refusal();
}

template <class Head>
Progress Parser<Head>::read_head(std::string_view input) {
  auto& self = *implementation_;
  if (std::is_same_v<Head, RequestHead> && self.skipped == 0) self.skipped = leading_empty_lines(input);
  const std::string_view text = input.substr(self.skipped);
  switch (self.scan.scan(text)) {
    case Progress::malformed: return self.malformed("folded line or bare line feed in the header");
    case Progress::need_more: return input.size() > self.max_head_bytes ? self.too_long() : Progress::need_more;
    case Progress::complete: break;
  }
  if (head_bytes() > self.max_head_bytes) return self.too_long();
  return self.parse(text.substr(0, self.scan.end));
}

template <class Head>
const Head& Parser<Head>::head() const {
  return implementation_->head;
}

template <class Head>
std::size_t Parser<Head>::head_bytes() const {
  return implementation_->skipped + implementation_->scan.end;
}

template <class Head>
typename Parser<Head>::Body Parser<Head>::read_body(std::string_view input, std::vector<std::string_view>& pieces) {
  auto& self = *implementation_;
  auto& grammar = *self.grammar;
  pieces.clear();
  grammar.pieces = &pieces;
  grammar.bytes = 0;
  Body body;
  while (!grammar.is_done() && body.used < input.size() && pieces.size() < max_body_pieces) {
    const std::string_view rest = input.substr(body.used);
    error_code error;
    body.used += grammar.put({rest.data(), rest.size()}, error);
    if (error == beast::error::need_more) break;
    if (error) {
      body.progress = self.malformed(error.message());
      return body;
    }
  }
  body.bytes = grammar.bytes;
  if (grammar.is_done()) body.progress = Progress::complete;
  return body;
}

template <class Head>
bool Parser<Head>::done() const {
  return implementation_->grammar->is_done();
}

template <class Head>
bool Parser<Head>::end_of_input() {
  auto& grammar = *implementation_->grammar;
  if (!grammar.got_some()) return false;
  error_code error;
  if (!grammar.is_done()) grammar.put_eof(error);
  return !error;
}

template <class Head>
const Refusal& Parser<Head>::refusal() const {
  return implementation_->refusal;
}

template <class Head>
void Parser<Head>::refuse(int status, std::string text) {
  implementation_->refuse(status, std::move(text));
}

template class Parser<RequestHead>;
template class Parser<ResponseHead>;

}  // namespace twinstream::http
