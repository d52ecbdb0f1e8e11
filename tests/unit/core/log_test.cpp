#include "proxy/core/log.h"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>
#include <thread>
#include <vector>

namespace twinstream {
namespace {

/// What `act` writes to standard error, without the time at the front of each line.
template <class Act>
std::vector<std::string> logged(Act act) {
  testing::internal::CaptureStderr();
  act();
  std::istringstream text(testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    static const std::regex time(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z )");
    EXPECT_TRUE(std::regex_search(line, time)) << line;
    lines.push_back(line.substr(std::min<std::size_t>(line.size(), 28)));
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(Log, ALineIsTimeLevelMessageAndFields) {
  EXPECT_EQ(logged([] {
              log::info("stream carried", {{"stream", "contact-42"}, {"revision", "7"}});
              log::warning("store is down");
              log::error("cannot append", {{"store", "postgres"}});
            }),
            (Lines{"info stream carried stream=contact-42 revision=7", "warning store is down",
                   "error cannot append store=postgres"}));
}

TEST(Log, ValuesAreQuotedWhereNeeded) {
  EXPECT_EQ(
      logged([] { log::info("m", {{"a", "two words"}, {"b", ""}, {"c", "x=y"}, {"d", "say \"no\""}, {"e", "\\"}}); }),
      (Lines{R"(info m a="two words" b="" c="x=y" d="say \"no\"" e="\\")"}));
}

TEST(Log, NothingCanStartALineOfItsOwn) {
  EXPECT_EQ(logged([] { log::info("one\ntwo", {{"a", "x\r\ny\x1b[31m\x7f"}}); }),
            (Lines{R"(info one\ntwo a="x\r\ny\x1b[31m\x7f")"}));
}

TEST(Log, BracesAreText) {
  EXPECT_EQ(logged([] { log::info("{} {0}", {{"a", "{x}"}}); }), (Lines{"info {} {0} a={x}"}));
}

TEST(Log, LongValuesAreCutBetweenCharacters) {
  std::string value = "x";
  for (int i = 0; i < 3000; ++i) value += "é";
  const Lines lines = logged([&] { log::info("m", {{"a", value}}); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], "info m a=" + value.substr(0, 2047) + "...");
}

TEST(Log, LinesBelowTheLevelAreDropped) {
  EXPECT_EQ(logged([] {
              log::debug("hidden");
              log::set_level(log::Level::debug);
              log::debug("shown");
              log::set_level(log::Level::error);
              log::warning("hidden too");
              log::set_level(log::Level::info);
            }),
            (Lines{"debug shown"}));
}

TEST(Log, LinesOfManyThreadsDoNotMix) {
  constexpr int threads = 4, each = 200;
  const Lines lines = logged([] {
    std::vector<std::thread> writers;
    for (int i = 0; i < threads; ++i) {
      writers.emplace_back([] {
        for (int n = 0; n < each; ++n) log::info("written together", {{"field", "value"}});
      });
    }
    for (auto& writer : writers) writer.join();
  });
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(threads * each));
  for (const std::string& line : lines) ASSERT_EQ(line, "info written together field=value");
}

}  // namespace
}  // namespace twinstream
