#pragma once

#include <cstdint>
#include <string>

#include "proxy/core/event.h"
#include "proxy/protocol/gossip.pb.h"
#include "proxy/protocol/server_features.pb.h"

namespace twinstream::door {

/// What this server can do, told like EventStore 23.10 tells it: names in lower case.
void fill_supported_methods(event_store::client::server_features::SupportedMethods& methods);

/// A cluster of one living leader.
void fill_single_node(event_store::client::gossip::ClusterInfo& cluster, const EventId& instance,
                      const std::string& host, std::uint16_t port);

}  // namespace twinstream::door
