#include "config/section.h"

#include <algorithm>
#include <set>

#include "config/substitute.h"

namespace twinstream {
namespace {

constexpr std::size_t shortened_limit = 60;

std::string shortened(std::string_view text) {
  if (text.empty()) return "nothing";
  const bool cut = text.size() > shortened_limit;
  std::string result = "`";
  for (char c : text.substr(0, shortened_limit)) result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return result.append(cut ? "...`" : "`");
}

const char* kind_name(DocumentNode::Kind kind) {
  switch (kind) {
    case DocumentNode::Kind::nothing: return "nothing";
    case DocumentNode::Kind::scalar: return "a single value";
    case DocumentNode::Kind::list: return "a list";
    case DocumentNode::Kind::map: return "a map";
  }
  return "nothing";
}

}  // namespace

Section::Section(const DocumentNode& node, std::string path, Findings& findings)
    : node_(node), path_(std::move(path)), findings_(findings) {
  if (node.kind == DocumentNode::Kind::scalar || node.kind == DocumentNode::Kind::list) {
    findings_.add(path_, node.place, std::string("must be a map of keys and values, but is ") + kind_name(node.kind));
  }
  std::set<std::string_view> seen;
  for (const DocumentMember& member : node.members) {
    if (seen.insert(member.key).second) {
      findings_.note(path_of(member.key),
                     member.value.kind == DocumentNode::Kind::nothing || member.value.kind == DocumentNode::Kind::map
                         ? member.place
                         : member.value.place);
    } else {
      findings_.add(path_of(member.key), member.place, "appears twice; keep one of them");
    }
  }
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const DocumentNode* Section::child(std::string_view key) {
  known_.push_back(key);
  const auto found = std::find_if(node_.members.begin(), node_.members.end(),
                                  [key](const DocumentMember& member) { return member.key == key; });
  return found == node_.members.end() ? nullptr : &found->value;
}

bool Section::has(std::string_view key) { return child(key) != nullptr; }

void Section::require(std::string_view key, std::string_view why) {
  if (!has(key)) fail(key, "is missing: " + std::string(why));
}

void Section::refuse(std::string_view key, std::string_view why) {
  if (has(key)) fail(key, std::string(why));
}

void Section::parse_scalar(const DocumentNode& node, const std::string& field, Shown shown, const Parse& parse) {
  if (node.kind == DocumentNode::Kind::nothing) {
    findings_.add(field, "has no value; give it one or leave the key out");
    return;
  }
  if (node.kind != DocumentNode::Kind::scalar) {
    findings_.add(field, node.place, std::string("must be a single value, but is ") + kind_name(node.kind));
    return;
  }
  std::string text;
  if (const auto problem = substitute(node.text, text)) {
    findings_.add(field, node.place, *problem);
    return;
  }
  const auto problem = parse(text);
  if (!problem) return;
  // What was written is quoted, never what a `${...}` in it stands for.
  findings_.add(field, node.place, shown == Shown::yes ? *problem + " (found " + shortened(node.text) + ")" : *problem);
}

void Section::scalar(std::string_view key, Shown shown, const Parse& parse) {
  if (const DocumentNode* node = child(key)) parse_scalar(*node, path_of(key), shown, parse);
}

void Section::read_list(std::string_view key, std::vector<std::string>& target) {
  const DocumentNode* node = child(key);
  if (node == nullptr) return;
  if (node->kind != DocumentNode::Kind::list) {
    fail(key, std::string("must be a list such as [a, b], but is ") + kind_name(node->kind));
    return;
  }
  target.clear();
  for (const DocumentNode& item : node->items) {
    std::string& value = target.emplace_back();
    parse_scalar(item, path_of(key), Shown::yes,
                 [&value](std::string_view text) { return check_identifier(text, value); });
  }
}

void Section::read_map(std::string_view key, std::map<std::string, std::string>& target) {
  const DocumentNode* node = child(key);
  if (node == nullptr) return;
  Section inner(*node, path_of(key), findings_);
  for (const DocumentMember& member : node->members) {
    inner.read(member.key, target[member.key], accept_text);
  }
}

void Section::finish() {
  for (const DocumentMember& member : node_.members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    findings_.add(path_of(member.key), member.place, "is not a key of this section" + suggestion(member.key, known_));
  }
}

}  // namespace twinstream
