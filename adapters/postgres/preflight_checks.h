#pragma once

#include <string>
#include <vector>

#include "adapters/postgres/connection.h"
#include "adapters/postgres/preflight.h"
#include "adapters/postgres/shape.h"

namespace twinstream::postgres {

using Findings = std::vector<Finding>;

inline void note(Findings& findings, Finding::Severity severity, std::string text) {
  findings.push_back({severity, std::move(text)});
}

// All throw DatabaseError.
void check_server(Connection& connection, Findings& findings);
void check_table(Connection& connection, const Shape& shape, Findings& findings);  ///< kind, rights, triggers, columns
void check_position(Connection& connection, const Shape& shape, Findings& findings);  ///< how positions are drawn
void check_rows(Connection& connection, const Shape& shape, Findings& findings);      ///< a sample of the newest rows

}  // namespace twinstream::postgres
