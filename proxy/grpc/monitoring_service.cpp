#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "proxy/grpc/response_call.h"
#include "proxy/grpc/services.h"
#include "proxy/protocol/monitoring.pb.h"

namespace twinstream::door {
namespace {

namespace monitoring = event_store::client::monitoring;

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds shortest_period{100};
constexpr std::chrono::milliseconds longest_period{24 * 3'600 * 1'000};

/// Since the process started, user and system together.
std::chrono::duration<double> cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); };
  return std::chrono::duration<double>(seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

std::size_t resident_bytes() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// What one call has seen so far, so that rates can be told.
class Sampler {
 public:
  explicit Sampler(Door& door) : door_(door) {}

  Awaitable<monitoring::StatsResp> sample() {
    monitoring::StatsResp response;
    auto& stats = *response.mutable_stats();
    const auto now = Clock::now();
    const auto cpu = cpu_time();
    const double seconds = std::chrono::duration<double>(now - last_time_).count();
    const double percent = seconds > 0 ? 100 * (cpu - last_cpu_).count() / seconds : 0;
    stats["proc-id"] = std::to_string(::getpid());
    stats["proc-mem"] = std::to_string(resident_bytes());
    stats["proc-cpu"] = std::to_string(percent);
    stats["proc-cpuTotal"] = std::to_string(cpu.count());
    stats["es-store"] = door_.log.traits().name;
    if (const auto tip = co_await door_.log.tip(); tip.ok()) {
      stats["es-position"] = std::to_string(tip->commit);
      if (last_position_ && seconds > 0) {
        stats["es-positionsPerSecond"] = std::to_string(static_cast<double>(tip->commit - *last_position_) / seconds);
      }
      last_position_ = tip->commit;
    }
    last_time_ = now;
    last_cpu_ = cpu;
    co_return response;
  }

 private:
  Door& door_;
  Clock::time_point last_time_ = Clock::now();
  std::chrono::duration<double> last_cpu_ = cpu_time();
  std::optional<std::uint64_t> last_position_;
};

/// The first one at once, the others at the period asked for.
Awaitable<CallStatus> stats(Door& door, const Caller& caller, monitoring::StatsReq request,
                            Responses<monitoring::StatsResp>& responses) {
  const auto refusal = check(caller, Need::login);
  if (!refusal.ok()) co_return refusal;
  const auto longest = static_cast<std::uint64_t>(longest_period.count());
  const std::chrono::milliseconds asked(std::min(request.refresh_time_period_in_ms(), longest));
  Sampler sampler(door);
  while (co_await responses.send(co_await sampler.sample())) {
    if (!co_await responses.pause(std::max(asked, shortest_period))) break;
  }
  co_return CallStatus{StatusCode::cancelled, "the caller has gone", {}};
}

class MonitoringService final : public MethodTable {
 public:
  explicit MonitoringService(Door& door) : MethodTable(door) {
    add_responses<monitoring::StatsReq, monitoring::StatsResp>("/event_store.client.monitoring.Monitoring/Stats", stats);
  }
};

}  // namespace

std::unique_ptr<grpc::Service> make_monitoring_service(Door& door) { return std::make_unique<MonitoringService>(door); }

void add_supported_services(event_store::client::server_features::SupportedMethods& methods, const Door& door) {
  const auto add = [&](const char* service, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      auto& entry = *methods.add_methods();
      entry.set_service_name(service);
      entry.set_method_name(name);
    }
  };
  add("event_store.client.monitoring.monitoring", {"stats"});
  if (door.users) {
    add("event_store.client.users.users",
        {"create", "update", "delete", "disable", "enable", "details", "changepassword", "resetpassword"});
  }
  if (door.maintenance) {
    add("event_store.client.operations.operations", {"startscavenge", "stopscavenge"});
    if (door.stop) add("event_store.client.operations.operations", {"shutdown"});
  }
}

}  // namespace twinstream::door
