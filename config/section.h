#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/findings.h"
#include "config/values.h"

namespace twinstream {

/// Whether a value may be quoted in errors.
enum class Shown { yes, never };

/// Reads the keys of one map. Every key that was asked for is known; `finish` reports the others. What is absent leaves
/// its target as it is.
class Section {
 public:
  /// `node` may be nothing: then every key is absent. Anything but a map is an error.
  Section(const DocumentNode& node, std::string path, Findings& findings);

  template <class T, class Parser>
  void read(std::string_view key, T& target, Parser parse, Shown shown = Shown::yes) {
    scalar(key, shown, [&target, &parse](std::string_view text) { return parse(text, target); });
  }
  void read_list(std::string_view key, std::vector<std::string>& target);
  void read_map(std::string_view key, std::map<std::string, std::string>& target);

  bool has(std::string_view key);                   ///< present, even when its value is empty
  const DocumentNode* child(std::string_view key);  ///< the value; null when absent
  std::string path_of(std::string_view key) const;
  void require(std::string_view key, std::string_view why);  ///< an error when absent
  /// An error when present; the key is then known.
  void refuse(std::string_view key, std::string_view why);
  void fail(std::string_view key, std::string text) { findings_.add(path_of(key), std::move(text)); }
  void finish();

  Findings& findings() { return findings_; }
  const std::string& path() const { return path_; }

 private:
  using Parse = std::function<Problem(std::string_view)>;
  void scalar(std::string_view key, Shown shown, const Parse& parse);
  void parse_scalar(const DocumentNode& node, const std::string& field, Shown shown, const Parse& parse);

  const DocumentNode& node_;
  std::string path_;
  Findings& findings_;
  std::vector<std::string_view> known_;
};

}  // namespace twinstream
