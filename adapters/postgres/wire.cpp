#include "adapters/postgres/wire.h"

#include <utility>

namespace twinstream::postgres {
namespace {

template <class Integer>
void append_big_endian(std::string& out, Integer value) {
  char bytes[sizeof(Integer)];
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (sizeof bytes - 1 - i) * 8 & 0xff);
  }
  out.append(bytes, sizeof bytes);
}

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

std::string binary_integer(std::int64_t value) {
  std::string out;
  append_big_endian(out, value);
  return out;
}

std::string binary_timestamp(Timestamp time) {
  using namespace std::chrono;
  constexpr sys_days epoch = year{2000} / January / 1;
  return binary_integer((time - epoch).count());
}

void BinaryArray::add(std::string_view bytes) {
  append_big_endian(elements_, static_cast<std::uint32_t>(bytes.size()));
  elements_ += bytes;
  ++count_;
}

void BinaryArray::add(bool value) {
  const char byte = value ? 1 : 0;
  add(std::string_view(&byte, 1));
}

void BinaryArray::add(std::int32_t value) {
  append_big_endian(elements_, std::uint32_t{4});
  append_big_endian(elements_, value);
  ++count_;
}

void BinaryArray::add(std::int64_t value) {
  append_big_endian(elements_, std::uint32_t{8});
  append_big_endian(elements_, value);
  ++count_;
}

void BinaryArray::add(const EventId& id) {
  add(std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()));
}

void BinaryArray::add_null() {
  append_big_endian(elements_, std::int32_t{-1});
  has_null_ = true;
  ++count_;
}

std::string BinaryArray::take() {
  std::string out;
  out.reserve(20 + elements_.size());
  append_big_endian(out, std::uint32_t{count_ == 0 ? 0U : 1U});
  append_big_endian(out, std::uint32_t{has_null_ ? 1U : 0U});
  append_big_endian(out, static_cast<std::uint32_t>(type_));
  if (count_ > 0) {
    append_big_endian(out, count_);
    append_big_endian(out, std::uint32_t{1});  // the first index
    out += elements_;
  }
  *this = BinaryArray(type_);
  return out;
}

std::optional<std::string> parse_bytea(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2 - 1);
  for (std::size_t i = 2; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  std::string rfc(text);
  if (const auto space = rfc.find(' '); space != std::string::npos) rfc[space] = 'T';
  if (rfc.ends_with("+00")) rfc.resize(rfc.size() - 3);
  return parse_rfc3339(rfc + "Z");
}

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string quote_table(std::string_view name) {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return quote_identifier(name);
  return quote_identifier(name.substr(0, dot)) + "." + quote_identifier(name.substr(dot + 1));
}

std::string quote_literal(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + '\'';
}

}  // namespace twinstream::postgres
