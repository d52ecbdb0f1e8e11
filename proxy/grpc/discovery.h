#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "proxy/core/event.h"
#include "proxy/protocol/gossip.pb.h"
#include "proxy/protocol/server_features.pb.h"

namespace twinstream::door {

/// This server as clients are told to reach it. A free port is known only once it listens, and then the first call may
/// already be there.
class SingleNode {
 public:
  void advertise(std::string host, std::uint16_t port) {
    std::scoped_lock lock(mutex_);
    host_ = std::move(host);
    port_ = port;
  }

 private:
  friend void fill_cluster(event_store::client::gossip::ClusterInfo& cluster, const SingleNode& node);

  const EventId instance_ = EventId::random();
  mutable std::mutex mutex_;
  std::string host_;
  std::uint16_t port_ = 0;
};

/// A cluster of one living leader.
void fill_cluster(event_store::client::gossip::ClusterInfo& cluster, const SingleNode& node);

/// What this server can do, told like EventStore 23.10 tells it: names in lower case.
void fill_supported_methods(event_store::client::server_features::SupportedMethods& methods);

}  // namespace twinstream::door
