#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "adapters/embedded/embedded_log.h"
#include "tests/contract/event_log_contract.h"

namespace twinstream {

/// A directory of its own, deleted at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "twinstream-XXXXXX").string();
    if (!::mkdtemp(path.data())) throw std::runtime_error("no temporary directory");
    path_ = path;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<EmbeddedLog> open_log(const std::filesystem::path& directory, EmbeddedLogOptions options = {}) {
  auto log = EmbeddedLog::open(directory, options);
  if (!log.ok()) throw std::runtime_error(log.failure().reason);
  return std::move(*log);
}

inline Event json_event(std::string type = "Tested", std::string data = "{}") {
  return {EventId::random(), std::move(type), std::move(data), {}, ContentType::json, {}};
}

/// Blocking calls on a log in a directory of its own.
class EmbeddedTest : public ::testing::Test {
 protected:
  EventLog& log() { return *log_; }
  void reopen(EmbeddedLogOptions options = {}) {
    log_.reset();
    log_ = open_log(directory_.path(), options);
  }

  Result<Appended> append(std::string stream, ExpectedRevision expected, std::vector<Event> events) {
    return contract::run(log().append({std::move(stream), expected, std::move(events)}));
  }
  Result<Appended> append(std::string stream, std::vector<Event> events) {
    return append(std::move(stream), ExpectedRevision::any(), std::move(events));
  }
  void write(const std::string& stream, int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(append(stream, {json_event()}).ok());
  }
  void write_metadata(const std::string& stream, std::string json) {
    ASSERT_TRUE(append("$$" + stream, {json_event("$metadata", std::move(json))}).ok());
  }
  Result<StreamPage> read(ReadStream request) { return contract::run(log().read_stream(std::move(request))); }
  Head head(const std::string& stream) { return *contract::run(log().head(stream)); }
  std::vector<std::uint64_t> revisions(const std::string& stream) {
    std::vector<std::uint64_t> found;
    auto page = read(contract::forwards(stream));
    if (!page.ok()) return found;
    for (const auto& recorded : page->events) found.push_back(recorded.revision);
    return found;
  }
  std::string latest_metadata(const std::string& stream) {
    auto page = read(contract::backwards("$$" + stream, {}, 1));
    return page.ok() && !page->events.empty() ? page->events.front().event.data : "";
  }

  TemporaryDirectory directory_;
  std::unique_ptr<EmbeddedLog> log_ = open_log(directory_.path());
};

}  // namespace twinstream
