#include "tests/simulation/scenario.h"

namespace twinstream::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t most_steps = 2'000'000;
constexpr seconds longest_chaos{300};
constexpr seconds longest_way_to_rest{300};
/// Longer than an idle subscription sleeps, so that the tail has looked at the end of the log in between.
constexpr milliseconds rest_time{2500};
constexpr milliseconds look_interval{250};

StoreContents contents(MemoryLog& log, const std::vector<std::string>& streams) {
  StoreContents found{log.store().all_events(), {}};
  for (const std::string& stream : streams) found.heads[stream] = log.store().head(stream);
  return found;
}

/// A stream that was deleted before it had a first event has nothing to carry and is not known to anybody.
std::set<std::string> streams_with_events(const StoreContents& store) {
  std::set<std::string> streams;
  for (const RecordedEvent& event : store.events) streams.insert(event.stream);
  return streams;
}

StoreKinds draw_kinds(std::uint64_t seed) {
  Dice dice(~seed);
  return draw_plan(dice).kinds;
}

Plan plan_of(std::uint64_t seed) {
  Dice dice(~seed);
  return draw_plan(dice);
}

}  // namespace

Scenario::Scenario(std::uint64_t seed, bool print)
    : world_(seed, print, draw_kinds(seed)), plan_(plan_of(seed)), weather_(world_, plan_) {}

Scenario::~Scenario() = default;

Verdict Scenario::run() {
  write_history();
  start_process();
  draw_next_kill();
  for (unsigned i = 0; i < plan_.clients; ++i) start_actor(client());
  if (plan_.bypass_writes > 0) start_actor(bypass());
  if (plan_.outages) start_actor(outages());
  start_actor(operate());
  while (actors_ > 0 && world_.timeline->now() < longest_chaos && step()) {
  }
  if (actors_ > 0) history_.violation("the clients or the operator did not come to an end");
  come_to_rest();
  judge();
  Verdict verdict{history_.violations(), world_.trace.hash(), steps_, acknowledged_, kills_, Phase::observe};
  if (in_force(wanted_)) verdict.reached = wanted_;
  process_.reset();
  return verdict;
}

void Scenario::write_history() {
  for (unsigned written = 0; written < plan_.history_events;) {
    AppendRequest request{any_stream(), ExpectedRevision::any(), draw_events()};
    for (Event& event : request.events) event.created = world_.clock.now() - std::chrono::hours(24);
    written += static_cast<unsigned>(request.events.size());
    const auto answer = world_.postgres.store().append(request, world_.clock.now());
    if (answer.ok()) history_.accepted(request, *answer);
  }
}

void Scenario::start_actor(Awaitable<void> actor) {
  ++actors_;
  boost::asio::co_spawn(world_.outside(), std::move(actor), [this](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
    --actors_;
  });
}

// ---- the life of the process

void Scenario::start_process() {
  world_.note("process starts", to_string(wanted_));
  process_ = std::make_unique<Process>(world_, weather_, plan_.config(wanted_));
  applied_ = wanted_;
}

/// As a file that is watched: a change made while the process was starting is taken over as soon as it serves.
void Scenario::apply_wanted() {
  if (applied_ == wanted_ || !process_ || !process_->serving()) return;
  applied_ = wanted_;
  const auto applied = process_->engine().apply(plan_.config(wanted_));
  if (!applied.ok()) history_.violation("a good configuration was refused: " + applied.failure().reason);
}

void Scenario::draw_next_kill() { next_kill_ = kills_ < plan_.kills ? steps_ + 1 + world_.dice.below(6000) : 0; }

Awaitable<void> Scenario::start_process_later(std::chrono::nanoseconds delay) {
  co_await world_.clock.sleep(delay);
  start_process();
  restarting_ = false;
}

/// Kills it when its time has come, and starts it anew when it is gone.
void Scenario::watch_process() {
  if (restarting_) return;
  if (!peace_ && next_kill_ > 0 && steps_ >= next_kill_) {
    ++kills_;
    draw_next_kill();
    if (process_->serving() && world_.dice.percent(plan_.graceful_percent)) {
      world_.note("process is asked to end");
      process_->close(world_.dice.up_to(seconds(2)));
      return;
    }
    world_.note("process is killed");
    process_.reset();
  } else if (process_->failed() || process_->closed()) {
    world_.note("process has ended");
    process_.reset();
  }
  if (process_) return;
  restarting_ = true;
  boost::asio::co_spawn(world_.outside(), start_process_later(world_.dice.up_to(seconds(1))), boost::asio::detached);
}

bool Scenario::step() {
  if (++steps_ > most_steps) {
    history_.violation("too many steps: something runs without pause");
    return false;
  }
  watch_process();
  apply_wanted();
  const bool more = world_.step(process_ ? &process_->queue() : nullptr);
  note_violations();
  return more;
}

void Scenario::note_violations() {
  const auto& violations = history_.violations();
  while (violations_noted_ < violations.size()) world_.note("VIOLATION", violations[violations_noted_++]);
}

// ---- the end

bool Scenario::at_rest() {
  if (!process_ || !process_->serving()) return false;
  const EngineStatus status = process_->engine().status();
  return in_force(wanted_) && status.caught_up && status.pending_events == 0;
}

void Scenario::come_to_rest() {
  weather_.clear();
  peace_ = true;
  const auto deadline = world_.timeline->now() + longest_way_to_rest;
  auto next_look = world_.timeline->now();
  auto rested_since = std::chrono::nanoseconds::max();
  while (world_.timeline->now() < deadline) {
    if (!step()) break;
    if (world_.timeline->now() < next_look) continue;
    next_look = world_.timeline->now() + look_interval;
    if (!at_rest()) {
      rested_since = std::chrono::nanoseconds::max();
    } else if (rested_since == std::chrono::nanoseconds::max()) {
      rested_since = world_.timeline->now();
    } else if (world_.timeline->now() - rested_since > rest_time) {
      return;
    }
  }
  std::string why = "did not come to rest in " + std::string(to_string(wanted_)) + ":";
  if (!process_ || !process_->serving()) why += " the process does not serve";
  if (process_ && process_->serving()) {
    const EngineStatus status = process_->engine().status();
    for (const auto& category : status.categories) {
      why += " " + category.name + " is in " + std::string(to_string(category.state.phase));
      for (const auto& reason : category.waiting_for) why += ", " + reason;
      why += ";";
    }
    why += " pending " + std::to_string(status.pending_events) + (status.caught_up ? "" : ", not caught up") + " " +
           status.mirror_trouble;
  }
  history_.violation(why);
}

void Scenario::judge() {
  const StoreContents postgres = contents(world_.postgres, plan_.streams);
  const StoreContents eventstore = contents(world_.eventstore, plan_.streams);
  const bool retired = wanted_ == Phase::retire;
  const StoreContents& authority = retired ? eventstore : postgres;
  const StoreContents& follower = retired ? postgres : eventstore;
  std::set<std::string> tombstoned;
  for (const auto& [stream, head] : authority.heads) {
    if (head.state == Head::State::tombstoned) tombstoned.insert(stream);
  }
  // What was tombstoned in EventStore before it was carried back is gone for good, as its owner wanted.
  history_.judge(retired ? "eventstore" : "postgres", authority.events,
                 plan_.retires() ? tombstoned : std::set<std::string>{});
  const bool followed = wanted_ >= Phase::backfill && (!retired || plan_.category.rollback);
  if (followed) {
    history_.judge(retired ? "postgres" : "eventstore", follower.events, tombstoned);
    for (auto& difference :
         differences(postgres, eventstore, streams_with_events(authority), plan_.kinds.postgres_keeps_bytes)) {
      history_.violation(std::move(difference));
    }
  }
  for (const auto& divergence : world_.control->divergences) {
    history_.violation("stream " + divergence.stream + " was set aside: " + divergence.reason);
  }
}

}  // namespace twinstream::simulation
