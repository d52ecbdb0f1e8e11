// Lost connections and a server that goes away: what was answered must be true.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "tests/integration/postgres_fixture.h"

namespace twinstream::test {
namespace {

using postgres::DatabaseError;

/// A cluster of the test's own that it may stop and start.
class PrivateCluster {
 public:
  PrivateCluster() { start(); }
  ~PrivateCluster() {
    stop("immediate");
    std::filesystem::remove_all(directory_);
  }
  PrivateCluster(const PrivateCluster&) = delete;
  PrivateCluster& operator=(const PrivateCluster&) = delete;

  void start() {
    const std::string output = directory_ + "/url";
    std::filesystem::create_directories(directory_);
    call("start " + directory_ + " > " + output);
    std::ifstream(output) >> url_;
  }
  void stop(const std::string& mode) { call("stop " + directory_ + " " + mode); }
  const std::string& url() const { return url_; }

 private:
  static void call(const std::string& arguments) {
    const std::string command = TWINSTREAM_SOURCE_DIR "/deploy/private-postgres.sh " + arguments;
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  }

  const std::string directory_ = std::filesystem::temp_directory_path() / unique_name("ts-outage");
  std::string url_;
};

/// Appends single events one after the other and keeps what it was told about each id.
class Writer {
 public:
  Writer(EventLog& log, std::string stream, ExpectedRevision::Kind kind)
      : log_(log), stream_(std::move(stream)), kind_(kind), thread_([this] { write(); }) {}
  ~Writer() { finish(); }

  void finish() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int successes() const { return successes_; }
  int failures() const { return failures_; }
  const std::map<std::string, Result<Appended>>& answers() const { return answers_; }
  const std::string& stream() const { return stream_; }

 private:
  void write() {
    std::uint64_t next = 0;
    while (!stop_) {
      const Event one = event();
      const bool any = kind_ == ExpectedRevision::Kind::any;
      const auto expected = any ? ExpectedRevision::any() : ExpectedRevision::before(next);
      const auto answer = run(log_.append({stream_, expected, {one}}));
      answers_.emplace(one.id.to_string(), answer);
      if (answer.ok()) {
        next = *answer->revision + 1;
        ++successes_;
      } else {
        ++failures_;
        const auto head = run(log_.head(stream_));
        if (head.ok()) next = head->next_revision();
      }
    }
  }

  EventLog& log_;
  const std::string stream_;
  const ExpectedRevision::Kind kind_;
  std::map<std::string, Result<Appended>> answers_;
  std::atomic<int> successes_{0}, failures_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

template <class Condition>
void wait_for(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

/// Every success is stored where it was said to be, every `unavailable` is not stored, nothing is stored twice.
void expect_truth(EventLog& log, const Writer& writer) {
  std::map<std::string, std::uint64_t> stored;
  std::uint64_t expected = 0;
  for (std::uint64_t from = 0;;) {
    const auto read = run(log.read_stream({writer.stream(), Direction::forwards, from, 4000, false}));
    if (read.failed_with(FailureCode::unavailable))
      continue;  // this reader has not noticed yet that the server is back
    const auto page = value_of(read);
    for (const auto& event : page.events) {
      EXPECT_EQ(event.revision, expected++);
      EXPECT_TRUE(stored.emplace(event.event.id.to_string(), event.revision).second) << "stored twice";
    }
    if (page.end) break;
    from = page.events.back().revision + 1;
  }
  for (const auto& [id, answer] : writer.answers()) {
    if (answer.ok()) {
      ASSERT_TRUE(stored.contains(id)) << "acknowledged and lost";
      EXPECT_EQ(stored[id], answer->revision);
    } else if (!answer.failed_with(FailureCode::unknown_outcome)) {
      EXPECT_FALSE(stored.contains(id)) << "refused and stored: " << answer.failure().reason;
    }
  }
}

TEST(Outage, AServerThatCrashesUnderAppendsLosesAndDoublesNothing) {
  PrivateCluster cluster;
  const auto config = fresh_config(cluster.url());
  const auto log = open_log(config);
  Writer any(*log, "any-1", ExpectedRevision::Kind::any);
  Writer exact(*log, "exact-1", ExpectedRevision::Kind::exact);
  for (const char* mode : {"immediate", "fast"}) {
    const int any_before = any.successes(), exact_before = exact.successes();
    wait_for([&] { return any.successes() > any_before + 50 && exact.successes() > exact_before + 50; });
    cluster.stop(mode);
    const int any_failures = any.failures(), exact_failures = exact.failures();
    wait_for([&] { return any.failures() > any_failures + 3 && exact.failures() > exact_failures + 3; });
    cluster.start();
  }
  const int any_before = any.successes(), exact_before = exact.successes();
  wait_for([&] { return any.successes() > any_before + 50 && exact.successes() > exact_before + 50; });
  any.finish();
  exact.finish();
  expect_truth(*log, any);
  expect_truth(*log, exact);
}

TEST(Outage, ConnectionsThatAreKilledUnderAppendsCostNothing) {
  auto config = fresh_config();
  config.url += "?application_name=" + config.control_schema;
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  auto killer_config = config;
  killer_config.url = cluster_url();
  auto killer = connect(killer_config);
  Writer any(*log, "any-1", ExpectedRevision::Kind::any);
  Writer exact(*log, "exact-1", ExpectedRevision::Kind::exact);
  for (int round = 0; round < 15; ++round) {
    const int any_before = any.successes(), exact_before = exact.successes();
    wait_for([&] { return any.successes() > any_before + 5 && exact.successes() > exact_before + 5; });
    killer.script("select pg_terminate_backend(pid) from pg_stat_activity where application_name = '" +
                  config.control_schema + "' and query like '%append_%'");
  }
  any.finish();
  exact.finish();
  EXPECT_EQ(any.failures() + exact.failures(), 0) << "the server was there all the time";
  expect_truth(*log, any);
  expect_truth(*log, exact);
}

TEST(Outage, WhileTheServerIsDownEverythingIsUnavailable) {
  PrivateCluster cluster;
  const auto log = open_log(fresh_config(cluster.url()));
  ASSERT_TRUE(run(log->append({"s-1", ExpectedRevision::any(), {event()}})).ok());
  cluster.stop("fast");
  EXPECT_TRUE(run(log->append({"s-1", ExpectedRevision::any(), {event()}})).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(run(log->read_stream({"s-1", Direction::forwards, 0, 10, false})).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(run(log->head("s-1")).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(run(log->tip()).failed_with(FailureCode::unavailable));
  EXPECT_TRUE(run(log->ping()).failed_with(FailureCode::unavailable));
  const auto reason = run(log->ping()).failure().reason;
  EXPECT_EQ(reason.find("postgres:"), std::string::npos) << "no credentials in reasons";
  EXPECT_TRUE(PostgresLog::open(fresh_config(cluster.url())).failed_with(FailureCode::unavailable));
  cluster.start();
  wait_for([&] { return run(log->ping()).ok(); });
  wait_for([&] { return run(log->append({"s-1", ExpectedRevision::any(), {event()}})).ok(); });
  auto read = run(log->read_stream({"s-1", Direction::forwards, 0, 10, false}));
  while (!read.ok()) read = run(log->read_stream({"s-1", Direction::forwards, 0, 10, false}));
  EXPECT_EQ(read->events.size(), 2u);
}

TEST(Outage, ASubscriptionGoesOnAfterARestart) {
  PrivateCluster cluster;
  const auto log = open_log(fresh_config(cluster.url()));
  ASSERT_TRUE(run(log->append({"s-1", ExpectedRevision::any(), {event(), event()}})).ok());
  const auto subscription = log->subscribe_all(Position::start());
  std::vector<std::uint64_t> revisions;
  const auto take = [&] {
    const auto page = run(subscription->next());
    if (!page.ok()) return false;
    for (const auto& event : page->events) revisions.push_back(event.revision);
    return true;
  };
  while (revisions.size() < 2) ASSERT_TRUE(take());
  cluster.stop("immediate");
  wait_for([&] { return !take(); });
  cluster.start();
  wait_for([&] { return run(log->append({"s-1", ExpectedRevision::any(), {event()}})).ok(); });
  wait_for([&] { return take() && revisions.size() >= 3; });
  EXPECT_EQ(revisions, (std::vector<std::uint64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace twinstream::test
