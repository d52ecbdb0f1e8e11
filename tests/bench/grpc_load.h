#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace twinstream::bench {

struct Measured {
  std::uint64_t events = 0;
  double seconds = 0;
  std::uint64_t errors = 0;
  std::string first_error;

  double rate() const { return seconds > 0 ? static_cast<double>(events) / seconds : 0; }
};

struct AppendLoad {
  std::string address;
  std::size_t event_bytes = 256;
  /// Events go to random ones of streams `bench-0` to `bench-N`.
  std::uint64_t streams = 1'000;
  unsigned concurrency = 64;  ///< calls, or appends under way in the one batch call
  std::uint64_t events_per_append = 1;
  /// It ends when either is reached; 0: no limit.
  std::uint64_t events = 0;
  std::chrono::milliseconds time{0};
};

/// One call for each event.
Measured append_singly(const AppendLoad& load);
/// Over one BatchAppend call.
Measured append_in_batches(const AppendLoad& load);

struct ReadLoad {
  std::string address;
  bool all = false;  ///< the whole log from its start; else random streams
  std::uint64_t streams = 1'000;
  std::uint64_t count = 1'000;  ///< events that a read asks for
  unsigned concurrency = 4;
  std::chrono::milliseconds time{0};
};
Measured read_events(const ReadLoad& load);

struct FanOutLoad {
  std::string address;
  unsigned subscribers = 100;
  std::uint64_t events = 2'000;
  std::uint64_t events_per_append = 1;
  unsigned concurrency = 64;
  std::string stream;
};
/// Counts deliveries: from the first append until every subscriber has every event.
Measured fan_out(const FanOutLoad& load);

}  // namespace twinstream::bench
