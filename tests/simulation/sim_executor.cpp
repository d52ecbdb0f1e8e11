#include "tests/simulation/sim_executor.h"

namespace twinstream::simulation {

void ReadyQueue::step() {
  const auto work = std::move(ready_.front());
  ready_.pop_front();
  work->run();
}

void ReadyQueue::die() {
  dead_ = true;
  auto dropped = std::exchange(ready_, {});
  while (!dropped.empty()) dropped.pop_front();
}

}  // namespace twinstream::simulation
