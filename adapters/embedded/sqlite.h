#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace twinstream::embedded {

/// Stays inside this folder: the threads that use a connection turn it into a Failure.
struct SqlError : std::runtime_error {
  explicit SqlError(const std::string& what, bool corrupt = false) : std::runtime_error(what), corrupt(corrupt) {}
  bool corrupt;  ///< the file is damaged
};

/// One connection, used by one thread.
class Database {
 public:
  enum class Mode { write, read };

  Database(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const char* sql);
  std::int64_t query_integer(const char* sql);
  bool in_transaction() const;
  /// Rows of the last INSERT, UPDATE or DELETE.
  std::uint64_t changed_rows() const;
  /// Length of the write-ahead log after the last commit. Nothing shortens it but the owner, by a checkpoint.
  int wal_pages() const { return wal_pages_; }
  sqlite3* handle() const { return handle_; }
  [[noreturn]] void fail(const char* what) const;

 private:
  sqlite3* handle_ = nullptr;
  int wal_pages_ = 0;
};

/// A prepared statement; Query runs it.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

 private:
  friend class Query;
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

/// One run of a statement: binds the arguments in order, yields rows, and leaves the statement ready for the next run.
/// Text is bound as bytes and must outlive the run; columns count from 0 and are valid until the next row.
class Query {
 public:
  template <class... Arguments>
  explicit Query(Statement& statement, const Arguments&... arguments) : statement_(statement) {
    int index = 0;
    (bind(++index, arguments), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool next();
  void run() {
    while (next()) continue;
  }
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string_view bytes(int column) const;

 private:
  void bind(int index, std::int64_t value);
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, bool value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::string_view value);

  Statement& statement_;
};

}  // namespace twinstream::embedded
