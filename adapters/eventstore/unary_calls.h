#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "adapters/eventstore/connection.h"
#include "proxy/core/event_log.h"

// The calls with one question and one answer.

namespace twinstream::eventstore {

/// `value` counts only when the status is ok.
template <class T>
struct Reply {
  CallStatus status;
  T value{};
};

/// A server that does not know the question has no features; that is an ok answer.
Awaitable<Reply<Features>> fetch_features(ConnectionPtr connection, std::chrono::milliseconds timeout);

struct Member {
  enum class Role { leader, follower, read_only_replica, pre_read_only_replica, read_only_leaderless, other };

  Role role = Role::other;
  bool alive = false;
  Endpoint endpoint;  ///< port 0: none was given
};

Awaitable<Reply<std::vector<Member>>> fetch_members(ConnectionPtr connection, std::chrono::milliseconds timeout);

enum class Deletion { soft, tombstone };
Awaitable<Reply<Deleted>> delete_stream(ConnectionPtr connection, Deletion deletion, std::string stream,
                                        ExpectedRevision expected, std::chrono::milliseconds timeout);

}  // namespace twinstream::eventstore
