#pragma once

#include <memory>

#include "proxy/grpc/calls.h"
#include "proxy/protocol/server_features.pb.h"

// The services besides Streams and discovery, a file each.

namespace twinstream::door {

std::unique_ptr<grpc::Service> make_monitoring_service(Door& door);
std::unique_ptr<grpc::Service> make_users_service(Door& door);       ///< needs door.users
std::unique_ptr<grpc::Service> make_operations_service(Door& door);  ///< needs door.maintenance

/// Adds those that this door offers.
void add_supported_services(event_store::client::server_features::SupportedMethods& methods, const Door& door);

}  // namespace twinstream::door
