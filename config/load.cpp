#include "config/load.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "config/document.h"
#include "config/findings.h"
#include "config/read.h"
#include "proxy/core/utf8.h"

namespace twinstream {
namespace {

Config read_config(const DocumentNode& document, Findings& findings) {
  Config config;
  Section root(document, "", findings);
  read_listen(root, config.listen);
  read_admin(root, config.admin);
  read_grpc(root, config.grpc);
  read_backend(root, config.backend);
  read_postgres(root, config.postgres);
  read_eventstore(root, config.eventstore);
  read_check(root, config.check_interval);
  read_streams_api(root, config.streams_path);
  read_categories(root, config.categories);
  read_routes(root, config.routes);
  root.finish();
  return config;
}

}  // namespace

std::string to_string(const ConfigError& error) {
  std::string text = error.file;
  if (error.line > 0) text += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
  text += ": ";
  if (!error.field.empty()) text += error.field + ": ";
  return text + error.text;
}

std::optional<std::string> read_small_file(const std::string& path, std::size_t limit, std::string& problem) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(limit + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    problem = errno != 0 ? std::strerror(errno) : "it cannot be read";
    return std::nullopt;
  }
  if (text.size() > limit) {
    problem = "it is larger than " + std::to_string(limit) + " bytes";
    return std::nullopt;
  }
  return text;
}

LoadResult load_config_text(std::string_view text, std::string_view name, const FurtherCheck& further) {
  Findings findings(name);
  if (!is_utf8(text)) {
    findings.add("", Place{}, "is not UTF-8 text");
    return findings.take();
  }
  std::vector<DocumentProblem> problems;
  const DocumentNode document = parse_document(std::string(text), problems);
  for (const DocumentProblem& problem : problems) findings.add("", problem.place, problem.text);
  if (!findings.empty()) return findings.take();
  Config config = read_config(document, findings);
  // What was wrong kept its default: checks of the whole would only find consequences.
  if (findings.empty()) check_config(config, findings);
  if (findings.empty() && further) {
    for (FieldProblem& problem : further(config)) findings.add(std::move(problem.field), std::move(problem.text));
  }
  if (!findings.empty()) return findings.take();
  return config;
}

LoadResult load_config_file(const std::string& path, const FurtherCheck& further) {
  std::string problem;
  const auto text = read_small_file(path, config_file_limit, problem);
  if (!text) return std::vector{ConfigError{path, 0, 0, "", "cannot be read: " + problem}};
  return load_config_text(*text, path, further);
}

}  // namespace twinstream
