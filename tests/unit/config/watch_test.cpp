#include "config/watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

namespace twinstream {
namespace {

namespace fs = std::filesystem;

std::string config_text(int lanes) {
  return "postgres: {url: \"postgresql://db/app\", lanes: " + std::to_string(lanes) + "}\n";
}

/// A directory of its own, a watcher on a file in it, and what the watcher said.
class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    std::string name = (fs::temp_directory_path() / "twinstream-watch-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~WatchTest() override { fs::remove_all(directory_); }

  void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

  std::unique_ptr<ConfigWatcher> watch(const fs::path& path) {
    return std::make_unique<ConfigWatcher>(
        context_.get_executor(), path.string(), [this](LoadResult result) { results_.push_back(std::move(result)); },
        std::chrono::milliseconds(1));
  }

  /// Runs until the watcher has called back once more; the lanes of that configuration, -1 for errors.
  int next() {
    const std::size_t before = results_.size();
    while (results_.size() == before) context_.run_one();
    const auto* config = std::get_if<Config>(&results_.back());
    return config == nullptr ? -1 : static_cast<int>(config->postgres.lanes);
  }

  /// Lets the watcher see a sign of change and look at the file.
  void look() {
    context_.run_one();
    context_.run_one();
  }

  fs::path directory_;
  boost::asio::io_context context_;
  std::vector<LoadResult> results_;
};

TEST_F(WatchTest, SeesAFileWrittenInPlace) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(1));
  const auto watcher = watch(file);
  const std::string longer = config_text(2) + std::string(3000, '#');
  write(file, longer);
  EXPECT_EQ(next(), 2);
}

TEST_F(WatchTest, SeesAnAtomicRename) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(1));
  const auto watcher = watch(file);
  for (int lanes : {2, 3, 4}) {
    write(directory_ / "new", config_text(lanes));
    fs::rename(directory_ / "new", file);
    EXPECT_EQ(next(), lanes);
  }
}

TEST_F(WatchTest, SeesASwapOfSymbolicLinksAsKubernetesDoesIt) {
  fs::create_directory(directory_ / "..v1");
  write(directory_ / "..v1" / "config.yaml", config_text(1));
  fs::create_symlink("..v1", directory_ / "..data");
  fs::create_symlink("..data/config.yaml", directory_ / "config.yaml");
  const auto watcher = watch(directory_ / "config.yaml");
  fs::create_directory(directory_ / "..v2");
  write(directory_ / "..v2" / "config.yaml", config_text(2));
  fs::create_symlink("..v2", directory_ / "..data_tmp");
  fs::rename(directory_ / "..data_tmp", directory_ / "..data");
  fs::remove_all(directory_ / "..v1");
  EXPECT_EQ(next(), 2);
}

TEST_F(WatchTest, SeesAChangeOfTheFileThatALinkLeadsTo) {
  fs::create_directory(directory_ / "elsewhere");
  write(directory_ / "elsewhere" / "real.yaml", config_text(1));
  fs::create_symlink(directory_ / "elsewhere" / "real.yaml", directory_ / "config.yaml");
  const auto watcher = watch(directory_ / "config.yaml");
  write(directory_ / "elsewhere" / "new", config_text(2));
  fs::rename(directory_ / "elsewhere" / "new", directory_ / "elsewhere" / "real.yaml");
  EXPECT_EQ(next(), 2);
}

TEST_F(WatchTest, SeesAFileThatAppearsInADirectoryThatAppears) {
  const fs::path inner = directory_ / "inner";
  const auto watcher = watch(inner / "config.yaml");
  fs::create_directory(inner);
  write(inner / "config.yaml", config_text(2));
  EXPECT_EQ(next(), 2);
}

TEST_F(WatchTest, ReportsAnInvalidFileAndThenItsCorrection) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(1));
  const auto watcher = watch(file);
  write(directory_ / "new", "postgres: {}\n");
  fs::rename(directory_ / "new", file);
  EXPECT_EQ(next(), -1);
  EXPECT_EQ(std::get<1>(results_.back()).at(0).file, file.string());
  write(directory_ / "new", config_text(3));
  fs::rename(directory_ / "new", file);
  EXPECT_EQ(next(), 3);
}

TEST_F(WatchTest, WritingTheSameTextOrOtherFilesIsNoChange) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(1));
  const auto watcher = watch(file);
  write(directory_ / "new", config_text(1));
  fs::rename(directory_ / "new", file);
  write(directory_ / "other.yaml", config_text(7));
  look();
  write(directory_ / "new", config_text(2));
  fs::rename(directory_ / "new", file);
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(results_.size(), 1u);
}

TEST_F(WatchTest, AFileThatIsGoneChangesNothing) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(1));
  const auto watcher = watch(file);
  fs::remove(file);
  look();
  EXPECT_TRUE(results_.empty());
  write(file, config_text(2) + "\n");
  while (next() != 2) {
  }
}

TEST_F(WatchTest, ReloadCallsBackWithoutAChangeAndFromAnyThread) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(5));
  const auto watcher = watch(file);
  std::thread([&watcher] { watcher->reload(); }).join();
  EXPECT_EQ(next(), 5);
}

TEST_F(WatchTest, NothingIsCalledAfterItsEnd) {
  const fs::path file = directory_ / "config.yaml";
  write(file, config_text(1));
  auto watcher = watch(file);
  write(file, config_text(2));
  watcher->reload();
  watcher.reset();
  context_.run();
  EXPECT_TRUE(results_.empty());
}

}  // namespace
}  // namespace twinstream
