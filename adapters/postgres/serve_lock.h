#pragma once

#include <chrono>
#include <memory>
#include <mutex>

#include "config/config.h"
#include "proxy/core/result.h"

namespace twinstream {

namespace postgres {
class Connection;
}

/// The right to serve with this control schema: one process has it, for as long as its session with PostgreSQL lives.
/// A session lock on a connection of its own, so that it ends with the process, however that ends.
class ServeLock {
 public:
  /// Blocks for at most `patience`, since the session of a killed predecessor may linger. rejected says who holds it:
  /// process id at the server, address, and since when; unavailable when PostgreSQL does not answer.
  static Result<std::unique_ptr<ServeLock>> acquire(const PostgresConfig& config,
                                                    std::chrono::milliseconds patience = std::chrono::seconds(5));
  ~ServeLock();

  /// Asks the server over the connection that holds the lock; blocks for a round trip. Once false it stays false: then
  /// another process may be serving. Thread safe.
  bool held();

 private:
  explicit ServeLock(std::unique_ptr<postgres::Connection> connection);

  std::mutex mutex_;
  std::unique_ptr<postgres::Connection> connection_;  ///< empty once it was lost
};

}  // namespace twinstream
