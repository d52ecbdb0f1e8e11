#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/core/event.h"

// Values in the forms in which PostgreSQL takes and gives them: parameters binary, answers as text.

namespace twinstream::postgres {

std::string binary_integer(std::int64_t value);  ///< int8
std::string binary_timestamp(Timestamp time);    ///< timestamptz

/// A one-dimensional array parameter.
class BinaryArray {
 public:
  enum class Type : std::uint32_t {
    boolean = 16,
    bytea = 17,
    int8 = 20,
    int4 = 23,
    text = 25,
    timestamptz = 1184,
    uuid = 2950
  };

  explicit BinaryArray(Type type) : type_(type) {}

  void add(std::string_view bytes);  ///< text, bytea, uuid, or a value already in binary form
  void add(bool value);
  void add(std::int32_t value);
  void add(std::int64_t value);
  void add(const EventId& id);
  void add_null();
  std::size_t size() const { return count_; }
  std::string take();  ///< the parameter; the array is empty afterwards

 private:
  Type type_;
  std::uint32_t count_ = 0;
  bool has_null_ = false;
  std::string elements_;
};

/// `\x6869` -> `hi`; nothing when it is not of that form.
std::optional<std::string> parse_bytea(std::string_view text);
/// `2024-03-01 12:00:00.123456+00`, or without zone, which is read as UTC. Nothing for infinity and times before
/// Christ.
std::optional<Timestamp> parse_timestamp(std::string_view text);

/// `a"b` -> `"a""b"`
std::string quote_identifier(std::string_view name);
/// `public.events` -> `"public"."events"`; a name without a dot is quoted as it is.
std::string quote_table(std::string_view name);
std::string quote_literal(std::string_view text);

}  // namespace twinstream::postgres
