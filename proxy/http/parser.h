#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.h"

namespace twinstream::http {

enum class Progress { need_more, complete, malformed };

/// Why a message is refused; `status` is what a client is told.
struct Refusal {
  int status = 400;
  std::string text;
};

/// The most pieces of a body that one call finds: they are written together.
inline constexpr std::size_t max_body_pieces = 48;

/// Reads HTTP/1 messages, one after the other, from a connection's input without copying. Strict where leniency would
/// let two parsers see two different messages: no folded lines, no bare line feeds, one Content-Length, never
/// Content-Length beside Transfer-Encoding, no transfer coding but chunked.
template <class Head>
class Parser {
 public:
  explicit Parser(std::size_t max_head_bytes);
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  /// Forgets the last message. `bodyless`: the next one is the answer to HEAD.
  void restart(bool bodyless = false);

  /// `input` starts where the message starts, call after call. After `complete`, head() has views into it.
  Progress read_head(std::string_view input);
  const Head& head() const;
  std::size_t head_bytes() const;  ///< what the head takes of the input

  /// Finds pieces of the body in `input`, which starts where the last call's `used` ended. `complete` ends the message.
  struct Body {
    Progress progress = Progress::need_more;
    std::size_t used = 0;
    std::size_t bytes = 0;  ///< of the pieces together
  };
  Body read_body(std::string_view input, std::vector<std::string_view>& pieces);

  bool done() const;                          ///< the whole message has been read
  bool end_of_input();                        ///< the peer closed: whether that completes the message
  const Refusal& refusal() const;             ///< after `malformed`; without text: none
  void refuse(int status, std::string text);  ///< for a reason that the parser does not see, a time limit for example

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

using RequestParser = Parser<RequestHead>;
using ResponseParser = Parser<ResponseHead>;

extern template class Parser<RequestHead>;
extern template class Parser<ResponseHead>;

}  // namespace twinstream::http
