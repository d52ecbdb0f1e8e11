#pragma once

#include <grpcpp/grpcpp.h>

#include "proxy/grpc/calls.h"
#include "proxy/persistent/groups.h"
#include "proxy/protocol/persistent.pb.h"

namespace twinstream::door {

/// Begins the call by which one consumer gets its messages and answers them.
grpc::ServerBidiReactor<event_store::client::persistent_subscriptions::ReadReq,
                        event_store::client::persistent_subscriptions::ReadResp>*
start_persistent_read(Door& door, persistent::Groups& groups, grpc::CallbackServerContext* context);

}  // namespace twinstream::door
