#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string_view>
#include <thread>

#include "proxy/core/log.h"
#include "tests/simulation/scenario.h"

// Runs the migration engine through many seeded worlds. One of them again, with everything that happens in it:
//   simulation --seed=N --trace        or TWINSTREAM_SEED=N simulation --trace
// How many: --seeds=N or TWINSTREAM_SEEDS=N.

namespace twinstream::simulation {
namespace {

struct Settings {
  std::optional<std::uint64_t> seed;
  bool trace = false;
#ifdef __OPTIMIZE__
  std::uint64_t seeds = 20'000;
#else
  std::uint64_t seeds = 1'000;
#endif
};

Settings settings;

constexpr unsigned workers = 2;
constexpr unsigned most_reported = 5;

struct Sum {
  std::mutex mutex;
  std::uint64_t steps = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t kills = 0;
  std::map<Phase, std::uint64_t> reached;
  unsigned failed = 0;
};

Verdict run_seed(std::uint64_t seed, bool trace = false) { return Scenario(seed, trace).run(); }

void report(std::uint64_t seed, const Verdict& verdict, Sum& sum) {
  const std::lock_guard lock(sum.mutex);
  sum.steps += verdict.steps;
  sum.acknowledged += verdict.acknowledged;
  sum.kills += verdict.kills;
  ++sum.reached[verdict.reached];
  if (verdict.violations.empty() || ++sum.failed > most_reported) return;
  std::string text = "seed " + std::to_string(seed) + ":";
  for (const auto& violation : verdict.violations) text += "\n  " + violation;
  ADD_FAILURE() << text << "\nreproduce with: simulation --seed=" << seed << " --trace";
}

void run_seeds(std::atomic<std::uint64_t>& next, std::uint64_t last, Sum& sum) {
  for (std::uint64_t seed = next++; seed <= last; seed = next++) report(seed, run_seed(seed), sum);
}

TEST(Simulation, NoAcknowledgedEventIsLostDuplicatedOrReorderedInAnyWorld) {
  std::atomic<std::uint64_t> next = settings.seed.value_or(1);
  const std::uint64_t last = settings.seed.value_or(settings.seeds);
  Sum sum;
  if (settings.trace) {
    for (std::uint64_t seed = next; seed <= last; ++seed) report(seed, run_seed(seed, true), sum);
  } else {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < workers; ++i) threads.emplace_back([&] { run_seeds(next, last, sum); });
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(sum.failed, 0u) << "worlds with violations";
  std::cout << "steps " << sum.steps << ", acknowledged writes " << sum.acknowledged << ", crashes " << sum.kills;
  for (const auto& [phase, count] : sum.reached) std::cout << ", ended in " << to_string(phase) << " " << count;
  std::cout << "\n";
}

TEST(Simulation, TheSameSeedGivesTheSameWorld) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Verdict first = run_seed(seed);
    const Verdict second = run_seed(seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
  }
  EXPECT_NE(run_seed(1).trace_hash, run_seed(2).trace_hash);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void read_settings(int argc, char** argv) {
  if (const char* seed = std::getenv("TWINSTREAM_SEED")) settings.seed = number(seed);
  if (const char* seeds = std::getenv("TWINSTREAM_SEEDS")) settings.seeds = number(seeds).value_or(settings.seeds);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--seed=")) settings.seed = number(argument.substr(7));
    if (argument.starts_with("--seeds=")) settings.seeds = number(argument.substr(8)).value_or(settings.seeds);
    if (argument == "--trace") settings.trace = true;
  }
}

}  // namespace
}  // namespace twinstream::simulation

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  twinstream::simulation::read_settings(argc, argv);
  // The engine reports every injected fault; only with a trace does anybody want to read that.
  if (!twinstream::simulation::settings.trace) twinstream::log::set_level(twinstream::log::Level::error);
  return RUN_ALL_TESTS();
}
