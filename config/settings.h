#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace twinstream {

/// One key of the file with its value.
struct Setting {
  std::vector<std::string> path;  ///< {"categories", "contact", "reads", "from"}; list items are `[0]`
  std::string value;              ///< as YAML

  std::string field() const;  ///< `categories.contact.reads.from`, `routes[0].match`
};

/// Every key that is in force, in the order of config/reference.yaml. URLs are redacted.
std::vector<Setting> settings_of(const Config& config);

}  // namespace twinstream
