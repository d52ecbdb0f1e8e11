#include "adapters/memory/memory_control_store.h"
#include "adapters/memory/memory_log.h"
#include "proxy/commands/engine_thread.h"
#include "proxy/engine/engine.h"
#include "tests/contract/event_log_contract.h"

// The dual log keeps the contract in every phase: two stores in memory that differ as PostgreSQL and EventStore do.

namespace twinstream::contract {
namespace {

class DualFixture final : public LogFixture {
 public:
  explicit DualFixture(Phase phase)
      : phase_(phase),
        engine_({thread_.executor(), clock_, system_random(), postgres_, eventstore_, control_, metrics_, {}}) {
    Config config;
    config.categories.emplace_back();
    config.categories.back().name = "*";
    config.categories.back().phase = phase;
    const auto opened = thread_.wait_for(engine_.open(config, true));
    if (!opened || !thread_.wait_for(reach_phase())) not_answered();
  }

  ~DualFixture() override { thread_.wait_for(close()); }

  EventLog& log() override { return engine_.log(); }

  Abilities abilities() const override {
    Abilities abilities;
    abilities.sees_hidden = phase_ != Phase::retire;
    abilities.unique_ids = phase_ != Phase::retire;
    return abilities;
  }

 private:
  Awaitable<bool> reach_phase() {
    for (int look = 0; look < 3000; ++look) {
      if (engine_.status().categories.front().state.phase == phase_) co_return true;
      co_await clock_.sleep(std::chrono::milliseconds(10));
    }
    co_return false;
  }

  Awaitable<Done> close() {
    co_await engine_.close(std::chrono::seconds(1));
    co_return Done{};
  }

  const Phase phase_;
  SystemClock clock_;
  Metrics metrics_;
  MemoryLog postgres_{{.traits = {.name = "postgres"}, .global_unique_ids = true}};
  MemoryLog eventstore_{
      {.traits = {.name = "eventstore", .keeps_created = false, .holds_system_streams = true}, .shows_hidden = false}};
  MemoryControlStore control_;
  EngineThread thread_;
  Engine engine_;
};

LogUnderTest in(std::string name, Phase phase) {
  return {std::move(name), [phase] { return std::make_unique<DualFixture>(phase); }};
}

INSTANTIATE_TEST_SUITE_P(Dual, EventLogContract,
                         ::testing::Values(in("DualWrite", Phase::dual_write), in("ReadSwitch", Phase::read_switch),
                                           in("Retire", Phase::retire)),
                         log_name);

}  // namespace
}  // namespace twinstream::contract
