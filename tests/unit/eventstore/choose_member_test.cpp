#include <gtest/gtest.h>

#include "adapters/eventstore/cluster.h"

namespace twinstream::eventstore {
namespace {

using Role = Member::Role;

Member member(Role role, std::uint16_t port, bool alive = true) { return {role, alive, {"node", port}}; }

std::uint16_t chosen(const std::vector<Member>& members, NodePreference preference, bool strict = false,
                     std::uint64_t random = 0) {
  const auto endpoint = choose_member(members, preference, strict, [random] { return random; });
  return endpoint ? endpoint->port : std::uint16_t{0};
}

const std::vector<Member> cluster{member(Role::follower, 1),
                                  member(Role::leader, 2),
                                  member(Role::read_only_replica, 3),
                                  member(Role::other, 4),
                                  member(Role::pre_read_only_replica, 5),
                                  member(Role::read_only_leaderless, 6)};

TEST(ChooseMember, PrefersWhatIsAskedFor) {
  EXPECT_EQ(chosen(cluster, NodePreference::leader), 2);
  EXPECT_EQ(chosen(cluster, NodePreference::follower), 1);
  EXPECT_EQ(chosen(cluster, NodePreference::read_only_replica), 3);
}

TEST(ChooseMember, RandomIsAnyThatServesClients) {
  std::vector<std::uint16_t> found;
  for (std::uint64_t draw = 0; draw < 5; ++draw) found.push_back(chosen(cluster, NodePreference::random, false, draw));
  EXPECT_EQ(found, (std::vector<std::uint16_t>{1, 2, 3, 5, 6}));
}

TEST(ChooseMember, ReplicasComeInTheOrderOfTheirReadiness) {
  EXPECT_EQ(chosen({member(Role::read_only_leaderless, 1), member(Role::pre_read_only_replica, 2)},
                   NodePreference::read_only_replica),
            2);
}

TEST(ChooseMember, SettlesForAnotherKindUnlessStrict) {
  const std::vector<Member> leaderless{member(Role::follower, 1), member(Role::other, 2)};
  EXPECT_EQ(chosen(leaderless, NodePreference::leader), 1);
  EXPECT_EQ(chosen(leaderless, NodePreference::leader, true), 0);
}

TEST(ChooseMember, NeverTakesTheDeadOrThoseWithoutEndpoint) {
  EXPECT_EQ(chosen({member(Role::leader, 1, false), member(Role::leader, 0)}, NodePreference::leader), 0);
  EXPECT_EQ(chosen({member(Role::other, 1)}, NodePreference::random), 0);
  EXPECT_EQ(chosen({}, NodePreference::leader), 0);
}

}  // namespace
}  // namespace twinstream::eventstore
