#include "adapters/embedded/sqlite.h"

#include <sqlite3.h>

namespace twinstream::embedded {

Database::Database(const std::string& path, Mode mode) {
  const int access = mode == Mode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  // One thread per connection: SQLite's own locking would only cost.
  if (sqlite3_open_v2(path.c_str(), &handle_, access | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    const std::string reason = handle_ ? sqlite3_errmsg(handle_) : "out of memory";
    sqlite3_close_v2(handle_);
    throw SqlError("cannot open " + path + ": " + reason);
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, 5'000);
  // In the place of SQLite's own checkpoints, which would run inside a commit.
  auto remember = [](void* self, sqlite3*, const char*, int pages) {
    static_cast<Database*>(self)->wal_pages_ = pages;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(handle_, remember, this);
}

Database::~Database() { sqlite3_close_v2(handle_); }

void Database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

std::int64_t Database::query_integer(const char* sql) {
  Statement statement(*this, sql);
  Query query(statement);
  return query.next() ? query.integer(0) : 0;
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

std::uint64_t Database::changed_rows() const { return static_cast<std::uint64_t>(sqlite3_changes64(handle_)); }

void Database::fail(const char* what) const {
  const int code = sqlite3_errcode(handle_) & 0xff;
  const bool corrupt = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  throw SqlError(std::string(sqlite3_errmsg(handle_)) + " (at: " + std::string(what).substr(0, 60) + ")", corrupt);
}

Statement::Statement(Database& database, const std::string& sql) : database_(database) {
  const int flags = SQLITE_PREPARE_PERSISTENT;
  if (sqlite3_prepare_v3(database.handle(), sql.c_str(), -1, flags, &handle_, nullptr) != SQLITE_OK) {
    database.fail(sql.c_str());
  }
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Query::~Query() { sqlite3_reset(statement_.handle_); }

bool Query::next() {
  const int code = sqlite3_step(statement_.handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) statement_.database_.fail(sqlite3_sql(statement_.handle_));
  return false;
}

bool Query::is_null(int column) const { return sqlite3_column_type(statement_.handle_, column) == SQLITE_NULL; }

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_.handle_, column); }

std::string_view Query::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.handle_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.handle_, column));
  return data ? std::string_view(static_cast<const char*>(data), size) : std::string_view();
}

void Query::bind(int index, std::int64_t value) {
  if (sqlite3_bind_int64(statement_.handle_, index, value) != SQLITE_OK) statement_.database_.fail("bind");
}

void Query::bind(int index, std::string_view value) {
  const char* data = value.data() ? value.data() : "";  // a null pointer would bind NULL
  const int code = sqlite3_bind_blob64(statement_.handle_, index, data, value.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) statement_.database_.fail("bind");
}

}  // namespace twinstream::embedded
