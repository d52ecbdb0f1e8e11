#include "proxy/persistent/statistics.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace twinstream::persistent {

Meter::Reading Meter::read(std::uint64_t total, std::chrono::nanoseconds now) {
  const auto seconds = std::chrono::duration<double>(now - started_).count();
  Reading reading;
  reading.total = static_cast<std::int64_t>(total);
  reading.since_last = static_cast<std::int64_t>(total - std::exchange(last_, total));
  const double rate = seconds > 0 ? static_cast<double>(total) / seconds : 0;
  reading.per_second = static_cast<std::int32_t>(std::min<double>(rate, std::numeric_limits<std::int32_t>::max()));
  return reading;
}

std::vector<std::pair<std::string, std::int64_t>> measurements(std::vector<std::chrono::nanoseconds> latencies) {
  if (latencies.empty()) return {};
  std::sort(latencies.begin(), latencies.end());
  const auto milliseconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  };
  const auto percentile = [&](double share) {
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(latencies.size()));
    return milliseconds(latencies[std::min(rank, latencies.size() - 1)]);
  };
  const auto sum = std::accumulate(latencies.begin(), latencies.end(), std::chrono::nanoseconds(0));
  return {{"Mean", milliseconds(sum / static_cast<std::int64_t>(latencies.size()))},
          {"Median", percentile(0.5)},
          {"Fastest", milliseconds(latencies.front())},
          {"Quintile 1", percentile(0.2)},
          {"Quintile 2", percentile(0.4)},
          {"Quintile 3", percentile(0.6)},
          {"Quintile 4", percentile(0.8)},
          {"Quintile 5", milliseconds(latencies.back())},
          {"90%", percentile(0.9)},
          {"95%", percentile(0.95)},
          {"99%", percentile(0.99)},
          {"99.5%", percentile(0.995)},
          {"99.9%", percentile(0.999)},
          {"Highest", milliseconds(latencies.back())}};
}

}  // namespace twinstream::persistent
