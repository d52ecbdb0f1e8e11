#include "proxy/core/utf8.h"

namespace twinstream {
namespace {

bool is_continuation(unsigned char c) { return (c & 0xc0) == 0x80; }

bool is_second_byte(unsigned char lead, unsigned char c) {
  switch (lead) {
    case 0xe0: return c >= 0xa0 && c <= 0xbf;  // below: overlong
    case 0xed: return c >= 0x80 && c <= 0x9f;  // above: surrogates
    case 0xf0: return c >= 0x90 && c <= 0xbf;  // below: overlong
    case 0xf4: return c >= 0x80 && c <= 0x8f;  // above: beyond U+10FFFF
    default: return is_continuation(c);
  }
}

std::size_t length_by_lead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = length_by_lead(byte(0));
  if (length <= 1) return length;
  if (text.size() < length || !is_second_byte(byte(0), byte(1))) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!is_continuation(byte(i))) return 0;
  }
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto tail = [](std::uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3f)); };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xc0 | code_point >> 6);
    text += tail(code_point);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xe0 | code_point >> 12);
    text += tail(code_point >> 6);
    text += tail(code_point);
  } else {
    text += static_cast<char>(0xf0 | code_point >> 18);
    text += tail(code_point >> 12);
    text += tail(code_point >> 6);
    text += tail(code_point);
  }
}

}  // namespace twinstream
