#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/core/event.h"

namespace twinstream {

/// What a node knows of its cluster.
struct ClusterView {
  enum class Role { leader, follower, read_only_replica };

  struct Member {
    std::string host;  ///< as clients reach it
    std::uint16_t port = 0;
    Role role = Role::leader;
    bool alive = true;
    EventId instance{};
  };

  std::vector<Member> members;
  std::size_t self = 0;  ///< which of them the node is
};

}  // namespace twinstream
