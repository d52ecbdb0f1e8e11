#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <optional>
#include <sstream>

namespace twinstream {
namespace {

/// Aliases of aliases can write a gigabyte in a line: a configuration never needs this many nodes.
constexpr std::size_t node_limit = 50'000;

Place place_of(const YAML::Mark& mark) { return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1}; }

std::size_t count_nodes(const DocumentNode& node) {
  std::size_t count = 1;
  for (const auto& item : node.items) count += count_nodes(item);
  for (const auto& member : node.members) count += count_nodes(member.value);
  return count;
}

/// Builds the tree from yaml-cpp's events: its own tree does not tell where keys stand.
class Builder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    open(DocumentNode::Kind::nothing, mark, anchor);
    close();
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string& value) override {
    open(DocumentNode::Kind::scalar, mark, anchor);
    open_.back().node.text = value;
    close();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) throw YAML::ParserException(mark, "an alias inside of what it stands for");
    count(count_nodes(found->second), mark);
    add(found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(DocumentNode::Kind::list, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(DocumentNode::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

  DocumentNode root;

 private:
  struct Open {
    DocumentNode node;
    YAML::anchor_t anchor;
    std::optional<DocumentNode> key;  ///< of a map, read and waiting for its value
  };

  void open(DocumentNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    count(1, mark);
    Open made{{}, anchor, std::nullopt};
    made.node.kind = kind;
    made.node.place = place_of(mark);
    open_.push_back(std::move(made));
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != YAML::NullAnchor) anchored_[done.anchor] = done.node;
    add(std::move(done.node));
  }

  void add(DocumentNode node) {
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == DocumentNode::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = std::move(node);
    } else {
      parent.node.members.push_back({parent.key->text, parent.key->place, std::move(node)});
      parent.key.reset();
    }
  }

  void count(std::size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > node_limit) throw YAML::ParserException(mark, "the file has too many values");
  }

  std::size_t nodes_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, DocumentNode> anchored_;
};

/// Answers how many documents there are; only the first is kept.
int parse_all(const std::string& text, DocumentNode& root) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  int documents = 0;
  for (Builder builder; documents < 2 && parser.HandleNextDocument(builder); builder = {}) {
    if (++documents == 1) root = std::move(builder.root);
  }
  return documents;
}

}  // namespace

DocumentNode parse_document(const std::string& text, std::vector<DocumentProblem>& problems) {
  DocumentNode root;
  try {
    if (parse_all(text, root) > 1) {
      problems.push_back({{}, "the file has more than one YAML document; a configuration is one"});
    }
  } catch (const YAML::Exception& error) {
    problems.push_back({place_of(error.mark), "not valid YAML: " + error.msg});
  }
  return root;
}

}  // namespace twinstream
