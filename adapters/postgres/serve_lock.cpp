#include "adapters/postgres/serve_lock.h"

#include "adapters/postgres/connection.h"
#include "adapters/postgres/wire.h"

namespace twinstream {
namespace {

using namespace postgres;

std::string lock_key(const PostgresConfig& config) {
  return "hashtextextended(" + quote_literal("twinstream serve " + config.control_schema) + ", 0)";
}

std::string holder(Connection& connection, const std::string& key) {
  const Rows rows = connection.script(
      "select a.pid, coalesce(host(a.client_addr), 'a local socket'), to_char(a.backend_start, 'YYYY-MM-DD "
      "HH24:MI:SS') "
      "from pg_locks l join pg_stat_activity a on a.pid = l.pid where l.locktype = 'advisory' and l.granted and "
      "l.objsubid = 1 and l.database = (select oid from pg_database where datname = current_database()) and "
      "(l.classid::bigint << 32 | l.objid::bigint) = " +
      key);
  if (rows.empty()) return "another session";
  return "process " + std::string(rows.text(0, 0)) + " of PostgreSQL, connected from " + std::string(rows.text(0, 1)) +
         " since " + std::string(rows.text(0, 2)) + " UTC";
}

}  // namespace

ServeLock::ServeLock(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

ServeLock::~ServeLock() = default;

Result<std::unique_ptr<ServeLock>> ServeLock::acquire(const PostgresConfig& config,
                                                      std::chrono::milliseconds patience) {
  const std::string key = lock_key(config);
  try {
    auto connection = std::make_unique<Connection>(config, "");
    const auto wait = std::to_string(std::max<long>(1, patience.count()));
    try {
      connection->script("set statement_timeout = 0; set lock_timeout = " + wait);
      connection->script("select pg_advisory_lock(" + key + ")");
      connection->script("set statement_timeout = " + std::to_string(config.statement_timeout.count()));
    } catch (const DatabaseError& error) {
      if (error.state() != "55P03") throw;
      return Failure{FailureCode::rejected,
                     "control schema " + config.control_schema + " is being served already by " +
                         holder(*connection, key) + "; stop that one first",
                     {}};
    }
    return std::unique_ptr<ServeLock>(new ServeLock(std::move(connection)));
  } catch (const DatabaseError& error) {
    return to_failure(error);
  }
}

bool ServeLock::held() {
  std::scoped_lock lock(mutex_);
  if (!connection_) return false;
  try {
    connection_->query("select 1");
    return true;
  } catch (const DatabaseError& error) {
    if (error.lost()) connection_.reset();
    return connection_ != nullptr;
  }
}

}  // namespace twinstream
