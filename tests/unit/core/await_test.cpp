#include "proxy/core/await.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <optional>
#include <string>
#include <vector>

namespace twinstream {
namespace {

using Waiting = std::vector<Completion<std::string>>;

boost::asio::awaitable<void> wait_in_line(Waiting& line, std::vector<std::string>& answers) {
  answers.push_back(co_await await_completion<std::string>([&](Completion<std::string> done) {
    line.push_back(std::move(done));
  }));
}

TEST(Await, CompletionsCanBeMovedAroundAndEachResumesItsOwnCoroutine) {
  boost::asio::io_context context;
  Waiting line;
  std::vector<std::string> answers;
  for (int i = 0; i < 2; ++i) boost::asio::co_spawn(context, wait_in_line(line, answers), boost::asio::detached);
  context.poll();  // the coroutines wait: run() would too
  ASSERT_EQ(line.size(), 2u);
  std::swap(line[0], line[1]);
  line[0]("a");
  line[1]("b");
  EXPECT_TRUE(answers.empty());  // never inside the call
  context.restart();
  context.run();
  EXPECT_EQ(answers, (std::vector<std::string>{"a", "b"}));
}

TEST(Await, ManyCompletionsResumeInOrderWhateverTheirExecutors) {
  boost::asio::io_context context;
  const auto other = boost::asio::make_strand(context);
  Waiting line;
  std::vector<std::string> answers;
  boost::asio::co_spawn(context, wait_in_line(line, answers), boost::asio::detached);
  boost::asio::co_spawn(context, wait_in_line(line, answers), boost::asio::detached);
  boost::asio::co_spawn(other, wait_in_line(line, answers), boost::asio::detached);
  boost::asio::co_spawn(context, wait_in_line(line, answers), boost::asio::detached);
  context.poll();
  ASSERT_EQ(line.size(), 4u);
  std::vector<Completion<std::string>::Answer> all;
  for (const char* text : {"a", "b", "c", "d"}) all.push_back({std::move(line[all.size()]), text});
  Completion<std::string>::call_all(std::move(all));
  EXPECT_TRUE(answers.empty());
  context.restart();
  context.run();
  EXPECT_EQ(answers, (std::vector<std::string>{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace twinstream
