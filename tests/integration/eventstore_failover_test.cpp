#include <atomic>
#include <fstream>
#include <future>

#include "tests/integration/eventstore_embedded_cluster.h"
#include "tests/integration/eventstore_support.h"

// The leader of a cluster of real servers changes or dies while it is being written to and read from.

namespace twinstream::testing {
namespace {

class EventStoreFailover : public ::testing::Test {
 protected:
  void connect(const std::string& url, std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    log = open_log(url, timeout);
  }

  Pending<Result<Appended>> start_append(std::string stream, ExpectedRevision expected, std::vector<Event> events) {
    return caller.start(log->append({std::move(stream), expected, std::move(events)}));
  }

  /// Makes the shared call answer once: from then on it is pipelined.
  void warm_up() { ASSERT_TRUE(start_append("warm", any, {an_event()}).get().ok()); }

  /// Kills the leader with written and unanswered appends, and makes another node the leader. The answers of the old
  /// one are lost; `survived` runs before what it still has under way is finished.
  void lose_leader_with_its_answers(std::size_t old_leader, std::optional<std::size_t> new_leader,
                                    const std::function<void()>& survived) {
    cluster.node(old_leader).wait_until_held();
    cluster.lead(new_leader);
    auto killing = std::async(std::launch::async, [&] { cluster.kill(old_leader); });
    survived();
    cluster.node(old_leader).release();
    killing.get();
  }

  std::vector<EventId> stored(const std::string& stream) {
    std::vector<EventId> ids;
    const auto page = caller.run(cluster.log().read_stream({stream, Direction::forwards, {}, 10'000}));
    if (!page.ok()) return ids;
    for (const auto& recorded : page->events) ids.push_back(recorded.event.id);
    return ids;
  }

  EmbeddedCluster cluster;
  Caller caller;
  std::unique_ptr<EventStoreLog> log;
};

TEST_F(EventStoreFailover, AppendsFollowALeadThatMoves) {
  connect(cluster.url());
  std::uint64_t round = 0;
  for (const std::size_t leader : {0u, 1u, 2u, 0u, 2u}) {
    cluster.lead(leader);
    const auto before = cluster.node(leader).count("append");
    std::vector<AppendRequest> requests;
    for (int i = 0; i < 20; ++i) {
      requests.push_back({"s-" + std::to_string(i), ExpectedRevision::before(round), {an_event()}});
    }
    for (const auto& answer : caller.run(log->append_many(std::move(requests)))) {
      ASSERT_TRUE(answer.ok()) << answer.failure().reason;
      EXPECT_EQ(answer->revision, round);
      EXPECT_FALSE(answer->duplicate);
    }
    EXPECT_EQ(cluster.node(leader).count("append"), before + 20);
    ++round;
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(stored("s-" + std::to_string(i)).size(), 5u);
}

TEST_F(EventStoreFailover, AnExactAppendWhoseAnswerDiedWithTheLeaderIsWrittenOnce) {
  connect(cluster.url());
  warm_up();
  cluster.node(0).hold_answers();
  const auto event = an_event();
  auto answer = start_append("s", ExpectedRevision::no_stream(), {event});
  lose_leader_with_its_answers(0, 1, [&] {
    const auto result = answer.get();
    ASSERT_TRUE(result.ok()) << result.failure().reason;
    EXPECT_EQ(result->revision, 0u);
    EXPECT_FALSE(result->duplicate);
  });
  EXPECT_EQ(stored("s"), std::vector<EventId>{event.id});
  EXPECT_EQ(cluster.node(1).count("append"), 1u) << "sent again";
}

TEST_F(EventStoreFailover, AnAppendToAnyWhoseAnswerDiedWithTheLeaderIsFoundAtTheNewOne) {
  connect(cluster.url());
  warm_up();
  cluster.node(0).hold_answers();
  const auto event = an_event();
  auto answer = start_append("s", any, {event});
  lose_leader_with_its_answers(0, 1, [&] {
    const auto result = answer.get();
    ASSERT_TRUE(result.ok()) << result.failure().reason;
    EXPECT_EQ(result->revision, 0u);
    EXPECT_FALSE(result->duplicate);
  });
  EXPECT_EQ(stored("s"), std::vector<EventId>{event.id});
  EXPECT_EQ(cluster.node(1).count("append"), 0u) << "sending it again could write it twice";
}

// The connection string names one node, which follows: the way to the new leader begins there.
TEST_F(EventStoreFailover, LookingForAnAppendFollowsTheLeaderToo) {
  connect(cluster.url("esdb", {1}));
  warm_up();
  cluster.node(0).hold_answers();
  const auto event = an_event();
  auto answer = start_append("s", any, {event});
  lose_leader_with_its_answers(0, 2, [&] {
    const auto result = answer.get();
    ASSERT_TRUE(result.ok()) << result.failure().reason;
    EXPECT_EQ(result->revision, 0u);
  });
  EXPECT_EQ(stored("s"), std::vector<EventId>{event.id});
}

TEST_F(EventStoreFailover, LookingForAnAppendWaitsForTheElection) {
  connect(cluster.url("kurrentdb+discover", {}, "discoveryInterval=1&maxDiscoverAttempts=1000"));
  warm_up();
  cluster.node(0).hold_answers();
  const auto event = an_event();
  auto answer = start_append("s", any, {event});
  lose_leader_with_its_answers(0, std::nullopt, [&] {
    cluster.wait_until_asked(10);
    cluster.lead(2);
    const auto result = answer.get();
    ASSERT_TRUE(result.ok()) << result.failure().reason;
  });
  EXPECT_EQ(stored("s"), std::vector<EventId>{event.id});
}

TEST_F(EventStoreFailover, AppendsBehindOneWhoseAnswerDiedKeepTheirOrder) {
  connect(cluster.url());
  warm_up();
  cluster.node(0).hold_answers();
  std::vector<EventId> sent;
  std::vector<Pending<Result<Appended>>> answers;
  for (int i = 0; i < 20; ++i) {
    const auto event = an_event();
    sent.push_back(event.id);
    answers.push_back(start_append("s", any, {event}));
  }
  lose_leader_with_its_answers(0, 2, [&] {
    for (std::uint64_t i = 0; i < answers.size(); ++i) {
      const auto result = answers[i].get();
      ASSERT_TRUE(result.ok()) << result.failure().reason;
      EXPECT_EQ(result->revision, i);
    }
  });
  EXPECT_EQ(stored("s"), sent);
}

TEST_F(EventStoreFailover, ADeletionWhoseAnswerDiedWithTheLeaderHasAnUnknownOutcome) {
  connect(cluster.url());
  for (const std::string stream : {"deleted", "tombstoned"}) {
    ASSERT_TRUE(start_append(stream, any, {an_event()}).get().ok());
  }
  cluster.node(0).hold_answers();
  auto deleted = caller.start(log->soft_delete("deleted", any));
  lose_leader_with_its_answers(0, 1, [&] { EXPECT_TRUE(deleted.get().failed_with(FailureCode::unknown_outcome)); });
  EXPECT_EQ(caller.run(log->head("deleted"))->state, Head::State::soft_deleted)
      << "which the new leader can be asked for";
  cluster.node(1).hold_answers();
  auto tombstoned = caller.start(log->tombstone("tombstoned", any));
  lose_leader_with_its_answers(1, 2, [&] { EXPECT_TRUE(tombstoned.get().failed_with(FailureCode::unknown_outcome)); });
  EXPECT_EQ(caller.run(log->head("tombstoned"))->state, Head::State::tombstoned);
}

TEST_F(EventStoreFailover, ALeaderThatHangsIsLeft) {
  connect(cluster.url(), std::chrono::seconds(1));
  warm_up();
  cluster.node(0).hold_answers();
  auto hanging = start_append("s", ExpectedRevision::no_stream(), {an_event()});
  cluster.node(0).wait_until_held();
  cluster.lead(1);
  EXPECT_TRUE(hanging.get().failed_with(FailureCode::unknown_outcome));
  const auto next = start_append("other", any, {an_event()}).get();
  ASSERT_TRUE(next.ok()) << next.failure().reason;
  EXPECT_EQ(cluster.node(1).count("append"), 1u);
}

TEST_F(EventStoreFailover, SeedsMayBeGoneForGoodOnceTheOthersAreKnown) {
  connect(cluster.url("kurrentdb+discover", {0}));
  warm_up();
  cluster.lead(1);
  cluster.kill(0);
  EXPECT_TRUE(start_append("s", ExpectedRevision::no_stream(), {an_event()}).get().ok());
  cluster.lead(2);
  cluster.kill(1);
  EXPECT_TRUE(start_append("s", ExpectedRevision::exact(0), {an_event()}).get().ok());
  EXPECT_EQ(cluster.node(2).count("append"), 1u);
}

TEST_F(EventStoreFailover, AClusterThatComesBackGetsWhatWaited) {
  connect(cluster.url());
  warm_up();
  for (std::size_t node = 0; node < 3; ++node) cluster.kill(node);
  std::vector<Pending<Result<Appended>>> waiting;
  for (std::uint64_t i = 0; i < 10; ++i) {
    waiting.push_back(start_append("s", ExpectedRevision::before(i), {an_event()}));
  }
  cluster.lead(2);
  for (std::size_t node = 1; node < 3; ++node) cluster.revive(node);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto answer = waiting[i].get();
    ASSERT_TRUE(answer.ok()) << answer.failure().reason;
    EXPECT_EQ(answer->revision, i);
  }
}

// What gossip tells is older than the truth: the leader is dead, and is not known to be.
TEST_F(EventStoreFailover, ALeaderThatGossipTakesForAliveIsTriedUntilThereIsAnother) {
  connect(cluster.url());
  warm_up();
  cluster.kill(0, EmbeddedCluster::Gossip::unaware);
  auto answer = start_append("s", ExpectedRevision::no_stream(), {an_event()});
  cluster.wait_until_asked(3);
  cluster.lead(2);
  ASSERT_TRUE(answer.get().ok());
  EXPECT_EQ(cluster.node(2).count("append"), 1u);
}

TEST_F(EventStoreFailover, DuringAnElectionWhatIsNotWrittenIsUnavailable) {
  connect(cluster.url("esdb", {1}));
  cluster.lead(std::nullopt);
  EXPECT_TRUE(start_append("s", any, {an_event()}).get().failed_with(FailureCode::unavailable));
  cluster.lead(2);
  EXPECT_TRUE(start_append("s", ExpectedRevision::no_stream(), {an_event()}).get().ok());
  EXPECT_EQ(cluster.node(1).count("append"), 0u);
}

TEST_F(EventStoreFailover, ASubscriptionLeavesANodeThatHasLostItsLead) {
  connect(cluster.url());
  const auto all = log->subscribe_all(Position::start());
  std::vector<EventId> sent, seen;
  for (const std::size_t leader : {0u, 1u, 2u}) {
    cluster.lead(leader);
    for (int i = 0; i < 3; ++i) {
      const auto event = an_event();
      sent.push_back(event.id);
      ASSERT_TRUE(start_append("s", any, {event}).get().ok());
    }
    for (const auto& recorded : next_events(caller, *all, 3)) seen.push_back(recorded.event.id);
    ASSERT_EQ(seen, sent);
    EXPECT_EQ(cluster.node(leader).count("subscribe_all"), 1u);
  }
}

// ---- all of it together

/// Writers, a reader of everything, and leaders that come and go.
class EventStoreUnrest : public EventStoreFailover {
 protected:
  static constexpr std::uint64_t per_stream = 150;

  struct Written {
    std::string stream;
    bool exact = false;
    std::vector<EventId> ids;
    std::vector<Result<Appended>> answers;
  };

  /// One after the other, as one who needs the answer writes; how far the writers are is counted together.
  Awaitable<Written> write(std::string stream, bool exact) {
    Written written{std::move(stream), exact, {}, {}};
    for (std::uint64_t i = 0; i < per_stream; ++i) {
      const auto event = an_event();
      written.ids.push_back(event.id);
      const auto expected = exact ? ExpectedRevision::before(i) : any;
      written.answers.push_back(co_await log->append({written.stream, expected, {event}}));
      ++answered;
      answered.notify_all();
    }
    co_return written;
  }

  /// All at once: their order is that of the calls.
  Awaitable<Written> write_at_once(std::string stream) {
    Written written{std::move(stream), false, {}, {}};
    std::vector<AppendRequest> requests;
    for (std::uint64_t i = 0; i < per_stream; ++i) {
      const auto event = an_event();
      written.ids.push_back(event.id);
      requests.push_back({written.stream, any, {event}});
    }
    written.answers = co_await log->append_many(std::move(requests));
    co_return written;
  }

  Awaitable<std::vector<RecordedEvent>> collect_until(std::string last_stream) {
    const auto all = log->subscribe_all(Position::start());
    std::vector<RecordedEvent> seen;
    while (seen.empty() || seen.back().stream != last_stream) {
      auto page = co_await all->next();
      if (!page.ok()) co_return seen;
      for (auto& recorded : page->events) seen.push_back(std::move(recorded));
    }
    co_return seen;
  }

  void wait_for_answers(std::size_t count) {
    for (std::size_t now = answered; now < count; now = answered) answered.wait(now);
  }

  /// Returns how many outcomes nobody knows.
  std::size_t check(const Written& written) {
    const auto ids = stored(written.stream);
    std::size_t unknown = 0, next = 0;
    for (std::size_t i = 0; i < written.ids.size(); ++i) {
      const auto& answer = written.answers[i];
      const bool there = next < ids.size() && ids[next] == written.ids[i];
      if (answer.ok()) {
        EXPECT_TRUE(there) << written.stream << ": append " << i << " is lost or out of order";
        EXPECT_EQ(answer->revision, next);
      } else {
        EXPECT_FALSE(written.exact) << answer.failure().reason;
        EXPECT_TRUE(answer.failed_with(FailureCode::unknown_outcome)) << answer.failure().reason;
        ++unknown;
      }
      next += there;
    }
    EXPECT_EQ(next, ids.size()) << written.stream << ": something is there twice or out of order";
    return unknown;
  }

  std::atomic<std::size_t> answered{0};
};

TEST_F(EventStoreUnrest, NothingIsLostDoubledOrOutOfOrder) {
  connect(cluster.url());
  auto collecting = caller.start(collect_until("last"));
  std::vector<Pending<Written>> writers;
  for (int i = 0; i < 6; ++i) writers.push_back(caller.start(write("exact-" + std::to_string(i), true)));
  for (int i = 0; i < 6; ++i) writers.push_back(caller.start(write("any-" + std::to_string(i), false)));
  for (int i = 0; i < 2; ++i) writers.push_back(caller.start(write_at_once("burst-" + std::to_string(i))));

  std::size_t leader = 0;
  for (std::size_t round = 1; round <= 8; ++round) {
    wait_for_answers(round * 12 * per_stream / 9);
    const std::size_t next = (leader + 1) % 3;
    cluster.lead(next);
    if (round % 2 == 0) {
      cluster.kill(leader);
      cluster.revive(leader);
    }
    leader = next;
  }
  std::size_t unknown = 0;
  for (auto& writer : writers) unknown += check(writer.get());
  RecordProperty("unknown_outcomes", static_cast<int>(unknown));
  ASSERT_TRUE(start_append("last", any, {an_event()}).get().ok());

  const auto seen = collecting.get();
  const auto all = caller.run(cluster.log().read_all({Direction::forwards, Position::start(), 100'000}));
  ASSERT_EQ(seen.size(), all->events.size());
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].position, all->events[i].position);
}

// ---- credentials

class EventStoreRotation : public ::testing::Test {
 protected:
  ~EventStoreRotation() override { std::filesystem::remove(file); }

  /// As whoever rotates passwords does it: the file is another one afterwards.
  void write_file(const std::string& password) {
    std::ofstream(file + ".new") << "admin:" + password + "\n";
    std::filesystem::rename(file + ".new", file);
  }

  void open() {
    EventStoreConfig config{.url = cluster.url(), .append_timeout = std::chrono::seconds(30)};
    config.credentials_file = file;
    auto opened = EventStoreLog::open(config);
    ASSERT_TRUE(opened.ok()) << opened.failure().reason;
    log = std::move(*opened);
  }

  Result<Appended> append() { return caller.run(log->append({"s", any, {an_event()}})); }

  const std::string file = (std::filesystem::temp_directory_path() / EventId::random().to_string()).string();
  EmbeddedCluster cluster{{.secured = true}};
  Caller caller;
  std::unique_ptr<EventStoreLog> log;
};

TEST_F(EventStoreRotation, ANewPasswordIsTakenUpWithoutARestart) {
  write_file("changeit");
  open();
  ASSERT_TRUE(append().ok());
  cluster.change_password("admin", "first");
  write_file("first");
  const auto read = caller.run(log->read_stream(forwards("s")));
  ASSERT_TRUE(read.ok()) << read.failure().reason;
  EXPECT_TRUE(append().ok());
  cluster.lead(1);
  EXPECT_TRUE(append().ok()) << "another node, a new call";
  EXPECT_EQ(caller.run(log->head("s"))->revision, 2u);
}

TEST_F(EventStoreRotation, BetweenTheServerAndTheFileNothingIsGivenUp) {
  write_file("changeit");
  open();
  const auto all = log->subscribe_all(Position::start());
  ASSERT_TRUE(append().ok());
  cluster.change_password("admin", "second");
  const auto refused = caller.run(log->read_stream(forwards("s")));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.failure().code, FailureCode::unavailable);
  EXPECT_EQ(refused.failure().reason.find("changeit"), std::string::npos);
  cluster.lead(1);  // new calls with the old password
  auto late = caller.start(log->append({"s", any, {an_event()}}));
  write_file("second");
  const auto answer = late.get();
  EXPECT_TRUE(answer.ok() || answer.failed_with(FailureCode::unavailable)) << "surely not written, or written";
  const auto next = append();
  ASSERT_TRUE(next.ok()) << next.failure().reason;
  const auto written = caller.run(cluster.log().head("s"))->next_revision();
  EXPECT_EQ(next_events(caller, *all, written).size(), written) << "the subscription has gone on too";
}

}  // namespace
}  // namespace twinstream::testing
