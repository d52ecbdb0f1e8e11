#include "adapters/postgres/preflight.h"

#include "adapters/postgres/preflight_checks.h"
#include "adapters/postgres/wire.h"

namespace twinstream {
namespace postgres {
namespace {

using enum Finding::Severity;

void check_schema(Connection& connection, const PostgresConfig& config, Findings& findings) {
  const Rows there = connection.query("select to_regclass($1::text) is not null",
                                      {quote_identifier(config.control_schema) + ".\"schema_version\""});
  if (there.boolean(0, 0))
    note(findings, ok, "schema " + config.control_schema + " is set up");
  else
    note(findings, warning, "schema " + config.control_schema + " is not set up yet; run twinstream init");
}

/// One check that cannot be carried out must not hide the others.
template <class Check>
void guarded(Findings& findings, const char* what, Check check) {
  try {
    check();
  } catch (const DatabaseError& error) {
    if (error.lost()) throw;
    note(findings, refuse, std::string(what) + " could not be looked at: " + error.what());
  }
}

void check_mapped(Connection& connection, const PostgresConfig& config, Findings& findings) {
  const auto shape = mapped_shape(connection, config);
  if (!shape.ok()) return note(findings, refuse, shape.failure().reason);
  note(findings, ok, "table " + shape->label + " has the mapped columns, of types that fit");
  guarded(findings, "the table", [&] { check_table(connection, *shape, findings); });
  guarded(findings, "the position column", [&] { check_position(connection, *shape, findings); });
  guarded(findings, "the rows", [&] { check_rows(connection, *shape, findings); });
}

}  // namespace

void check_server(Connection& connection, Findings& findings) {
  const Rows server = connection.script(
      "select current_setting('server_version_num')::integer, current_setting('server_version'), pg_is_in_recovery(), "
      "current_setting('fsync'), current_setting('server_encoding')");
  const std::string version(server.text(0, 1));
  if (server.integer(0, 0) < 140'000)
    note(findings, refuse, "PostgreSQL " + version + " is too old; 14 or newer is needed");
  else
    note(findings, ok, "PostgreSQL " + version);
  if (server.boolean(0, 2)) {
    note(findings, refuse, "the server is a standby, where writers cannot be seen; connect to the primary");
  }
  if (server.text(0, 3) != "on") {
    note(findings, warning, "fsync is off: the server can lose acknowledged events in a crash; set fsync = on");
  }
  if (server.text(0, 4) != "UTF8") {
    note(findings, warning,
         "the database's encoding is " + std::string(server.text(0, 4)) +
             ": events with other characters will be refused; UTF8 holds all of them");
  }
}

}  // namespace postgres

Result<PreflightReport> preflight(const PostgresConfig& config) {
  using namespace postgres;
  PreflightReport report;
  try {
    Connection connection(config, "");
    check_server(connection, report.findings);
    check_schema(connection, config, report.findings);
    if (config.mapped) check_mapped(connection, config, report.findings);
  } catch (const DatabaseError& error) {
    return to_failure(error);
  }
  return report;
}

std::optional<std::string> PreflightReport::refusal() const {
  std::string reasons;
  for (const auto& finding : findings) {
    if (finding.severity == Finding::Severity::refuse) reasons += (reasons.empty() ? "" : "; ") + finding.text;
  }
  if (reasons.empty()) return std::nullopt;
  return reasons;
}

}  // namespace twinstream
