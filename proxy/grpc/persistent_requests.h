#pragma once

#include "proxy/grpc/call_status.h"
#include "proxy/persistent/groups.h"
#include "proxy/protocol/persistent.pb.h"

// Between the messages of the PersistentSubscriptions service and our own types.

namespace twinstream::door {

namespace groups = event_store::client::persistent_subscriptions;

CallStatus group_failed(const persistent::GroupName& name, std::string reason);
CallStatus group_not_found(const persistent::GroupName& name);
CallStatus group_exists(const persistent::GroupName& name);
CallStatus group_full(const persistent::GroupName& name);
/// How a Read ends whose consumer is sent away.
CallStatus group_dropped(const persistent::GroupName& name, const persistent::Drop& drop);
CallStatus group_failure(const persistent::GroupName& name, const Failure& failure);

/// `begin` is left to whoever creates the group.
Parsed<persistent::GroupConfig> parse_create(const groups::CreateReq& request);

struct GroupUpdate {
  persistent::GroupName name;
  persistent::Settings settings;
  persistent::Start start;
};
Parsed<GroupUpdate> parse_update(const groups::UpdateReq& request);

/// For the options of Delete, GetInfo, ReplayParked, TruncateParked and Read, which name a group alike.
template <class Options>
Parsed<persistent::GroupName> parse_group(const Options& options) {
  switch (options.stream_option_case()) {
    case Options::kAll: return persistent::GroupName{std::string(persistent::all_source), options.group_name()};
    case Options::kStreamIdentifier:
      return persistent::GroupName{options.stream_identifier().stream_name(), options.group_name()};
    case Options::STREAM_OPTION_NOT_SET: break;
  }
  return invalid_argument("neither a stream nor the whole log is named");
}

void fill_info(groups::SubscriptionInfo& message, const persistent::GroupInfo& info);
groups::ReadResp event_response(const persistent::Delivery& delivery, bool string_ids);

}  // namespace twinstream::door
