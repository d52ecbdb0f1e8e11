#include "adapters/postgres/connection.h"

#include <algorithm>
#include <charconv>
#include <pqxx/pqxx>
#include <unordered_map>

namespace twinstream::postgres {
namespace {

bool is_uri(std::string_view url) { return url.starts_with("postgres://") || url.starts_with("postgresql://"); }

void add_parameter(std::string& url, std::string_view key, const std::string& value) {
  const std::string assignment = std::string(key) + "=";
  if (url.find(assignment) != std::string::npos) return;  // the operator's own setting stands
  if (is_uri(url)) {
    url += (url.find('?') == std::string::npos ? '?' : '&') + assignment + value;
  } else {
    url += " " + assignment + value;
  }
}

/// The operator's connection string with what keeps a dead network from hanging a thread for ever.
std::string connection_string(const PostgresConfig& config) {
  std::string url = config.url;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(config.connect_timeout).count();
  add_parameter(url, "connect_timeout", std::to_string(std::max<long>(2, seconds)));
  add_parameter(url, "tcp_user_timeout", std::to_string(config.statement_timeout.count() + 5'000));
  add_parameter(url, "keepalives_idle", "5");
  add_parameter(url, "keepalives_interval", "3");
  add_parameter(url, "keepalives_count", "3");
  add_parameter(url, "application_name", "twinstream");
  return url;
}

/// row_security: rows hidden by a policy must be an error, not silence. synchronous_commit: acknowledged means durable.
std::string session_settings(const PostgresConfig& config) {
  const auto statement = config.statement_timeout.count();
  const auto lock = std::clamp<long>(statement / 5, 100, 2'000);
  return "set client_encoding = 'UTF8'; set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres';"
         "set bytea_output = 'hex'; set row_security = off; set jit = off;"
         "set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 3; set tcp_keepalives_count = 3;"
         "set default_transaction_isolation = 'read committed';"
         "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';"
         "set statement_timeout = " +
         std::to_string(statement) +
         ";"
         "set lock_timeout = " +
         std::to_string(lock) +
         ";"
         "set idle_in_transaction_session_timeout = " +
         std::to_string(statement + 5'000) + ";";
}

/// The first line alone, without the severity: what follows may quote rows.
std::string first_line(std::string_view text) {
  for (const std::string_view prefix : {"ERROR:", "FATAL:"}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  text = text.substr(0, text.find('\n'));
  const auto begin = text.find_first_not_of(' ');
  return std::string(begin == std::string_view::npos ? "connection lost" : text.substr(begin));
}

[[noreturn]] void rethrow(bool open) {
  try {
    throw;
  } catch (const pqxx::sql_error& error) {
    const std::string state = error.sqlstate();
    const bool lost = !open || state.starts_with("57P") || state.starts_with("08");
    throw DatabaseError(state, first_line(error.what()), lost);
  } catch (const pqxx::broken_connection& error) {
    throw DatabaseError("", first_line(error.what()), true);
  } catch (const std::exception& error) {
    throw DatabaseError("", first_line(error.what()), !open);
  }
}

}  // namespace

struct Rows::Implementation {
  pqxx::result result;
};

Rows::Rows(std::shared_ptr<const Implementation> implementation) : implementation_(std::move(implementation)) {}

std::size_t Rows::size() const { return implementation_->result.size(); }

bool Rows::is_null(std::size_t row, std::size_t column) const {
  return implementation_->result[static_cast<pqxx::result::size_type>(row)][static_cast<int>(column)].is_null();
}

std::string_view Rows::text(std::size_t row, std::size_t column) const {
  const auto field = implementation_->result[static_cast<pqxx::result::size_type>(row)][static_cast<int>(column)];
  return {field.c_str(), field.size()};
}

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
  const auto value = text(row, column);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size()) {
    throw DatabaseError("22000", "the server answered something that is no integer", false);
  }
  return number;
}

std::optional<std::int64_t> Rows::optional_integer(std::size_t row, std::size_t column) const {
  if (is_null(row, column)) return std::nullopt;
  return integer(row, column);
}

struct Connection::Implementation {
  explicit Implementation(const std::string& url) : connection(url), quiet(connection) {
    // Silent reconnecting would hide that an answer was lost.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    connection.inhibit_reactivation(true);
#pragma clang diagnostic pop
  }

  pqxx::connection connection;
  pqxx::quiet_errorhandler quiet;
  std::unordered_map<std::string, std::string> prepared;  ///< SQL -> name
};

Connection::Connection(const PostgresConfig& config, const std::string& setup) try
    : implementation_(std::make_unique<Implementation>(connection_string(config))) {
  script(session_settings(config) + setup);
  const Rows self = script("select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()");
  if (!self.empty()) backend_ = {self.integer(0, 0), std::string(self.text(0, 1))};
} catch (const DatabaseError&) {
  throw;
} catch (const std::exception& error) {
  throw DatabaseError("", first_line(error.what()), true);
}

Connection::~Connection() = default;

Rows Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
  auto& connection = implementation_->connection;
  try {
    auto& name = implementation_->prepared[sql];
    if (name.empty()) {
      name = "s" + std::to_string(implementation_->prepared.size());
      connection.prepare(name, sql);
    }
    std::vector<pqxx::binarystring> values;
    values.reserve(parameters.size());
    for (const auto& parameter : parameters) values.emplace_back(parameter);
    pqxx::nontransaction work(connection);
    return Rows(std::make_shared<Rows::Implementation>(
        work.exec_prepared(name, pqxx::prepare::make_dynamic_params(values.begin(), values.end()))));
  } catch (...) {
    rethrow(connection.is_open());
  }
}

Rows Connection::script(const std::string& sql) {
  auto& connection = implementation_->connection;
  try {
    pqxx::nontransaction work(connection);
    return Rows(std::make_shared<Rows::Implementation>(work.exec(sql)));
  } catch (...) {
    rethrow(connection.is_open());
  }
}

bool Connection::alive() {
  auto& connection = implementation_->connection;
  try {
    // A server that goes away leaves a last message: the first look reads it, the second one finds the end.
    connection.get_notifs();
    connection.get_notifs();
    return connection.is_open();
  } catch (const std::exception&) {
    return false;
  }
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    connection_.script("rollback");
  } catch (const DatabaseError&) {  // the server rolls back when the connection is gone
  }
}

void Transaction::commit() {
  open_ = false;
  connection_.script("commit");
}

Result<Connection*> Session::connected() {
  if (connection_ && connection_->alive()) return connection_.get();
  connection_.reset();
  const auto now = Clock::now();
  if (now < next_attempt_) return Failure{FailureCode::unavailable, "PostgreSQL is not reachable: " + last_error_, {}};
  try {
    connection_ = std::make_unique<Connection>(config_, setup_);
    backoff_ = {};
    return connection_.get();
  } catch (const DatabaseError& error) {
    last_error_ = error.what();
    backoff_ = std::clamp(backoff_ * 2, std::chrono::milliseconds(20), std::chrono::milliseconds(250));
    next_attempt_ = Clock::now() + backoff_;
    return Failure{FailureCode::unavailable, "PostgreSQL is not reachable: " + last_error_, {}};
  }
}

Failure to_failure(const DatabaseError& error) {
  const std::string reason = std::string("PostgreSQL: ") + error.what();
  // 22 and 23: the data; 42501: privileges; 44: view check; P0: raised by a trigger; 428C9: a generated column.
  const bool lasting = error.of_class("22") || error.of_class("23") || error.of_class("44") || error.of_class("P0") ||
                       error.state() == "42501" || error.state() == "428C9";
  return {lasting ? FailureCode::rejected : FailureCode::unavailable, reason, {}};
}

}  // namespace twinstream::postgres
