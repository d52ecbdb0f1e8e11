#include <cstdio>

#include "adapters/embedded/store_at_rest.h"
#include "proxy/commands/commands.h"

namespace twinstream {
namespace {

unsigned long long number(std::uint64_t value) { return value; }

void print(const StoreReport& report) {
  std::printf("streams: %llu, of them %llu deleted and %llu tombstoned\n", number(report.streams),
              number(report.soft_deleted), number(report.tombstoned));
  std::printf("events: %llu, and %llu scavenged; the last position is %llu\n", number(report.events),
              number(report.scavenged), number(report.last_position));
  std::printf("event ids used again in their stream: %llu\n", number(report.repeated_ids));
  for (const auto& damage : report.damage) std::printf("damage: %s\n", damage.c_str());
  const auto more = report.damages - report.damage.size();
  if (more > 0) std::printf("damage: and %llu more\n", number(more));
  std::printf(report.whole() ? "whole\n" : "damaged: %llu findings\n", number(report.damages));
}

}  // namespace

int run_sink_verify(const SinkCommand& sink) {
  const auto report = verify_store(sink.data);
  if (!report.ok()) {
    std::fprintf(stderr, "twinstream sink verify: %s\n", report.failure().reason.c_str());
    return 2;
  }
  print(*report);
  return report->whole() ? 0 : 1;
}

int run_sink_scavenge(const SinkCommand& sink) {
  const auto report = scavenge_store(sink.data);
  if (!report.ok()) {
    std::fprintf(stderr, "twinstream sink scavenge: %s\n", report.failure().reason.c_str());
    return 1;
  }
  std::printf("%llu events removed, %llu bytes before, %llu after\n", number(report->removed),
              number(report->bytes_before), number(report->bytes_after));
  return 0;
}

}  // namespace twinstream
