// Measures a server of the Streams protocol: see grpc.sh.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <vector>

#include "tests/bench/grpc_floor.h"
#include "tests/bench/grpc_load.h"

namespace twinstream::bench {
namespace {

using std::chrono::milliseconds;

struct Target {
  std::string address;
  int pid = 0;
};

/// User and system time of a process, in seconds.
double cpu_seconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// `VmHWM` and the like, in MiB.
double memory_mib(int pid, const std::string& key) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  return 0;
}

struct Row {
  double rate = 0;
  double cpu_us = 0;  ///< of the server, for each event
};

using Load = std::function<Measured(const std::string& address)>;

Row measure(const std::string& name, const Target& target, const Load& load) {
  const double before = cpu_seconds(target.pid);
  const Measured measured = load(target.address);
  const double cpu = cpu_seconds(target.pid) - before;
  if (measured.errors > 0) throw std::runtime_error(name + ": " + measured.first_error);
  return {measured.rate(), measured.events > 0 ? cpu / static_cast<double>(measured.events) * 1e6 : 0};
}

class Comparison {
 public:
  Comparison(Target sink, Target floor, milliseconds time) : sink_(sink), floor_(floor), time_(time) {}

  void run() {
    std::printf("%-46s %11s %11s %6s %9s %9s %6s\n", "events per second", "sink", "floor", "ratio", "us sink",
                "us floor", "ratio");
    for (const std::size_t bytes : {256, 4096}) append_steps(bytes);
    read_steps();
    for (const std::uint64_t events : {1, 100}) fan_out_step(events);
    std::printf("us: CPU of the server for each event. Sink: peak memory %.0f MiB.\n", memory_mib(sink_.pid, "VmHWM"));
  }

 private:
  void step(const std::string& name, const Load& load) {
    const Row sink = measure(name, sink_, load);
    const Row floor = measure(name, floor_, load);
    std::printf("%-46s %11.0f %11.0f %5.0f%% %9.2f %9.2f %5.1fx\n", name.c_str(), sink.rate, floor.rate,
                100 * sink.rate / floor.rate, sink.cpu_us, floor.cpu_us, sink.cpu_us / std::max(floor.cpu_us, 0.001));
    std::fflush(stdout);
  }

  void append_steps(std::size_t bytes) {
    const std::string size = bytes == 256 ? ", 256 B" : ", 4 KiB";
    AppendLoad load;
    load.event_bytes = bytes;
    load.time = time_;
    step("Append, 64 callers" + size, [load](const std::string& address) mutable {
      load.address = address;
      return append_singly(load);
    });
    for (const std::uint64_t events : {1, 10, 100, 500}) {
      load.events_per_append = events;
      // Not more under way than a server holds in memory.
      load.concurrency = bytes * events > 500'000 ? 8 : 64;
      step("BatchAppend of " + std::to_string(events) + size, [load](const std::string& address) mutable {
        load.address = address;
        return append_in_batches(load);
      });
    }
  }

  /// Streams and a log of their own size: the sink's were just filled.
  void read_steps() {
    ReadLoad load;
    load.time = time_;
    step("read of streams, 4 readers of 1,000 events", [load](const std::string& address) mutable {
      load.address = address;
      return read_events(load);
    });
    load.all = true;
    load.count = 20'000;
    step("read of $all, 4 readers of 20,000 events", [load](const std::string& address) mutable {
      load.address = address;
      return read_events(load);
    });
  }

  void fan_out_step(std::uint64_t events) {
    FanOutLoad load;
    load.events_per_append = events;
    load.events = static_cast<std::uint64_t>(time_.count()) * (events == 1 ? 1 : 2) / events * events;
    load.stream = "fan-out-" + std::to_string(events);
    step("fan-out to 100 subscribers, BatchAppend of " + std::to_string(events),
         [load](const std::string& address) mutable {
           load.address = address;
           return fan_out(load);
         });
  }

  const Target sink_;
  const Target floor_;
  const milliseconds time_;
};

/// Fills a store and measures it at 100,000 events and again when it is larger.
class Growth {
 public:
  Growth(Target sink, std::uint64_t events, milliseconds time) : sink_(sink), events_(events), time_(time) {}

  void run() {
    std::printf("%-11s %21s %21s %21s %21s %9s %9s\n", "", "BatchAppend of 10", "Append, 64 callers", "read of streams",
                "read of $all", "RSS MiB", "peak MiB");
    fill(100'000);
    const auto first = sample();
    auto last = first;
    while (written_ < events_) {
      fill(std::min(events_, std::max<std::uint64_t>(1'000'000, 2 * written_)) - written_);
      last = sample();
    }
    std::printf("%-11s", "last/first");
    for (std::size_t i = 0; i < first.size(); ++i) {
      std::printf(" %10.0f%% %7.2fx  ", 100 * last[i].rate / first[i].rate, last[i].cpu_us / first[i].cpu_us);
    }
    std::printf("\nus: CPU of the sink for each event. Each number is the best of %d tries.\n", tries);
  }

 private:
  static constexpr int tries = 3;  // a machine has other things to do now and then

  /// A stream for every 100 events: the number of streams grows with the store, their length does not.
  std::uint64_t streams() const { return std::max<std::uint64_t>(100, written_ / 100); }

  AppendLoad append_load() const {
    AppendLoad load;
    load.address = sink_.address;
    load.streams = streams();
    return load;
  }

  Measured append_tens(std::uint64_t events) {
    AppendLoad load = append_load();
    load.events_per_append = 10;
    load.events = events;
    const Measured measured = append_in_batches(load);
    written_ += measured.events;
    return measured;
  }

  void fill(std::uint64_t events) {
    for (const std::uint64_t until = written_ + events; written_ < until;) {
      const Measured measured = append_tens(std::min(until - written_, std::max<std::uint64_t>(1'000, written_ / 20)));
      if (measured.errors > 0) throw std::runtime_error(measured.first_error);
    }
  }

  Row best(const std::string& name, const std::function<Measured()>& load) {
    Row best;
    for (int i = 0; i < tries; ++i) {
      const Row row = measure(name, sink_, [&](const std::string&) { return load(); });
      best = {std::max(best.rate, row.rate), i == 0 ? row.cpu_us : std::min(best.cpu_us, row.cpu_us)};
    }
    return best;
  }

  std::vector<Row> sample() {
    std::vector<Row> rows;
    const std::uint64_t before = written_;
    rows.push_back(best("batches", [&] { return append_tens(30'000); }));
    rows.push_back(best("single appends", [&] {
      AppendLoad load = append_load();
      load.events = 10'000;
      const Measured measured = append_singly(load);
      written_ += measured.events;
      return measured;
    }));
    ReadLoad read{sink_.address, false, streams(), 100, 4, time_ / tries};
    rows.push_back(best("stream reads", [&] { return read_events(read); }));
    read.all = true;
    read.count = 20'000;
    rows.push_back(best("reads of $all", [&] { return read_events(read); }));
    std::printf("%-11llu", static_cast<unsigned long long>(before));
    for (const Row& row : rows) std::printf(" %9.0f/s %5.1f us  ", row.rate, row.cpu_us);
    std::printf("%9.0f %9.0f\n", memory_mib(sink_.pid, "VmRSS"), memory_mib(sink_.pid, "VmHWM"));
    std::fflush(stdout);
    return rows;
  }

  const Target sink_;
  const std::uint64_t events_;
  const milliseconds time_;
  std::uint64_t written_ = 0;
};

/// Until standard input is closed.
void serve_floor(std::size_t event_bytes) {
  const auto server = FloorServer::start(event_bytes);
  std::printf("listening on 127.0.0.1:%d\n", server->port());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) continue;
}

}  // namespace
}  // namespace twinstream::bench

int main(int argc, char** argv) {
  using namespace twinstream::bench;
  CLI::App app("Measures servers of the EventStore protocol");
  app.require_subcommand(1);
  Target sink, floor;
  double seconds = 2;
  std::uint64_t events = 1'000'000;
  std::size_t event_bytes = 256;

  auto* serve = app.add_subcommand("floor", "serve the protocol and only count");
  serve->add_option("--event-bytes", event_bytes);
  auto* compare = app.add_subcommand("compare", "all loads, at a sink and at the floor");
  compare->add_option("--floor", floor.address)->required();
  compare->add_option("--floor-pid", floor.pid)->required();
  auto* growth = app.add_subcommand("growth", "rates at 100,000 events and at more");
  growth->add_option("--events", events);
  for (auto* command : {compare, growth}) {
    command->add_option("--sink", sink.address)->required();
    command->add_option("--sink-pid", sink.pid)->required();
    command->add_option("--seconds", seconds);
  }
  CLI11_PARSE(app, argc, argv);
  const auto time = std::chrono::milliseconds(static_cast<int>(seconds * 1'000));
  try {
    if (*serve) serve_floor(event_bytes);
    if (*compare) Comparison(sink, floor, time).run();
    if (*growth) Growth(sink, events, time).run();
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "bench_grpc: %s\n", failed.what());
    return 1;
  }
  return 0;
}
