#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/history.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/simulator.h"

namespace twinstream::simulation {

struct Verdict {
  std::vector<std::string> violations;
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  std::uint64_t acknowledged = 0;
  unsigned kills = 0;
  Phase reached = Phase::observe;
};

/// A migration under fire: clients that write and read through Twinstream, writers that bypass it, an operator who
/// walks the phases, stores that fail, and a process that is killed at random steps. In the end everything is left in
/// peace, and what the clients were told is compared with what the stores hold.
class Scenario {
 public:
  Scenario(std::uint64_t seed, bool print);
  ~Scenario();

  Verdict run();

 private:
  // What happens outside the process; actors.cpp.
  Awaitable<void> client();
  Awaitable<void> write_something(std::string stream);
  Awaitable<Result<Appended>> write_until_answered(AppendRequest request);
  bool is_repeatable(const AppendRequest& request) const;
  bool is_final_refusal(const AppendRequest& request) const;
  Awaitable<void> repeat(AppendRequest request);
  Awaitable<void> write_by_backend(std::string stream);
  Awaitable<void> read_something(std::string stream);
  Awaitable<void> delete_something(std::string stream);
  Awaitable<void> bypass();
  Awaitable<void> operate();
  Awaitable<void> outages();
  AppendRequest draw_append(const std::string& stream);
  std::vector<Event> draw_events();
  const std::string& any_stream();
  bool in_force(Phase phase);

  // The run itself; scenario.cpp.
  void write_history();
  void start_actor(Awaitable<void> actor);
  void watch_process();
  void draw_next_kill();
  void start_process();
  void apply_wanted();
  Awaitable<void> start_process_later(std::chrono::nanoseconds delay);
  bool step();
  void note_violations();
  void come_to_rest();
  bool at_rest();
  void judge();

  World world_;
  Plan plan_;
  SeededWeather weather_;
  History history_;
  std::unique_ptr<Process> process_;
  Phase wanted_ = Phase::observe;
  Phase applied_ = Phase::observe;
  bool peace_ = false;             ///< no more kills
  bool backend_may_write_ = true;  ///< as long as PostgreSQL is the authority for certain
  unsigned actors_ = 0;
  unsigned kills_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t next_kill_ = 0;
  std::uint64_t acknowledged_ = 0;
  bool restarting_ = false;
  unsigned events_drawn_ = 0;
  std::size_t violations_noted_ = 0;
};

}  // namespace twinstream::simulation
