#include "tests/simulation/plan.h"

#include <algorithm>

namespace twinstream::simulation {
namespace {

using std::chrono::milliseconds;

constexpr const char* categories[] = {"account", "note"};

unsigned one_of(Dice& dice, std::initializer_list<unsigned> choices) {
  return choices.begin()[dice.below(choices.size())];
}

/// Up the phases with a detour now and then; mostly to the end, sometimes there and back.
std::vector<Phase> draw_walk(Dice& dice) {
  std::vector<Phase> walk{Phase::dual_write, Phase::backfill};
  if (dice.percent(10)) walk.insert(walk.begin() + 1, Phase::observe);
  if (dice.percent(20)) walk = {Phase::backfill};
  if (dice.percent(75)) walk.push_back(Phase::read_switch);
  if (dice.percent(15)) walk.push_back(dice.percent(50) ? Phase::backfill : Phase::observe);
  if (dice.percent(60)) walk.push_back(Phase::retire);
  if (walk.back() == Phase::retire && dice.percent(50)) {
    walk.push_back(Phase::read_switch);
    if (dice.percent(40)) walk.push_back(Phase::retire);
  }
  if (walk.back() == Phase::observe) walk.push_back(Phase::backfill);
  return walk;
}

CategoryConfig draw_category(Dice& dice) {
  CategoryConfig category;
  category.ack = dice.percent(50) ? Ack::both : Ack::authority;
  category.ack_timeout = milliseconds(one_of(dice, {20, 200, 1000}));
  category.reads.from = dice.percent(50) ? ReadSource::eventstore : ReadSource::postgres;
  category.reads.eventstore_percent = one_of(dice, {0, 50, 100});
  category.reads.compare_percent = one_of(dice, {0, 20});
  category.reads.fallback = dice.percent(80);
  category.reads.wait_for_mirror = milliseconds(one_of(dice, {10, 500}));
  category.original_created = dice.percent(80);
  category.fence_timeout = milliseconds(one_of(dice, {300, 3000}));
  category.rollback = dice.percent(70);
  return category;
}

}  // namespace

bool Plan::retires() const { return std::ranges::find(walk, Phase::retire) != walk.end(); }

Config Plan::config(Phase wanted) const {
  Config config;
  config.check_interval = std::chrono::seconds(20);
  for (const char* name : categories) {
    config.categories.push_back(category);
    config.categories.back().name = name;
    config.categories.back().phase = wanted;
  }
  return config;
}

Plan draw_plan(Dice& dice) {
  Plan plan;
  plan.kinds.postgres_keeps_bytes = dice.percent(60);
  const unsigned streams = 2 + static_cast<unsigned>(dice.below(5));
  for (unsigned i = 0; i < streams; ++i)
    plan.streams.push_back(std::string(categories[i % 2]) + "-" + std::to_string(i));
  plan.history_events = one_of(dice, {0, 10, 40});
  plan.clients = 1 + static_cast<unsigned>(dice.below(4));
  plan.operations = 8 + static_cast<unsigned>(dice.below(20));
  plan.deletions = dice.percent(35);
  plan.walk = draw_walk(dice);
  // Who deletes a stream while somebody writes to it behind Twinstream's back gets a divergence, and is told so.
  plan.backend_writes = !plan.deletions && !plan.retires() && dice.percent(40);
  plan.bypass_writes = !plan.deletions && dice.percent(50) ? 10 : 0;
  plan.kills = dice.percent(65) ? 1 + static_cast<unsigned>(dice.below(4)) : 0;
  plan.postgres_fault_percent = one_of(dice, {0, 0, 3, 12});
  plan.eventstore_fault_percent = one_of(dice, {0, 3, 12, 30});
  plan.control_fault_percent = one_of(dice, {0, 0, 5});
  plan.outages = dice.percent(40);
  plan.late_writes = dice.percent(40);
  plan.category = draw_category(dice);
  // What EventStore hides cannot be read from it any more: without rollback nobody can carry it back.
  if (plan.deletions && plan.retires()) plan.category.rollback = true;
  return plan;
}

InjectedFault SeededWeather::store_operation(const std::string& store, const FaultPoint& point) {
  const bool postgres = store == "postgres";
  InjectedFault injected;
  injected.before = world_.dice.up_to(milliseconds(postgres ? 2 : 5));
  injected.after = world_.dice.up_to(milliseconds(postgres ? 2 : 5));
  if (!clear_) {
    if (world_.dice.percent(2)) injected.after = world_.dice.up_to(milliseconds(1500));
    injected.fault = down_.contains(store)
                         ? Fault::refused
                         : draw_fault(postgres ? plan_.postgres_fault_percent : plan_.eventstore_fault_percent, point);
  }
  world_.note(point.operation, postgres ? "postgres" : "eventstore", static_cast<std::uint64_t>(injected.fault));
  return injected;
}

Fault SeededWeather::draw_fault(unsigned percent, const FaultPoint& point) {
  if (!world_.dice.percent(percent)) return Fault::none;
  constexpr Fault faults[] = {Fault::refused, Fault::unanswered, Fault::answer_lost, Fault::twice, Fault::late};
  const Fault drawn = faults[world_.dice.below(5)];
  // Done twice, a deletion would answer for the second time only; only appends are made to be repeated.
  if (point.append == nullptr && (drawn == Fault::twice || drawn == Fault::late)) return Fault::refused;
  if (drawn == Fault::late && !plan_.late_writes) return Fault::answer_lost;
  return drawn;
}

std::chrono::nanoseconds SeededWeather::control_time() { return world_.dice.up_to(milliseconds(2)); }

bool SeededWeather::control_fails() { return !clear_ && world_.dice.percent(plan_.control_fault_percent); }

void SeededWeather::set_down(const std::string& store, bool down) {
  world_.note(down ? "store goes down" : "store comes back", store);
  if (down) {
    down_.insert(store);
  } else {
    down_.erase(store);
  }
}

void SeededWeather::clear() {
  world_.note("the weather clears");
  clear_ = true;
  down_.clear();
}

}  // namespace twinstream::simulation
