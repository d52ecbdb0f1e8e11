#include <set>

#include "tests/integration/eventstore_embedded_cluster.h"
#include "tests/integration/eventstore_support.h"

// Finding the leader of a cluster of real servers, and following it there when another node was asked.

namespace twinstream::testing {
namespace {

using Role = ClusterView::Role;

class EventStoreDiscovery : public ::testing::Test {
 protected:
  void have(EmbeddedClusterOptions options) { cluster = std::make_unique<EmbeddedCluster>(std::move(options)); }
  std::unique_ptr<EventStoreLog> connect(const std::string& url) { return open_log(url, std::chrono::seconds(20)); }
  std::size_t appends(std::size_t node) { return cluster->node(node).count("append"); }

  std::unique_ptr<EmbeddedCluster> cluster = std::make_unique<EmbeddedCluster>();
  Caller caller;
};

TEST_F(EventStoreDiscovery, TheLeaderIsFoundFromEverySeed) {
  const std::vector<std::string> schemes{"esdb+discover", "kurrentdb+discover"};
  std::vector<std::size_t> expected(3);
  for (std::size_t leader = 0; leader < 3; ++leader) {
    cluster->lead(leader);
    for (std::size_t seed = 0; seed < 3; ++seed) {
      const auto log = connect(cluster->url(schemes[seed % 2], {seed}));
      const auto answer = caller.run(log->append({"s", any, {an_event()}}));
      ASSERT_TRUE(answer.ok()) << answer.failure().reason;
      ++expected[leader];
      for (std::size_t node = 0; node < 3; ++node) EXPECT_EQ(appends(node), expected[node]);
    }
  }
}

TEST_F(EventStoreDiscovery, SeedsThatAreDownArePassedOver) {
  cluster->lead(2);
  cluster->kill(0);
  for (const std::string scheme : {"esdb+discover", "kurrentdb+discover", "esdb"}) {
    const auto log = connect(cluster->url(scheme, {0, 1}));
    ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  }
  EXPECT_EQ(appends(2), 3u);
}

TEST_F(EventStoreDiscovery, WithoutALeaderOneIsWaitedFor) {
  cluster->lead(std::nullopt);
  const auto log = connect(cluster->url("esdb+discover", {}, "maxDiscoverAttempts=10000&discoveryInterval=1"));
  auto answer = caller.start(log->append({"s", any, {an_event()}}));
  cluster->wait_until_asked(10);
  cluster->lead(1);
  ASSERT_TRUE(answer.get().ok());
  EXPECT_EQ(appends(1), 1u);
}

TEST_F(EventStoreDiscovery, AFollowerThatIsPreferredReadsAndForwardsWrites) {
  have({.roles = {Role::leader, Role::follower, Role::read_only_replica}});
  const auto log = connect(cluster->url("esdb+discover", {0}, "nodePreference=follower"));
  ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  ASSERT_TRUE(caller.run(log->read_stream(forwards("s"))).ok());
  EXPECT_EQ(appends(1), 1u);
  EXPECT_EQ(cluster->node(1).count("read_stream"), 1u);
  EXPECT_EQ(cluster->node(0).count("read_stream"), 0u);
}

// Only a leader takes these, whatever is preferred.
TEST_F(EventStoreDiscovery, AnAppendToSeveralStreamsLeavesAFollowerThatIsPreferred) {
  const auto log = connect(cluster->url("esdb+discover", {}, "nodePreference=follower"));
  const auto answer = caller.run(log->append_together({{"a", any, {an_event()}}, {"b", any, {an_event()}}}, {}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(cluster->node(0).count("append_together"), 1u);
}

TEST_F(EventStoreDiscovery, AReadOnlyReplicaThatIsPreferredReadsAndSendsWritesToTheLeader) {
  have({.roles = {Role::leader, Role::follower, Role::read_only_replica}});
  const auto log = connect(cluster->url("esdb+discover", {1}, "nodePreference=readOnlyReplica"));
  ASSERT_TRUE(caller.run(log->tip()).ok());
  EXPECT_EQ(cluster->node(2).count("read_all"), 1u);
  const auto answer = caller.run(log->append({"s", any, {an_event()}}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(appends(0), 1u);
  EXPECT_EQ(appends(2), 0u);
}

TEST_F(EventStoreDiscovery, AnyNodeIsUsedWhenNoneIsPreferred) {
  for (int i = 0; i < 16; ++i) {
    const auto log = connect(cluster->url("esdb+discover", {}, "nodePreference=random"));
    ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  }
  EXPECT_EQ(appends(0) + appends(1) + appends(2), 16u);
  EXPECT_LT(appends(0), 16u) << "one in forty million";
}

/// A log that is told of one node, and that one follows.
class EventStoreRedirect : public EventStoreDiscovery {
 protected:
  std::unique_ptr<EventStoreLog> connect() { return EventStoreDiscovery::connect(cluster->url("esdb", {1})); }

  void write(const std::string& stream, std::size_t count = 1) {
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(caller.run(cluster->log().append({stream, any, {an_event()}})).ok());
    }
  }
  Head head(const std::string& stream) { return *caller.run(cluster->log().head(stream)); }
  void only_the_leader_was_asked_to(const std::string& operation, std::size_t times = 1) {
    EXPECT_EQ(cluster->node(0).count(operation), times) << operation;
    EXPECT_EQ(cluster->node(1).count(operation) + cluster->node(2).count(operation), 0u) << operation;
  }
};

TEST_F(EventStoreRedirect, AnAppendGoesToTheLeader) {
  const auto answer = caller.run(connect()->append({"s", ExpectedRevision::no_stream(), {an_event(), an_event()}}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(answer->revision, 1u);
  EXPECT_FALSE(answer->duplicate);
  only_the_leader_was_asked_to("append");
}

TEST_F(EventStoreRedirect, ABatchOfAppendsIsWrittenOnceThere) {
  std::vector<AppendRequest> requests;
  for (int i = 0; i < 300; ++i) requests.push_back({"s-" + std::to_string(i % 100), any, {an_event()}});
  for (const auto& answer : caller.run(connect()->append_many(std::move(requests)))) {
    ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(head("s-" + std::to_string(i)).revision, 2u);
  only_the_leader_was_asked_to("append", 300);
}

TEST_F(EventStoreRedirect, AnAppendToSeveralStreamsGoesToTheLeader) {
  const auto answer = caller.run(connect()->append_together({{"a", any, {an_event()}}, {"b", any, {an_event()}}}, {}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  only_the_leader_was_asked_to("append_together");
}

TEST_F(EventStoreRedirect, ADeletionGoesToTheLeader) {
  write("s");
  const auto answer = caller.run(connect()->soft_delete("s", any));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(head("s").state, Head::State::soft_deleted);
  only_the_leader_was_asked_to("soft_delete");
}

TEST_F(EventStoreRedirect, ATombstoneGoesToTheLeader) {
  write("s");
  const auto answer = caller.run(connect()->tombstone("s", ExpectedRevision::exact(0)));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(head("s").state, Head::State::tombstoned);
  only_the_leader_was_asked_to("tombstone");
}

TEST_F(EventStoreRedirect, MetadataIsWrittenAtTheLeader) {
  write("s", 2);
  ASSERT_TRUE(caller.run(cluster->log().soft_delete("s", any)).ok());
  const auto answer = caller.run(connect()->restore("s"));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(head("s").state, Head::State::live);
  EXPECT_EQ(head("s").first_visible, 0u);
  EXPECT_EQ(cluster->node(1).count("append"), 0u);
}

TEST_F(EventStoreRedirect, ReadsGoToTheLeader) {
  write("s", 3);
  const auto page = caller.run(connect()->read_stream(forwards("s")));
  ASSERT_TRUE(page.ok()) << page.failure().reason;
  EXPECT_EQ(page->events.size(), 3u);
  only_the_leader_was_asked_to("read_stream");
}

TEST_F(EventStoreRedirect, SubscriptionsGoToTheLeader) {
  write("s", 3);
  const auto log = connect();
  const auto all = log->subscribe_all(Position::start());
  EXPECT_EQ(next_events(caller, *all, 3).size(), 3u);
  only_the_leader_was_asked_to("subscribe_all");
}

}  // namespace
}  // namespace twinstream::testing
