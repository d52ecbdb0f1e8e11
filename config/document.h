#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace twinstream {

/// Where something stands in a file, from 1.
struct Place {
  int line = 1;
  int column = 1;
};

struct DocumentMember;

/// YAML as a tree of plain values that know where they stand.
struct DocumentNode {
  enum class Kind { nothing, scalar, list, map };

  Kind kind = Kind::nothing;
  Place place;
  std::string text;                     ///< of a scalar, as written: `${...}` is not replaced
  std::vector<DocumentNode> items;      ///< of a list
  std::vector<DocumentMember> members;  ///< of a map, in the order of the file, repeated keys included
};

struct DocumentMember {
  std::string key;
  Place place;  ///< of the key
  DocumentNode value;
};

struct DocumentProblem {
  Place place;
  std::string text;
};

/// Parses one YAML document. Aliases are copied; the tree is bounded. Anything that is wrong is in `problems`.
DocumentNode parse_document(const std::string& text, std::vector<DocumentProblem>& problems);

}  // namespace twinstream
