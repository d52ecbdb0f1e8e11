#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/batch.h"
#include "adapters/postgres/connection.h"
#include "adapters/postgres/known_heads.h"
#include "adapters/postgres/quick_function.h"
#include "adapters/postgres/tries.h"
#include "proxy/core/await.h"

namespace twinstream::postgres {

/// Group commit: a thread with one connection that commits whatever waits as one transaction in one round trip. After a
/// commit it gives the callers that it has just answered a moment to come back, an eighth of what the commit took at
/// most; otherwise two halves of the callers would wait for each other's commits in turn. Where they do not come back
/// within that moment, it is given more rarely.
///
/// A batch whose streams' heads are known from the lane's own commits goes through the quick function; any other, and
/// one that the quick function could not take, through the append function.
///
/// A batch that the server refuses is redone request by request, so that only the guilty one fails. When the connection
/// breaks while a batch is under way, the old backend is ended first and the batch is then repeated on a new
/// connection: what was committed is recognised by its ids. What cannot be recognised (`any` on a table without ids),
/// and everything when PostgreSQL stays away, is answered with unknown_outcome.
class Lane {
 public:
  Lane(const PostgresConfig& config, std::shared_ptr<const Shape> shape);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// The request must be fit for the table.
  void append(AppendRequest request, Completion<Result<Appended>> done);

 private:
  struct Waiting {
    AppendRequest request;
    Completion<Result<Appended>> done;
  };
  using Answers = std::vector<Result<Appended>>;
  using SteadyClock = std::chrono::steady_clock;
  /// What earlier tries of the same requests leave to be considered.
  struct Trial {
    bool uncertain = false;                  ///< an earlier try may have been committed
    std::optional<Connection::Backend> old;  ///< its backend may still be at it
    SteadyClock::time_point deadline = SteadyClock::time_point::max();
  };

  void serve();
  void gather(std::unique_lock<std::mutex>& lock, std::size_t expected, SteadyClock::duration limit);
  std::vector<Waiting> take_batch();
  void commit(std::vector<Waiting> batch);
  Answers execute(const Requests& requests, Trial trial);
  Answers call(Connection& connection, const Requests& requests);
  std::optional<Answers> call_quick(Connection& connection, const Requests& requests);
  Answers after_refusal(const Requests& requests, const DatabaseError& error, const Trial& trial);
  Answers after_loss(const Requests& requests, Trial trial, Connection::Backend backend);
  Result<Appended> redo(const AppendRequest& request, DatabaseError error, Trial trial);
  Result<Appended> refusal(const DatabaseError& error, bool uncertain) const;
  bool repeatable(const AppendRequest& request) const;
  bool ended(Connection& connection, const Connection::Backend& old);
  void pause();

  const PostgresConfig config_;
  const std::shared_ptr<const Shape> shape_;
  const AppendFunction function_;
  const std::optional<AppendFunction> quick_;
  Session session_;
  KnownHeads heads_;
  Connection::Backend backend_;  ///< whose commits `heads_` stems from
  Tries quick_tries_;
  Tries gathering_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t wanted_ = 1;  ///< how many waiting appends wake the thread
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace twinstream::postgres
