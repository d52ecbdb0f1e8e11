#include "proxy/grpc/discovery.h"

#include <chrono>
#include <initializer_list>

#include "proxy/grpc/messages.h"

namespace twinstream::door {
namespace {

constexpr const char* server_version = "23.10.8";

}  // namespace

void fill_supported_methods(event_store::client::server_features::SupportedMethods& methods) {
  const auto add = [&](const char* service, const char* method, std::initializer_list<const char*> features) {
    auto& entry = *methods.add_methods();
    entry.set_service_name(service);
    entry.set_method_name(method);
    for (const char* feature : features) entry.add_features(feature);
  };
  constexpr const char* streams = "event_store.client.streams.streams";
  add(streams, "read", {"position", "events"});
  add(streams, "append", {});
  add(streams, "batchappend", {"deadline_duration"});
  add(streams, "delete", {});
  add(streams, "tombstone", {});
  add("kurrentdb.protocol.v2.streams.streamsservice", "appendsession", {});
  add("kurrentdb.protocol.v2.streams.streamsservice", "appendrecords", {});
  constexpr const char* groups = "event_store.client.persistent_subscriptions.persistentsubscriptions";
  for (const char* method : {"create", "update", "delete", "read", "getinfo", "replayparked", "truncateparked", "list",
                             "restartsubsystem"}) {
    add(groups, method, {"stream", "all"});
  }
  add("event_store.client.gossip.gossip", "read", {});
  add("event_store.client.server_features.serverfeatures", "getsupportedmethods", {});
  methods.set_event_store_server_version(server_version);
}

void fill_cluster(event_store::client::gossip::ClusterInfo& cluster, const SingleNode& node) {
  auto& member = *cluster.add_members();
  set_uuid(*member.mutable_instance_id(), node.instance_, false);
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  member.set_time_stamp(to_ticks(now));
  member.set_state(event_store::client::gossip::MemberInfo::Leader);
  member.set_is_alive(true);
  std::scoped_lock lock(node.mutex_);
  member.mutable_http_end_point()->set_address(node.host_);
  member.mutable_http_end_point()->set_port(node.port_);
}

}  // namespace twinstream::door
