#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/core/result.h"

namespace twinstream {

struct Finding {
  enum class Severity { ok, warning, refuse };
  Severity severity = Severity::ok;
  std::string text;  ///< what was found, and where it is not right, what would be

  bool operator==(const Finding&) const = default;
};

struct PreflightReport {
  std::vector<Finding> findings;

  /// All reasons in one sentence each; nothing when the database can be used.
  std::optional<std::string> refusal() const;
};

/// Looks whether the database, and the mapped table where one is configured, can be an event log. Changes nothing.
/// Blocks; unavailable when PostgreSQL does not answer.
Result<PreflightReport> preflight(const PostgresConfig& config);

}  // namespace twinstream
