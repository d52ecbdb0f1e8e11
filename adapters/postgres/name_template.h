#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/core/result.h"

namespace twinstream::postgres {

/// How a stream name is made of column values: `contact-{contact_id}`. It is invertible: `values` finds the one set of
/// column values that makes a name. Where text between two columns occurs in a value, the first occurrence counts.
class NameTemplate {
 public:
  /// An empty `text` stands for the one column as it is. rejected, with what would be right, when a column is missing
  /// or unknown, is named twice, or two columns meet without text between them.
  static Result<NameTemplate> make(const std::string& text, const std::vector<std::string>& columns);

  /// In the order of `columns`; nothing when the name does not fit.
  std::optional<std::vector<std::string>> values(std::string_view name) const;
  std::string name(const std::vector<std::string>& values) const;
  /// The name as SQL, over one SQL text expression for each column.
  std::string sql(const std::vector<std::string>& expressions) const;
  bool is_plain_column() const { return parts_.size() == 1 && parts_[0].before.empty() && after_.empty(); }
  const std::string& text() const { return text_; }

 private:
  struct Part {
    std::string before;  ///< literal text in front of the column
    std::size_t column;
  };

  std::string text_;
  std::vector<Part> parts_;
  std::string after_;  ///< literal text at the end
};

}  // namespace twinstream::postgres
