#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapters/postgres/connection.h"
#include "adapters/postgres/statements.h"

namespace twinstream::postgres {

/// Proves that everything at or before a position is visible, although positions are not committed in order.
///
/// A transaction that will still commit a position at or before `high` drew it before `high` became visible, inside an
/// INSERT, so it held its lock on the table when the holders were listed. Once none of them is left, all their rows are
/// visible to every later statement. This holds on the primary, for positions that the INSERT draws from a sequence
/// without cache, with each step a statement of its own (autocommit, read committed), in this order.
struct Fence {
  std::uint64_t high = 0;
  std::vector<std::string> holders;  ///< virtual transaction ids
  std::string oldest;                ///< one of them for people: `pid 4711`

  /// Steps one and two. Throws DatabaseError, also when the server is a standby, where writers' locks cannot be seen.
  static Fence raise(Connection& connection, const Statements& statements, std::uint64_t low);
  /// Step three: whether all holders are gone. Rows must be read after it said so.
  bool is_closed(Connection& connection, const Statements& statements) const;
};

}  // namespace twinstream::postgres
