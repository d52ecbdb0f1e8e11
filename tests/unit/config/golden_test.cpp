#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load.h"

// Every file in golden/: a configuration, `----------`, and the errors it gives.

namespace twinstream {
namespace {

std::filesystem::path golden_directory() { return std::filesystem::path(TWINSTREAM_SOURCE_DIR) / "tests/unit/config/golden"; }

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_directory())) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenConfig : public testing::TestWithParam<std::string> {};

TEST_P(GoldenConfig, GivesExactlyTheseErrors) {
  setenv("TWINSTREAM_TEST_SECRET", "hunter2 and more", 1);
  unsetenv("TWINSTREAM_TEST_UNSET");
  std::ifstream file(golden_directory() / (GetParam() + ".txt"));
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str(), line = "----------\n";
  const auto split = text.find(line);
  ASSERT_NE(split, std::string::npos);

  const LoadResult result = load_config_text(text.substr(0, split), "config.yaml");
  std::string errors;
  if (const auto* found = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const ConfigError& error : *found) errors += to_string(error) + "\n";
  }
  EXPECT_EQ(errors, text.substr(split + line.size()));
  EXPECT_EQ(errors.find("hunter2"), std::string::npos) << "a password was printed";
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenConfig, testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace twinstream
