#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "tests/simulation/simulator.h"

namespace twinstream::simulation {

/// What one seed makes of a scenario: drawn once, before anything runs.
struct Plan {
  StoreKinds kinds;
  std::vector<std::string> streams;
  unsigned history_events = 0;  ///< written before Twinstream is there
  unsigned clients = 1;
  unsigned operations = 10;  ///< of each client
  bool deletions = false;
  bool backend_writes = false;  ///< some writes are captured from the backend
  unsigned bypass_writes = 0;   ///< by somebody who knows nothing of Twinstream
  std::vector<Phase> walk;      ///< wanted phases one after the other
  unsigned kills = 0;
  unsigned graceful_percent = 20;  ///< of the kills are orderly stops
  unsigned postgres_fault_percent = 0;
  unsigned eventstore_fault_percent = 0;
  unsigned control_fault_percent = 0;
  bool outages = false;      ///< stores are gone for seconds
  bool late_writes = false;  ///< a write may land after its caller was told that the answer was lost
  CategoryConfig category;   ///< for all categories, but for the wanted phase

  bool retires() const;
  Config config(Phase wanted) const;
};

Plan draw_plan(Dice& dice);

/// Faults by dice, until the weather clears.
class SeededWeather final : public Weather {
 public:
  SeededWeather(World& world, const Plan& plan) : world_(world), plan_(plan) {}

  InjectedFault store_operation(const std::string& store, const FaultPoint& point) override;
  std::chrono::nanoseconds control_time() override;
  bool control_fails() override;

  void set_down(const std::string& store, bool down);
  void clear();

 private:
  Fault draw_fault(unsigned percent, const FaultPoint& point);

  World& world_;
  const Plan& plan_;
  std::set<std::string> down_;
  bool clear_ = false;
};

}  // namespace twinstream::simulation
