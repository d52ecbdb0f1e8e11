#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace twinstream::http {

/// A field as it stands in a connection's input: valid until that input is read on or consumed.
struct FieldView {
  std::string_view name;
  std::string_view value;
};

/// How the end of a body is told.
enum class Framing { none, length, chunked, until_close };

struct RequestHead {
  std::string_view method;
  std::string_view target;  ///< origin-form (or `*`), whatever form the client used
  std::string_view host;    ///< of an absolute-form target, else the Host field; may be empty for HTTP/1.0
  int version = 11;         ///< 10 or 11
  std::vector<FieldView> fields;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  ///< only for Framing::length
  bool keep_alive = true;
};

struct ResponseHead {
  int status = 200;
  std::string_view reason;
  int version = 11;
  std::vector<FieldView> fields;
  Framing framing = Framing::none;  ///< none also for the answer to HEAD and for statuses without a body
  std::uint64_t content_length = 0;
  bool keep_alive = true;
};

}  // namespace twinstream::http
