#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/load.h"

namespace twinstream {

/// Collects what is wrong with a file and knows where its fields stand.
class Findings {
 public:
  explicit Findings(std::string_view file) : file_(file) {}

  /// Remembers where a field stands, so that later checks can name it.
  void note(const std::string& field, Place place) { places_.insert_or_assign(field, place); }

  void add(std::string field, Place place, std::string text);
  /// At the place of the field, or of the nearest one around it that stands in the file.
  void add(std::string field, std::string text);

  bool empty() const { return errors_.empty(); }
  /// In the order of the file, at most twenty.
  std::vector<ConfigError> take();

 private:
  Place place_of(std::string_view field) const;

  std::string file_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<ConfigError> errors_;
};

}  // namespace twinstream
