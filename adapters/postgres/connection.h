#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/core/result.h"

namespace twinstream::postgres {

/// So often may an append lose a race before it is given up.
inline constexpr int races_lost_before_giving_up = 10;

/// What the server or the connection said. Thrown inside this adapter only; its doors turn it into a Failure.
class DatabaseError : public std::exception {
 public:
  DatabaseError(std::string state, std::string text, bool lost)
      : state_(std::move(state)), text_(std::move(text)), lost_(lost) {}

  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& state() const { return state_; }  ///< SQLSTATE; empty when the connection broke
  bool lost() const { return lost_; }                  ///< the connection is gone; what it was doing is not known
  bool of_class(std::string_view two) const { return std::string_view(state_).starts_with(two); }
  /// Another writer took a place or an id in the very moment; what was refused is decided anew by trying again.
  bool lost_a_race() const { return state_ == "23505" || state_ == "40001" || state_ == "40P01"; }

 private:
  std::string state_;
  std::string text_;
  bool lost_;
};

/// `unavailable` for what passes (outages, timeouts, deadlocks), `rejected` for what does not.
Failure to_failure(const DatabaseError& error);

/// The answer to a query, in PostgreSQL's text form. Views into it live as long as it or a copy of it does.
class Rows {
 public:
  struct Implementation;
  explicit Rows(std::shared_ptr<const Implementation> implementation);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  bool is_null(std::size_t row, std::size_t column) const;
  std::string_view text(std::size_t row, std::size_t column) const;  ///< empty for NULL
  std::int64_t integer(std::size_t row, std::size_t column) const;
  bool boolean(std::size_t row, std::size_t column) const { return text(row, column) == "t"; }
  std::optional<std::int64_t> optional_integer(std::size_t row, std::size_t column) const;

 private:
  std::shared_ptr<const Implementation> implementation_;
};

/// One blocking connection, for one thread. Every method throws DatabaseError.
class Connection {
 public:
  /// Names the backend process of a connection so that it can be told from a later one with the same number.
  struct Backend {
    std::int64_t pid = 0;
    std::string started;

    bool operator==(const Backend&) const = default;
  };

  /// `setup` is SQL run once, after the session is set to UTC, ISO dates and the timeouts of the configuration.
  Connection(const PostgresConfig& config, const std::string& setup);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Parameters are in PostgreSQL's binary form (wire.h). The statement is prepared at its first use and kept.
  Rows query(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// Statements without parameters; several of them run as one transaction.
  Rows script(const std::string& sql);
  /// Whether the server has not hung up, told without a round trip.
  bool alive();
  const Backend& backend() const { return backend_; }

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
  Backend backend_;
};

/// A transaction over several statements: rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Connection& connection, const char* begin = "begin") : connection_(connection) {
    connection_.script(begin);
  }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void commit();

 private:
  Connection& connection_;
  bool open_ = true;
};

/// A connection that is made when needed and made again when it was lost. While attempts fail they become rarer, and
/// between them the last failure is answered at once.
class Session {
 public:
  Session(PostgresConfig config, std::string setup) : config_(std::move(config)), setup_(std::move(setup)) {}

  Result<Connection*> connected();
  void drop() { connection_.reset(); }
  const PostgresConfig& config() const { return config_; }

 private:
  using Clock = std::chrono::steady_clock;

  PostgresConfig config_;
  std::string setup_;
  std::unique_ptr<Connection> connection_;
  std::string last_error_;
  Clock::time_point next_attempt_{};
  std::chrono::milliseconds backoff_{0};
};

}  // namespace twinstream::postgres
