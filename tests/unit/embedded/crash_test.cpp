#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream {
namespace {

constexpr int streams = 8;
constexpr int events_per_append = 3;

std::string stream_of(int number) { return "s-" + std::to_string(number % streams); }

Event numbered(int number) { return json_event("Tested", std::to_string(number)); }

/// Appends until it is killed, and writes the number of each append into the pipe once it was answered.
[[noreturn]] void append_for_ever(const std::filesystem::path& directory, int pipe) {
  auto log = open_log(directory);
  for (int number = 0;; number += 16) {
    std::vector<Awaitable<Result<Appended>>> appends;
    for (int i = number; i < number + 16; ++i) {
      const std::vector<Event> events(events_per_append, numbered(i));
      appends.push_back(log->append({stream_of(i), ExpectedRevision::any(), events}));
    }
    const auto answers = contract::run_together(std::move(appends));
    for (int i = 0; i < 16; ++i) {
      const int answered = number + i;
      if (!answers[static_cast<std::size_t>(i)].ok()) ::_exit(1);
      if (::write(pipe, &answered, sizeof answered) != sizeof answered) ::_exit(1);
    }
  }
}

/// How often each number stands in the log; EXPECTs that the appends are whole and without gaps.
std::map<int, int> numbers_in(EmbeddedLog& log) {
  std::map<int, int> found;
  for (int stream = 0; stream < streams; ++stream) {
    std::uint64_t next = 0;
    for (;;) {
      const auto page = contract::run(log.read_stream(contract::forwards(stream_of(stream), next)));
      if (!page.ok()) break;
      for (const auto& recorded : page->events) {
        EXPECT_EQ(recorded.revision, next++);
        ++found[std::stoi(recorded.event.data)];
      }
      if (page->end) break;
    }
    EXPECT_EQ(next % events_per_append, 0u) << "half an append in stream " << stream;
  }
  return found;
}

TEST(EmbeddedCrash, a_killed_process_has_kept_every_answered_append_and_no_half_of_one) {
  for (int round = 0; round < 3; ++round) {
    const TemporaryDirectory directory;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) append_for_ever(directory.path(), ends[1]);
    ::close(ends[1]);
    std::vector<int> answered;
    for (int number = 0; ::read(ends[0], &number, sizeof number) == sizeof number;) {
      answered.push_back(number);
      if (answered.size() == 200 + 77u * static_cast<unsigned>(round)) ::kill(child, SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(ends[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    const auto log = open_log(directory.path());
    const auto found = numbers_in(*log);
    for (const int number : answered) EXPECT_EQ(found.count(number), 1u) << "append " << number << " is lost";
    for (const auto& [number, count] : found) EXPECT_EQ(count, events_per_append) << "append " << number;
  }
}

}  // namespace
}  // namespace twinstream
