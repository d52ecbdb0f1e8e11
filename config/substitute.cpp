#include "config/substitute.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "config/load.h"

namespace twinstream {
namespace {

constexpr std::size_t secret_limit = std::size_t{64} << 10;

bool is_variable_name(std::string_view name) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), fits);
}

Problem append_file(const std::string& path, std::string& result) {
  std::string problem;
  auto text = read_small_file(path, secret_limit, problem);
  if (!text) return "names the file " + path + ", which cannot be used: " + problem;
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  result += *text;
  return std::nullopt;
}

Problem append_variable(const std::string& name, std::string& result) {
  if (!is_variable_name(name))
    return "has `${" + name + "}`; write ${VARIABLE} or ${file:/path}, and $${ for a plain ${";
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return "needs the environment variable " + name + ", which is not set";
  result += value;
  return std::nullopt;
}

}  // namespace

Problem substitute(std::string_view text, std::string& result) {
  constexpr std::string_view file_prefix = "file:";
  result.clear();
  for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${")) {
    if (at > 0 && text[at - 1] == '$') {
      result.append(text, 0, at - 1).append("${");
      text.remove_prefix(at + 2);
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos) return "has `${` without `}`; write $${ for a plain ${";
    result.append(text, 0, at);
    const std::string name(text.substr(at + 2, end - at - 2));
    const bool file = name.starts_with(file_prefix);
    const auto problem = file ? append_file(name.substr(file_prefix.size()), result) : append_variable(name, result);
    if (problem) return problem;
    text.remove_prefix(end + 1);
  }
  result += text;
  return std::nullopt;
}

}  // namespace twinstream
