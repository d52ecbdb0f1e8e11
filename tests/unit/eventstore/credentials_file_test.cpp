#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "adapters/eventstore/credentials_file.h"
#include "adapters/eventstore/eventstore_log.h"
#include "proxy/core/event.h"

namespace twinstream::eventstore {
namespace {

class EventStoreCredentialsFile : public ::testing::Test {
 protected:
  ~EventStoreCredentialsFile() override { std::filesystem::remove(path_); }

  /// As whoever rotates passwords does it: the file is another one afterwards.
  void write(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }
  Failure refusal() {
    const auto file = CredentialsFile::open(path_);
    return file.ok() ? Failure{} : file.failure();
  }

  const std::string path_ = (std::filesystem::temp_directory_path() / EventId::random().to_string()).string();
};

TEST_F(EventStoreCredentialsFile, a_change_is_seen_at_the_next_call) {
  write("admin:first:one\n");
  const auto file = CredentialsFile::open(path_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->user_and_password(), "admin:first:one");
  write("twin:second\r\nmore");
  EXPECT_EQ((*file)->user_and_password(), "twin:second");
}

TEST_F(EventStoreCredentialsFile, what_cannot_be_read_changes_nothing) {
  write("admin:first");
  const auto file = CredentialsFile::open(path_);
  for (const char* text : {"", "nonsense", ":nobody"}) {
    write(text);
    EXPECT_EQ((*file)->user_and_password(), "admin:first");
  }
  std::filesystem::remove(path_);
  EXPECT_EQ((*file)->user_and_password(), "admin:first");
  write("admin:second");
  EXPECT_EQ((*file)->user_and_password(), "admin:second");
}

TEST_F(EventStoreCredentialsFile, one_that_is_wrong_from_the_beginning_is_refused_without_telling_what_it_holds) {
  EXPECT_EQ(refusal().code, FailureCode::rejected);
  write("s3cret without a colon");
  EXPECT_EQ(refusal().code, FailureCode::rejected);
  EXPECT_EQ(refusal().reason.find("s3cret"), std::string::npos);
  EXPECT_NE(refusal().reason.find(path_), std::string::npos);
}

TEST_F(EventStoreCredentialsFile, credentials_in_two_places_are_refused) {
  write("admin:first");
  EventStoreConfig config;
  config.url = "esdb://admin:other@localhost:1?tls=false";
  config.credentials_file = path_;
  const auto log = EventStoreLog::open(config);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.failure().reason.find("other"), std::string::npos);
}

}  // namespace
}  // namespace twinstream::eventstore
