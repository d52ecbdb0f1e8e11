#include "tests/simulation/simulator.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace twinstream::simulation {
namespace {

MemoryLogOptions like_postgres(StoreKinds kinds, Clock& clock) {
  MemoryLogOptions options;
  options.traits.name = "postgres";
  options.traits.exact_bytes = kinds.postgres_keeps_bytes;
  options.global_unique_ids = true;
  options.clock = &clock;
  return options;
}

MemoryLogOptions like_eventstore(Clock& clock) {
  MemoryLogOptions options;
  options.traits.name = "eventstore";
  options.traits.keeps_created = false;
  options.traits.holds_system_streams = true;
  options.shows_hidden = false;
  options.clock = &clock;
  return options;
}

}  // namespace

World::World(std::uint64_t seed, bool print, StoreKinds kinds)
    : dice(seed),
      trace(print),
      timeline(std::make_shared<Timeline>(dice)),
      clock(timeline),
      postgres(like_postgres(kinds, clock)),
      eventstore(like_eventstore(clock)),
      control(std::make_shared<ControlMemory>()) {}

World::~World() {
  outside_.die();
  clock.drop();
}

bool World::step(ReadyQueue* process) {
  const bool inside = process != nullptr && !process->empty();
  if (!inside && outside_.empty()) {
    if (timeline->empty()) return false;
    timeline->advance();
    return true;
  }
  const bool choose_inside = inside && (outside_.empty() || dice.percent(50));
  (choose_inside ? *process : outside_).step();
  return true;
}

Process::Process(World& world, Weather& weather, Config config)
    : world_(world),
      weather_(weather),
      clock_(world.timeline),
      postgres_(faulty(world.postgres, "postgres")),
      eventstore_(faulty(world.eventstore, "eventstore")),
      control_(world.control, [this](std::string_view) { return control_hook(); }),
      engine_(std::make_unique<Engine>(Engine::Parts{executor(),
                                                     clock_,
                                                     [&world] { return world.dice.next(); },
                                                     postgres_,
                                                     eventstore_,
                                                     control_,
                                                     metrics_,
                                                     {}})) {
  boost::asio::co_spawn(executor(), open(std::move(config)), boost::asio::detached);
}

/// First everything from outside that could wake the engine goes, then its queued work, then the engine itself with
/// what waits inside it.
Process::~Process() {
  queue_.die();
  clock_.drop();
  world_.postgres.drop_waiting();
  world_.eventstore.drop_waiting();
  engine_.reset();
}

FaultyLog Process::faulty(MemoryLog& log, const char* name) {
  return {log, clock_, world_.clock, world_.outside(), [this, store = std::string(name)](const FaultPoint& point) {
            return weather_.store_operation(store, point);
          }};
}

Awaitable<Result<Done>> Process::control_hook() {
  co_await clock_.sleep(weather_.control_time());
  if (weather_.control_fails()) co_return Failure{FailureCode::unavailable, "the control store is down (injected)", {}};
  co_return Done{};
}

Awaitable<void> Process::open(Config config) {
  const auto opened = co_await engine_->open(std::move(config), true);
  serving_ = opened.ok();
  failed_ = !opened.ok();
  world_.note(serving_ ? "process serves" : "process cannot open");
}

void Process::close(std::chrono::nanoseconds limit) {
  serving_ = false;
  boost::asio::co_spawn(executor(), close_engine(limit), boost::asio::detached);
}

Awaitable<void> Process::close_engine(std::chrono::nanoseconds limit) {
  co_await engine_->close(limit);
  closed_ = true;
}

}  // namespace twinstream::simulation
