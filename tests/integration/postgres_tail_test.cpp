// The tail against writers who commit in another order than they drew their positions, and against writers for whom the
// fence cannot answer.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "tests/integration/postgres_fixture.h"

namespace twinstream::test {
namespace {

/// What a subscription delivered, checked as it comes.
struct Delivered {
  std::vector<RecordedEvent> events;
  std::map<std::string, std::uint64_t> next;  ///< by stream
  std::set<std::uint64_t> positions;
  Position checkpoint;
  int out_of_order = 0;
  int twice = 0;

  void add(const SubscriptionPage& page) {
    for (const auto& event : page.events) {
      auto& expected = next[event.stream];
      if (event.revision != expected) ++out_of_order;
      expected = event.revision + 1;
      if (!positions.insert(event.position.commit).second) ++twice;
      events.push_back(event);
    }
    EXPECT_GE(page.checkpoint, checkpoint);
    checkpoint = page.checkpoint;
  }
};

Awaitable<Done> follow(Subscription& subscription, Delivered& delivered, std::function<bool()> done) {
  while (!done()) {
    const auto page = co_await subscription.next();
    if (!page.ok()) throw std::runtime_error(page.failure().reason);
    delivered.add(*page);
  }
  co_return Done{};
}

void follow_until(Subscription& subscription, Delivered& delivered, std::function<bool()> done) {
  run(follow(subscription, delivered, std::move(done)));
}

/// Inserts as a backend would; `position` only where the test takes the place of a careless writer.
std::string insert(const PostgresConfig& config, const std::string& id, int revision,
                   std::optional<std::int64_t> position = {}) {
  const std::string seq = position ? std::to_string(*position) : "default";
  return "insert into " + table_of(config) +
         " (seq, aggregate_type, aggregate_id, version, event_id, kind, payload) values (" + seq + ", 'contact', '" +
         id + "', " + std::to_string(revision + 1) + ", gen_random_uuid(), 'legacy', '{}')";
}

class Tail : public ::testing::Test {
 protected:
  void open(std::chrono::milliseconds audit = std::chrono::hours(1)) {
    config_ = mapped_config();
    config_.audit_interval = audit;
    cleanup_.emplace(config_);
    log_ = open_log(config_);
  }

  PostgresConfig config_;
  std::optional<Cleanup> cleanup_;
  std::unique_ptr<PostgresLog> log_;
  Delivered delivered_;
};

TEST_F(Tail, ARowThatCommitsLateIsDeliveredAndTheCheckpointWaitsForIt) {
  open();
  auto slow = connect(config_), fast = connect(config_);
  const auto subscription = log_->subscribe_all(Position::start());
  slow.script("begin; " + insert(config_, "slow", 0));
  fast.script(insert(config_, "fast", 0));
  follow_until(*subscription, delivered_, [&] { return delivered_.events.size() == 1; });
  EXPECT_EQ(delivered_.events[0].stream, "contact-fast");
  EXPECT_EQ(delivered_.checkpoint, Position::start());
  slow.script("commit");
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit >= 2; });
  ASSERT_EQ(delivered_.events.size(), 2u);
  EXPECT_EQ(delivered_.events[1].stream, "contact-slow");
  EXPECT_LT(delivered_.events[1].position, delivered_.events[0].position);
}

TEST_F(Tail, ARolledBackTransactionDoesNotHoldTheCheckpointForEver) {
  open();
  auto slow = connect(config_), fast = connect(config_);
  const auto subscription = log_->subscribe_all(Position::start());
  slow.script("begin; " + insert(config_, "slow", 0));
  fast.script(insert(config_, "fast", 0));
  follow_until(*subscription, delivered_, [&] { return delivered_.events.size() == 1; });
  slow.script("rollback");
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 2; });
  EXPECT_EQ(delivered_.events.size(), 1u);
}

TEST_F(Tail, APreparedTransactionHoldsTheCheckpointToo) {
  open();
  auto slow = connect(config_), fast = connect(config_);
  const std::string name = unique_name("prepared");
  const auto subscription = log_->subscribe_all(Position::start());
  slow.script("begin");
  slow.script(insert(config_, "slow", 0));
  slow.script("prepare transaction '" + name + "'");
  fast.script(insert(config_, "fast", 0));
  int pages = 0;
  follow_until(*subscription, delivered_, [&] { return delivered_.events.size() == 1 && ++pages > 2; });
  EXPECT_EQ(delivered_.checkpoint, Position::start());
  slow.script("commit prepared '" + name + "'");
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit >= 2; });
  EXPECT_EQ(delivered_.events.size(), 2u);
}

TEST_F(Tail, ReadingAllStopsBeforeAnOpenTransaction) {
  open();
  auto slow = connect(config_), fast = connect(config_);
  fast.script(insert(config_, "first", 0));
  const auto before = value_of(run(log_->read_all({})));
  ASSERT_EQ(before.events.size(), 1u);
  slow.script("begin; " + insert(config_, "slow", 0));
  fast.script(insert(config_, "fast", 0));
  const auto during = value_of(run(log_->read_all({Direction::forwards, before.next, 100})));
  EXPECT_TRUE(during.events.empty());
  EXPECT_FALSE(during.end);
  EXPECT_EQ(during.next, before.next);
  slow.script("commit");
  const auto after = value_of(run(log_->read_all({Direction::forwards, during.next, 100})));
  EXPECT_EQ(after.events.size(), 2u);
  EXPECT_TRUE(after.end);
}

TEST_F(Tail, TheTipIsRefusedWhileAWriterStaysOpen) {
  config_ = mapped_config();
  config_.statement_timeout = std::chrono::milliseconds(300);
  cleanup_.emplace(config_);
  log_ = open_log(config_);
  auto patient = config_;
  patient.statement_timeout = std::chrono::milliseconds(60'000);
  auto slow = connect(patient);
  slow.script("begin; " + insert(config_, "slow", 0));
  connect(config_).script(insert(config_, "fast", 0));
  EXPECT_TRUE(run(log_->tip()).failed_with(FailureCode::unavailable));
  slow.script("commit");
  EXPECT_EQ(value_of(run(log_->tip())).commit, 2u);
}

TEST_F(Tail, EverythingThatRandomWritersCommitIsDeliveredOnceAndInOrder) {
  open();
  constexpr int writers = 5, transactions = 60;
  std::atomic<int> committed{0}, finished{0};
  const auto write = [&](int writer) {
    auto connection = connect(config_);
    std::mt19937 random(static_cast<unsigned>(writer));
    for (int i = 0, revision = 0; i < transactions; ++i) {
      // Its own stream, so that the backend's own conflicts do not come in; several inserts while others commit.
      const int inserts = static_cast<int>(random() % 3) + 1;
      connection.script("begin");
      for (int k = 0; k < inserts; ++k) {
        connection.script(insert(config_, "writer" + std::to_string(writer), revision + k));
        connection.script("select pg_sleep(" + std::to_string(static_cast<double>(random() % 8) / 1000.0) + ")");
      }
      const bool keep = random() % 10 != 0;
      connection.script(keep ? "commit" : "rollback");
      if (!keep) continue;
      revision += inserts;
      committed += inserts;
    }
    ++finished;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) threads.emplace_back(write, i);
  const auto subscription = log_->subscribe_all(Position::start());
  const auto complete = [&] {
    return finished == writers && delivered_.events.size() >= static_cast<std::size_t>(committed.load());
  };
  follow_until(*subscription, delivered_, complete);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(delivered_.events.size(), static_cast<std::size_t>(committed.load()));
  EXPECT_EQ(delivered_.out_of_order, 0);
  EXPECT_EQ(delivered_.twice, 0);
  EXPECT_EQ(log_->tail_report().recovered, 0u) << "the fence alone must have been enough";
  EXPECT_EQ(log_->tail_report().gaps, 0u);
}

TEST_F(Tail, ResumingFromAnyCheckpointUnderLoadLosesNothing) {
  open();
  std::set<std::string> seen;
  std::atomic<bool> finished{false};
  std::thread writer([&] {
    auto open_one = connect(config_), other = connect(config_);
    for (int i = 0; i < 80; ++i) {
      open_one.script("begin; " + insert(config_, "a", i));
      other.script(insert(config_, "b", i));
      open_one.script("commit");
    }
    finished = true;
  });
  Position checkpoint = Position::start();
  while (!finished || seen.size() < 160) {
    const auto subscription = log_->subscribe_all(checkpoint);
    for (int pages = 0; pages < 3; ++pages) {
      const auto page = value_of(run(subscription->next()));
      for (const auto& event : page.events) seen.insert(event.stream + "@" + std::to_string(event.revision));
      checkpoint = page.checkpoint;
    }
  }
  writer.join();
  EXPECT_EQ(seen.size(), 160u);
}

TEST_F(Tail, ALongHistoryComesInPagesAndInOrder) {
  open();
  connect(config_).script(
      "insert into " + table_of(config_) +
      " (aggregate_type, aggregate_id, version, event_id, kind, payload) select 'contact', (n % 37)::text, "
      "n / 37 + 1, gen_random_uuid(), 'old', '{}' from generate_series(0, 3699) n order by n");
  const auto subscription = log_->subscribe_all(Position::start());
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 3'700; });
  EXPECT_EQ(delivered_.events.size(), 3'700u);
  EXPECT_EQ(delivered_.out_of_order, 0);
  EXPECT_EQ(delivered_.twice, 0);
}

TEST_F(Tail, AnEventWaitsForItsPredecessorsWhosePositionsAreHigher) {
  open();
  auto backend = connect(config_);
  backend.script(insert(config_, "1", 0));
  const auto subscription = log_->subscribe_all(Position::start());
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 1; });
  // Positions drawn ahead and used in another order: revision 3 lies at 10, its predecessors at 20 and 30.
  backend.script("begin; " + insert(config_, "1", 1, 20) + ";" + insert(config_, "1", 2, 30) + ";" +
                 insert(config_, "1", 3, 10) + "; commit");
  follow_until(*subscription, delivered_, [&] { return delivered_.events.size() == 4; });
  EXPECT_EQ(delivered_.out_of_order, 0);
  EXPECT_GE(log_->tail_report().filled, 1u);
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 30; });
  EXPECT_EQ(delivered_.events.size(), 4u);
}

TEST_F(Tail, AnEventThatSlippedUnderTheCheckpointIsFoundThroughItsSuccessor) {
  open();
  auto backend = connect(config_);
  backend.script("select setval(pg_get_serial_sequence('" + table_of(config_) + "', 'seq'), 100)");
  backend.script(insert(config_, "1", 0));
  const auto subscription = log_->subscribe_all(Position::start());
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 101; });
  backend.script(insert(config_, "1", 1, 50));  // a number kept back by a session with a cached sequence
  backend.script(insert(config_, "1", 2));
  follow_until(*subscription, delivered_, [&] { return delivered_.events.size() == 3; });
  EXPECT_EQ(delivered_.out_of_order, 0);
  EXPECT_EQ(log_->tail_report().recovered, 1u);
}

TEST_F(Tail, TheAuditOfHeadsFindsWhatNoPositionWouldShow) {
  open(std::chrono::milliseconds(50));
  auto backend = connect(config_);
  backend.script("select setval(pg_get_serial_sequence('" + table_of(config_) + "', 'seq'), 100)");
  backend.script(insert(config_, "1", 0));
  const auto subscription = log_->subscribe_all(Position::start());
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 101; });
  backend.script(insert(config_, "1", 1, 50));
  backend.script("begin; " + insert(config_, "new", 0, 51) + ";" + insert(config_, "new", 1, 52) + "; commit");
  follow_until(*subscription, delivered_, [&] { return delivered_.events.size() == 4; });
  EXPECT_EQ(delivered_.out_of_order, 0);
  EXPECT_EQ(delivered_.twice, 0);
  EXPECT_EQ(log_->tail_report().recovered, 3u);
}

TEST_F(Tail, TheAuditKnowsWhatWasThereBeforeTheSubscription) {
  open(std::chrono::milliseconds(50));
  auto backend = connect(config_);
  backend.script("select setval(pg_get_serial_sequence('" + table_of(config_) + "', 'seq'), 100)");
  backend.script(insert(config_, "old", 0));
  const auto subscription = log_->subscribe_all({101, 101});
  follow_until(*subscription, delivered_, [pages = 0]() mutable { return ++pages > 2; });
  EXPECT_TRUE(delivered_.events.empty());
  backend.script(insert(config_, "old", 1, 60));
  follow_until(*subscription, delivered_, [&] { return !delivered_.events.empty(); });
  EXPECT_EQ(delivered_.events[0].revision, 1u);
  EXPECT_EQ(log_->tail_report().recovered, 1u);
}

TEST_F(Tail, AMissingRevisionIsReportedAndHoldsNobodyForEver) {
  open();
  auto backend = connect(config_);
  backend.script(insert(config_, "1", 0));
  backend.script(insert(config_, "1", 5));
  const auto subscription = log_->subscribe_all(Position::start());
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 2; });
  EXPECT_EQ(delivered_.events.size(), 2u);
  EXPECT_EQ(log_->tail_report().gaps, 1u);
}

TEST_F(Tail, StartingAtTheEndDeliversWhatCommitsFromThenOn) {
  open();
  auto backend = connect(config_);
  backend.script(insert(config_, "old", 0));
  const auto subscription = log_->subscribe_all(Position::end());
  follow_until(*subscription, delivered_, [&] { return delivered_.checkpoint.commit == 1; });
  EXPECT_TRUE(delivered_.events.empty());
  backend.script(insert(config_, "old", 1));
  follow_until(*subscription, delivered_, [&] { return !delivered_.events.empty(); });
  EXPECT_EQ(delivered_.events[0].revision, 1u);
}

}  // namespace
}  // namespace twinstream::test
