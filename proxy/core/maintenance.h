#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "proxy/core/result.h"

namespace twinstream {

/// One bounded piece of a scavenge.
struct ScavengeSlice {
  std::uint64_t next = 0;     ///< where to go on; 0 begins
  std::uint64_t removed = 0;  ///< events
  bool end = false;           ///< all streams have been looked at
};

/// What an operator can have done to a log besides appending and reading.
class Maintenance {
 public:
  virtual ~Maintenance() = default;
  /// Removes events that no reader can see any more and no writer needs (see docs/runbook.md), from where the slice
  /// before ended. Appends are taken between slices. May be repeated and given up at any point.
  virtual boost::asio::awaitable<Result<ScavengeSlice>> scavenge(std::uint64_t from) = 0;
};

}  // namespace twinstream
