#include <map>
#include <set>

#include "config/read.h"
#include "config/route_values.h"

namespace twinstream {
namespace {

std::string route_field(std::size_t index, std::string_view key) {
  return "routes[" + std::to_string(index) + "]." + std::string(key);
}

std::string category_field(const CategoryConfig& category, std::string_view key) {
  return "categories." + category.name + "." + std::string(key);
}

bool reads_may_leave_postgres(Phase phase) { return phase == Phase::read_switch || phase == Phase::retire; }

void check_reads(const CategoryConfig& category, Findings& findings) {
  if (reads_may_leave_postgres(category.phase)) return;
  const std::string why = " needs the phase read-switch or retire: in phase " + std::string(to_string(category.phase)) +
                          " EventStore is not known to have every event";
  if (category.reads.from == ReadSource::eventstore) {
    findings.add(category_field(category, "reads.from"), "`eventstore`" + why);
  }
  if (category.reads.eventstore_percent > 0) {
    findings.add(category_field(category, "reads.eventstore_percent"), "more than 0%" + why);
  }
}

void check_eventstore_is_there(const Config& config, Findings& findings) {
  if (!config.eventstore.url.empty()) return;
  for (const CategoryConfig& category : config.categories) {
    if (category.phase == Phase::observe) continue;
    findings.add("eventstore.url", "is missing: category " + category.name + " is in phase " +
                                       std::string(to_string(category.phase)) + ", which writes to EventStore");
    return;
  }
}

void check_grpc(const Config& config, Findings& findings) {
  if (!config.grpc) return;
  const DoorSecurity& security = config.grpc->security;
  if (!security.tls_cert.empty() && security.tls_key.empty())
    findings.add("grpc.tls_cert", "needs `tls_key` beside it");
  if (security.tls_cert.empty()) {
    if (!security.tls_key.empty()) findings.add("grpc.tls_key", "needs `tls_cert` beside it");
    if (!security.tls_ca.empty()) findings.add("grpc.tls_ca", "needs `tls_cert` and `tls_key` beside it");
    if (!security.users.empty()) {
      findings.add("grpc.users", "needs `tls_cert` and `tls_key`: passwords would cross the network for all to read");
    }
  }
  if (is_open_to_all(config.grpc->listen.host, security)) {
    findings.add("grpc.listen",
                 "is reachable from other machines, without encryption or passwords: add `tls_cert`, `tls_key` and "
                 "`users`, or `insecure: true` if that is meant");
  }
}

/// Whether a request of this route can write a stream of this entry of `categories`.
bool may_write(const Config& config, const RouteConfig& route, const CategoryConfig& category) {
  const auto known = route.stream_from_response ? std::nullopt : known_category(route.stream);
  return !known || &config.category(*known) == &category;
}

void check_retirement(const Config& config, const CategoryConfig& category, Findings& findings) {
  if (category.phase != Phase::retire) return;
  for (const RouteConfig& route : config.routes) {
    const bool backend_writes = route.kind == RouteConfig::Kind::capture && route.capture == CaptureMode::backend;
    if (!backend_writes || !may_write(config, route, category)) continue;
    findings.add(
        category_field(category, "phase"),
        "`retire` is refused: the route " + route.method + " " + route.pattern +
            " has `capture: backend` and can write this category, so its backend would go on writing a table "
            "that decides nothing any more. Let the backend append through Twinstream (its /streams API), "
            "then make the route `capture: append` or remove it");
    return;
  }
}

void check_repeated_routes(const Config& config, Findings& findings) {
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const RouteConfig& route = config.routes[i];
    if (route.pattern.empty()) continue;
    const auto [first, added] = seen.emplace(route.method + " " + shape_of(route.pattern), i);
    if (!added) {
      findings.add(route_field(i, "match"),
                   "matches the same requests as routes[" + std::to_string(first->second) + "]; keep one of them");
    }
  }
}

void check_backend_is_there(const Config& config, Findings& findings) {
  if (config.backend) return;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const RouteConfig& route = config.routes[i];
    if (route.kind == RouteConfig::Kind::capture && route.capture == CaptureMode::backend) {
      findings.add(route_field(i, "capture"), "`backend` needs the section `backend`");
    }
    if (!route.authorize.empty()) findings.add(route_field(i, "authorize"), "needs the section `backend`");
  }
}

/// A read route that no backend stands behind must be answered from a store.
void check_reads_have_a_source(const Config& config, Findings& findings) {
  if (config.backend) return;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const RouteConfig& route = config.routes[i];
    const auto category = known_category(route.stream);
    if (route.kind != RouteConfig::Kind::read || !category) continue;
    if (config.category(*category).reads.from != ReadSource::backend) continue;
    findings.add(route_field(i, "read"), "is answered by the backend (categories." + *category +
                                             ".reads.from), but there is no section `backend`");
  }
}

}  // namespace

void check_config(const Config& config, Findings& findings) {
  for (const CategoryConfig& category : config.categories) {
    check_reads(category, findings);
    check_retirement(config, category, findings);
  }
  check_eventstore_is_there(config, findings);
  check_grpc(config, findings);
  check_repeated_routes(config, findings);
  check_backend_is_there(config, findings);
  check_reads_have_a_source(config, findings);
}

}  // namespace twinstream
