#include <atomic>

#include "tests/integration/eventstore_support.h"

// Finding the right node, following the leader, credentials.

namespace twinstream::testing {
namespace {

using std::chrono::seconds;

FakeMember leader(const FakeEventStore& node) { return {.port = node.port(), .state = 8}; }
FakeMember follower(const FakeEventStore& node) { return {.port = node.port(), .state = 6}; }

std::string seeds(const std::vector<const FakeEventStore*>& nodes, const std::string& query = "tls=false") {
  std::string url = "esdb://";
  for (const auto* node : nodes) url += (node == nodes[0] ? "" : ",") + ("127.0.0.1:" + std::to_string(node->port()));
  return url + "?" + query;
}

TEST(EventStoreCluster, WritesGoToTheLeaderThatGossipNames) {
  FakeEventStore one, two;
  for (auto* node : {&one, &two}) node->set_members({follower(one), leader(two)});
  Caller caller;
  const auto log = open_log(seeds({&one, &two}), seconds(20));
  ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  EXPECT_EQ(two.stored("s").size(), 1u);
  EXPECT_EQ(one.count("BatchAppend"), 0u);
}

TEST(EventStoreCluster, DiscoveryNeedsOneSeedOnly) {
  FakeEventStore one, two;
  one.set_members({follower(one), leader(two)});
  Caller caller;
  const auto log = open_log("kurrentdb+discover://127.0.0.1:" + std::to_string(one.port()) + "?tls=false", seconds(20));
  ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  EXPECT_EQ(two.stored("s").size(), 1u);
}

TEST(EventStoreCluster, ASeedThatIsDeadIsPassedOver) {
  FakeEventStore dead, live;
  live.set_members({FakeMember{.port = dead.port(), .alive = false}, leader(live)});
  dead.stop();
  Caller caller;
  const auto log = open_log(seeds({&dead, &live}), seconds(20));
  EXPECT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
}

TEST(EventStoreCluster, AFollowerIsUsedWhenAskedFor) {
  FakeEventStore one, two;
  for (auto* node : {&one, &two}) node->set_members({follower(one), leader(two)});
  Caller caller;
  const auto log = open_log(seeds({&one, &two}, "tls=false&nodePreference=follower"), seconds(20));
  ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  EXPECT_EQ(one.stored("s").size(), 1u);
  EXPECT_EQ(one.headers_of("BatchAppend").count("requires-leader"), 0u) << "a follower forwards only without it";
}

TEST(EventStoreCluster, AfterAFailoverTheNewLeaderIsFound) {
  FakeEventStore one, two;
  for (auto* node : {&one, &two}) node->set_members({leader(one), follower(two)});
  Caller caller;
  const auto log = open_log(seeds({&one, &two}), seconds(20));
  ASSERT_TRUE(caller.run(log->append({"before", any, {an_event()}})).ok());
  EXPECT_EQ(one.stored("before").size(), 1u);
  two.set_members({FakeMember{.port = one.port(), .alive = false}, leader(two)});
  one.stop();
  const auto answer = caller.run(log->append({"after", ExpectedRevision::no_stream(), {an_event()}}));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_EQ(two.stored("after").size(), 1u);
  EXPECT_TRUE(caller.run(log->read_stream(forwards("after"))).ok());
}

TEST(EventStoreCluster, WithoutALeaderDiscoveryWaitsForOne) {
  FakeEventStore one, two;
  for (auto* node : {&one, &two}) node->set_members({follower(one), follower(two)});
  Caller caller;
  const auto log = open_log(seeds({&one, &two}, "tls=false&maxDiscoverAttempts=10000"), seconds(20));
  auto answer = caller.start(log->append({"s", any, {an_event()}}));
  ASSERT_TRUE(one.wait_until([&] { return one.count("Gossip") + two.count("Gossip") >= 4; }));
  for (auto* node : {&one, &two}) node->set_members({follower(one), leader(two)});
  ASSERT_TRUE(answer.get().ok());
  EXPECT_EQ(two.stored("s").size(), 1u);
}

TEST(EventStoreCluster, ANodeThatIsNotTheLeaderNamesItAndEveryAppendIsWrittenOnceThere) {
  FakeEventStore one, two;
  one.on_append = [&](const SeenAppend&) { return Reaction::not_leader("127.0.0.1", two.port()); };
  Caller caller;
  const auto log = open_log(one.url(), seconds(20));
  std::vector<AppendRequest> requests;
  for (int i = 0; i < 50; ++i) requests.push_back({"s-" + std::to_string(i), any, {an_event()}});
  const auto answers = caller.run(log->append_many(std::move(requests)));
  for (const auto& answer : answers) ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(two.stored("s-" + std::to_string(i)).size(), 1u);
}

TEST(EventStoreCluster, ReadsAndDeletionsFollowTheLeaderToo) {
  for (const std::string method : {"Read", "Delete"}) {
    FakeEventStore one, two;
    two.write("s");
    one.on_call = [&](const std::string& called) {
      return called == method ? Reaction::not_leader("127.0.0.1", two.port()) : Reaction::normal();
    };
    Caller caller;
    const auto log = open_log(one.url(), seconds(20));
    if (method == "Read") {
      const auto page = caller.run(log->read_stream(forwards("s")));
      ASSERT_TRUE(page.ok()) << page.failure().reason;
      EXPECT_EQ(page->events.size(), 1u);
    } else {
      const auto deleted = caller.run(log->soft_delete("s", any));
      ASSERT_TRUE(deleted.ok()) << deleted.failure().reason;
      EXPECT_EQ(deleted->position.commit, 77u);
    }
    EXPECT_EQ(two.count(method), 1u);
  }
}

TEST(EventStoreCluster, CallsCarryCredentialsNameAndTheWishForTheLeader) {
  FakeEventStore server;
  Caller caller;
  const auto log = open_log(
      "esdb://adm%40in:ch%3Aange@127.0.0.1:" + std::to_string(server.port()) + "?tls=false&connectionName=twin",
      seconds(20));
  ASSERT_TRUE(caller.run(log->append({"s", any, {an_event()}})).ok());
  ASSERT_TRUE(caller.run(log->read_stream(forwards("s"))).ok());
  for (const std::string method : {"BatchAppend", "Read"}) {
    const auto headers = server.headers_of(method);
    ASSERT_EQ(headers.count("authorization"), 1u) << method;
    EXPECT_EQ(headers.find("authorization")->second, "Basic YWRtQGluOmNoOmFuZ2U=");
    EXPECT_EQ(headers.find("connection-name")->second, "twin");
    EXPECT_EQ(headers.find("requires-leader")->second, "true");
  }
}

TEST(EventStoreCluster, WrongCredentialsAreRejectedAtOnceAndNotShown) {
  FakeEventStore server;
  server.on_call = [](const std::string&) {
    return Reaction{.kind = Reaction::Kind::end_call, .code = 16, .message = "no"};
  };
  Caller caller;
  const auto log =
      open_log("esdb://admin:s3cret@127.0.0.1:" + std::to_string(server.port()) + "?tls=false", seconds(50));
  for (const auto& failure :
       {caller.run(log->append({"s", any, {an_event()}})).failure(),
        caller.run(log->read_stream(forwards("s"))).failure(), caller.run(log->ping()).failure()}) {
    EXPECT_EQ(failure.code, FailureCode::rejected);
    EXPECT_EQ(failure.reason.find("s3cret"), std::string::npos);
    EXPECT_NE(failure.reason.find("correct user and password"), std::string::npos) << failure.reason;
  }
}

TEST(EventStoreCluster, AccessThatIsDeniedIsRejected) {
  FakeEventStore server;
  server.on_call = [](const std::string& method) {
    if (method != "Read") return Reaction::normal();
    return Reaction{.kind = Reaction::Kind::end_call, .code = 7, .trailers = {{"exception", "access-denied"}}};
  };
  Caller caller;
  const auto log = open_log(server.url(), seconds(20));
  EXPECT_TRUE(caller.run(log->tip()).failed_with(FailureCode::rejected));
  EXPECT_EQ(server.count("Read"), 1u) << "no use in trying again";
}

TEST(EventStoreCluster, PingTellsTheVersion) {
  for (const auto& [version, name] :
       {std::pair{"23.10.8", "EventStoreDB 23.10.8"}, std::pair{"25.1.0", "KurrentDB 25.1.0"}}) {
    FakeEventStore server({.version = version});
    Caller caller;
    EXPECT_EQ(*caller.run(open_log(server.url(), seconds(20))->ping()), name);
  }
}

TEST(EventStoreCluster, PingOfADeadServerIsUnavailable) {
  FakeEventStore server;
  server.stop();
  Caller caller;
  EXPECT_TRUE(
      caller.run(open_log(server.url(), std::chrono::milliseconds(200))->ping()).failed_with(FailureCode::unavailable));
}

}  // namespace
}  // namespace twinstream::testing
