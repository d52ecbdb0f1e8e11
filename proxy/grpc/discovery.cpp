#include "proxy/grpc/discovery.h"

#include <chrono>
#include <initializer_list>

#include "proxy/grpc/messages.h"
#include "proxy/grpc/session_errors.h"

namespace twinstream::door {
namespace {

namespace gossip = event_store::client::gossip;

using Role = ClusterView::Role;

constexpr const char* server_version = "23.10.8";

gossip::MemberInfo::VNodeState state_of(Role role) {
  switch (role) {
    case Role::leader: return gossip::MemberInfo::Leader;
    case Role::follower: return gossip::MemberInfo::Follower;
    case Role::read_only_replica: break;
  }
  return gossip::MemberInfo::ReadOnlyReplica;
}

const ClusterView::Member* leader_of(const ClusterView& view) {
  for (const auto& member : view.members) {
    if (member.alive && member.role == Role::leader) return &member;
  }
  return nullptr;
}

bool leads(const ClusterView& view) { return view.members[view.self].role == Role::leader; }

CallStatus not_leader(const ClusterView& view) {
  const auto* leader = leader_of(view);
  if (!leader) return unknown("No leader info available in response");
  return {StatusCode::not_found,
          "this node is not the leader",
          {{"exception", "not-leader"},
           {"leader-endpoint-host", leader->host},
           {"leader-endpoint-port", std::to_string(leader->port)}}};
}

}  // namespace

void Node::advertise(std::string host, std::uint16_t port) {
  std::scoped_lock lock(mutex_);
  host_ = std::move(host);
  port_ = port;
}

ClusterView Node::view() const {
  if (watch_) return watch_();
  std::scoped_lock lock(mutex_);
  return {{{host_, port_, Role::leader, true, instance_}}, 0};
}

CallStatus check(const Node& node, const Caller& caller, Intent intent) {
  if (node.alone()) return {};
  const ClusterView view = node.view();
  const bool takes_it = intent == Intent::read || view.members[view.self].role == Role::follower;
  if (leads(view) || (takes_it && !caller.requires_leader)) return {};
  auto status = not_leader(view);
  if (intent == Intent::read && status.code == StatusCode::unknown) status.code = StatusCode::unavailable;
  return status;
}

CallStatus check_leads(const Node& node) {
  if (node.alone()) return {};
  const ClusterView view = node.view();
  return leads(view) ? CallStatus{} : not_leader(view);
}

CallStatus check_leads_v2(const Node& node) {
  if (node.alone()) return {};
  const ClusterView view = node.view();
  if (leads(view)) return {};
  const auto* leader = leader_of(view);
  return leader ? not_leader_node(leader->host, leader->port) : not_ready("no leader is known");
}

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

void fill_cluster(gossip::ClusterInfo& cluster, const Node& node) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  for (const ClusterView::Member& known : node.view().members) {
    auto& member = *cluster.add_members();
    set_uuid(*member.mutable_instance_id(), known.instance, false);
    member.set_time_stamp(to_ticks(now));
    member.set_state(state_of(known.role));
    member.set_is_alive(known.alive);
    member.mutable_http_end_point()->set_address(known.host);
    member.mutable_http_end_point()->set_port(known.port);
  }
}

}  // namespace twinstream::door
