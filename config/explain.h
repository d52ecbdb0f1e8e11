#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace twinstream {

/// The whole configuration in force as YAML, defaults included. Credentials and everything else in a URL that could be
/// one are replaced by `***`.
std::string explain_config(const Config& config);

/// The fields that differ and take effect only after a restart (`listen.address`, `postgres.url`): everything but
/// categories, routes and the interval of checks.
std::vector<std::string> restart_needed(const Config& old_config, const Config& new_config);

/// `postgresql://app:secret@db:5432/shop?sslpassword=x` -> `postgresql://***@db:5432/shop?***`
std::string redacted_url(std::string_view url);

}  // namespace twinstream
