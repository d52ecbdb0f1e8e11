#pragma once

#include <boost/asio/buffer.hpp>
#include <charconv>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/http/head.h"

namespace twinstream::http {

/// Pieces that are written together. They point into the memory of others.
class Gather {
 public:
  void clear() { buffers_.clear(); }
  bool empty() const { return buffers_.empty(); }
  std::span<const boost::asio::const_buffer> buffers() const { return buffers_; }

  void add(std::string_view text) {
    if (!text.empty()) buffers_.emplace_back(text.data(), text.size());
  }

  /// A part of a body, `bytes` long in all, in the framing of the side that it goes to. Once per clear().
  void add_body(const std::vector<std::string_view>& pieces, std::size_t bytes, Framing framing, bool last) {
    const bool chunked = framing == Framing::chunked;
    if (chunked && bytes > 0) add(chunk_line(bytes));
    for (const std::string_view piece : pieces) add(piece);
    if (chunked && bytes > 0) add("\r\n");
    if (chunked && last) add("0\r\n\r\n");
  }

 private:
  std::string_view chunk_line(std::size_t bytes) {
    char* end = std::to_chars(chunk_line_, chunk_line_ + sizeof chunk_line_ - 2, bytes, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    return {chunk_line_, static_cast<std::size_t>(end - chunk_line_)};
  }

  std::vector<boost::asio::const_buffer> buffers_;
  char chunk_line_[20];
};

}  // namespace twinstream::http
