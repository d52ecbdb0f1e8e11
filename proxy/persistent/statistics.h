#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace twinstream::persistent {

/// How much has gone by, and how much since somebody asked last.
class Meter {
 public:
  explicit Meter(std::chrono::nanoseconds now) : started_(now) {}

  struct Reading {
    std::int64_t total = 0;
    std::int64_t since_last = 0;
    std::int32_t per_second = 0;  ///< on average since the start
  };
  Reading read(std::uint64_t total, std::chrono::nanoseconds now);

 private:
  std::chrono::nanoseconds started_;
  std::uint64_t last_ = 0;
};

/// Mean, median, quintiles and high percentiles of latencies in milliseconds, by name; nothing without samples.
std::vector<std::pair<std::string, std::int64_t>> measurements(std::vector<std::chrono::nanoseconds> latencies);

}  // namespace twinstream::persistent
