#include <algorithm>

#include "config/read.h"

namespace twinstream {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr std::size_t category_limit = 1000;

Problem check_category_name(std::string_view name) {
  if (name == "*") return std::nullopt;
  if (name.empty()) return "must not be empty: it is the part of stream names before the first `-`, or \"*\"";
  if (name.find('-') != std::string_view::npos) {
    return "is the part of stream names before the first `-`, so that `" + std::string(name.substr(0, name.find('-'))) +
           "` is the category you mean";
  }
  if (name.starts_with('$')) return "must not begin with `$`: such streams belong to the store and are never mirrored";
  return std::nullopt;
}

void read_reads(Section& category, ReadPolicy& reads) {
  const DocumentNode* node = category.child("reads");
  if (node == nullptr) return;
  Section section(*node, category.path_of("reads"), category.findings());
  section.read("from", reads.from, parse_read_source);
  section.read("eventstore_percent", reads.eventstore_percent, parse_percent);
  section.read("compare_percent", reads.compare_percent, parse_percent);
  section.read("fallback", reads.fallback, parse_boolean);
  section.read("wait_for_mirror", reads.wait_for_mirror, Duration{milliseconds(0), minutes(1)});
  section.finish();
}

CategoryConfig read_category(const DocumentMember& member, Findings& findings) {
  CategoryConfig category;
  category.name = member.key;
  Section section(member.value, "categories." + member.key, findings);
  if (const auto problem = check_category_name(member.key)) findings.add(section.path(), member.place, *problem);
  section.read("phase", category.phase, parse_phase_name);
  section.read("ack", category.ack, parse_ack);
  section.read("ack_timeout", category.ack_timeout, Duration{milliseconds(1), minutes(10)});
  read_reads(section, category.reads);
  section.read("original_created", category.original_created, parse_boolean);
  section.read("fence_timeout", category.fence_timeout, Duration{milliseconds(1), minutes(10)});
  section.read("rollback", category.rollback, parse_boolean);
  section.finish();
  return category;
}

}  // namespace

void read_categories(Section& root, std::vector<CategoryConfig>& categories) {
  const DocumentNode* node = root.child("categories");
  if (node == nullptr) return;
  Section section(*node, "categories", root.findings());
  if (node->members.size() > category_limit) {
    section.fail("",
                 "has more than " + std::to_string(category_limit) + " categories; use \"*\" for those that are alike");
    return;
  }
  for (const DocumentMember& member : node->members) {
    const bool repeated = std::any_of(categories.begin(), categories.end(),
                                      [&member](const auto& each) { return each.name == member.key; });
    if (!repeated) categories.push_back(read_category(member, root.findings()));
  }
}

}  // namespace twinstream
