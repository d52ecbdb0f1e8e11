#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// Errors are values. A Failure says what happened in one code that a caller can act on, and in one sentence that an
// operator can act on. Reasons never contain credentials or payloads.

namespace twinstream {

enum class FailureCode {
  wrong_expected_revision,  ///< nothing written; `actual` is the head (absent: the stream has no events)
  stream_deleted,           ///< tombstoned for ever, or `stream_exists` was asked of a soft-deleted stream
  stream_not_found,         ///< reads: the stream has no visible events
  id_conflict,              ///< nothing written: the event id is taken by another event
  rejected,                 ///< nothing written, and never will be: the store cannot hold this, or will not let us
  unavailable,              ///< nothing written; trying again later is right
  unknown_outcome,          ///< the answer was lost: it may or may not have been written. Repeat it or read back
  cancelled,                ///< the caller closed the operation
};

std::string_view to_string(FailureCode code);

/// A condition of an append to several streams that does not hold.
struct Violation {
  std::size_t check = 0;     ///< which of the conditions
  std::int64_t actual = -1;  ///< revision of the stream; -1 no events, -5 soft-deleted, -6 tombstoned

  bool operator==(const Violation&) const = default;
};

struct Failure {
  FailureCode code;
  std::string reason;
  std::optional<std::uint64_t> actual;  ///< only for wrong_expected_revision
  std::optional<std::size_t> request{};  ///< only of an append to several streams: the first one that cannot be
  std::vector<Violation> violations{};   ///< only of one with checks: wrong_expected_revision because of these

  bool operator==(const Failure&) const = default;
};

/// Either a value or the Failure that stands in its place.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  bool failed_with(FailureCode code) const { return !ok() && failure().code == code; }

  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Failure& failure() { return std::get<1>(state_); }
  const Failure& failure() const { return std::get<1>(state_); }

 private:
  std::variant<T, Failure> state_;
};

/// For operations whose success carries nothing.
struct Done {
  bool operator==(const Done&) const = default;
};

}  // namespace twinstream
