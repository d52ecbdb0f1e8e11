#include "proxy/engine/phases.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "proxy/core/log.h"
#include "proxy/engine/concurrently.h"

namespace twinstream {
namespace {

constexpr std::chrono::milliseconds look_interval{500};
constexpr std::chrono::seconds tail_patience{5};
constexpr std::chrono::seconds check_patience{10};
/// Failed checks are not repeated in a tight loop: they read both stores.
constexpr std::chrono::seconds failed_check_pause{5};
constexpr std::size_t heads_at_once = 64;

Phase next_towards(Phase from, Phase to) {
  return static_cast<Phase>(static_cast<int>(from) + (from < to ? 1 : -1));
}

}  // namespace

Phases::Phases(boost::asio::any_io_executor executor, Clock& clock, Stores stores, Categories& categories,
               ControlStore& control, Checker& checker, Backfill& backfill, Backfill& back_backfill,
               Metrics& metrics, std::chrono::seconds check_interval)
    : executor_(std::move(executor)),
      clock_(clock),
      stores_(stores),
      categories_(categories),
      control_(control),
      checker_(checker),
      backfill_(backfill),
      back_backfill_(back_backfill),
      metrics_(metrics),
      check_interval_(check_interval) {}

void Phases::start() {
  running_ = true;
  boost::asio::co_spawn(executor_, run(), boost::asio::detached);
}

void Phases::stop() {
  stopping_ = true;
  backfill_.stop();
  back_backfill_.stop();
  wake_.notify();
}

Awaitable<void> Phases::run() {
  auto saved = co_await control_.load_check();
  if (saved) last_report_ = *saved;
  while (!stopping_) {
    std::vector<std::string> names;
    for (const auto& [name, category] : categories_.all()) names.push_back(name);
    bool moved = false;
    for (const std::string& name : names) {
      const auto found = categories_.all().find(name);
      if (found == categories_.all().end() || stopping_) continue;
      if (co_await walk(*found->second)) moved = true;
    }
    if (!moved && !stopping_) co_await wake_.wait(clock_, look_interval);
  }
  running_ = false;
}

/// One step of one category per round, so that a category that waits does not keep the others.
Awaitable<bool> Phases::walk(Category& category) {
  const Phase from = category.state.phase;
  metrics_.gauge("twinstream_phase", static_cast<double>(from), {{"category", category.config.name}});
  metrics_.gauge("twinstream_epoch", static_cast<double>(category.state.epoch), {{"category", category.config.name}});
  if (from == category.config.phase) {
    category.waiting_for.clear();
    if (from == Phase::backfill && !category.state.checked_equal) co_await backfill_and_check(category);
    if (from == Phase::read_switch) co_await check_regularly(category);
    co_return false;
  }
  const bool moved = from < category.config.phase ? co_await step_up(category) : co_await step_down(category);
  if (!moved) co_return false;
  category.waiting_for.clear();
  log::info("phase changed", {{"category", category.config.name},
                              {"from", std::string(to_string(from))},
                              {"to", std::string(to_string(category.state.phase))},
                              {"epoch", std::to_string(category.state.epoch)}});
  co_return true;
}

Awaitable<bool> Phases::step_up(Category& category) {
  switch (category.state.phase) {
    case Phase::observe: co_return co_await to_dual_write(category);
    case Phase::dual_write: co_return co_await to_backfill(category);
    case Phase::backfill: co_return co_await to_read_switch(category);
    case Phase::read_switch: co_return co_await change_authority(category, true);
    case Phase::retire: break;
  }
  co_return false;
}

Awaitable<bool> Phases::step_down(Category& category) {
  if (category.state.phase == Phase::retire) co_return co_await change_authority(category, false);
  CategoryState next = category.state;
  next.phase = next_towards(next.phase, category.config.phase);
  if (next.phase == Phase::observe) {
    // What is written from now on is not mirrored: history has to be carried and checked anew.
    next.backfilled = false;
    next.checked_equal = false;
    auto cleared = co_await control_.clear_cursor("backfill:" + category.config.name);
    if (!cleared) co_return refuse(category, "the control tables: " + cleared.failure().reason);
  }
  co_return co_await store(category, next);
}

Awaitable<bool> Phases::to_dual_write(Category& category) {
  for (EventLog* log : {&stores_.postgres, &stores_.eventstore}) {
    auto alive = co_await log->ping();
    if (!alive) co_return refuse(category, log->traits().name + " does not answer: " + alive.failure().reason);
  }
  auto started = co_await stores_.forward_tail.start();
  if (!started) co_return refuse(category, "the tail cannot start: " + started.failure().reason);
  stores_.forward.forget(belongs_to(category));
  CategoryState next = category.state;
  next.phase = Phase::dual_write;
  co_return co_await store(category, next);
}

Awaitable<bool> Phases::to_backfill(Category& category) {
  auto tip = co_await stores_.postgres.tip();
  if (!tip) co_return refuse(category, "postgres does not answer: " + tip.failure().reason);
  if (!co_await stores_.forward_tail.reach(*tip, tail_patience)) {
    co_return refuse(category, "the tail is behind" + (stores_.forward.trouble().empty()
                                                           ? std::string()
                                                           : ": " + stores_.forward.trouble()));
  }
  CategoryState next = category.state;
  next.phase = Phase::backfill;
  co_return co_await store(category, next);
}

/// The work of the backfill phase. True when history is carried and was found equal.
Awaitable<bool> Phases::backfill_and_check(Category& category) {
  if (!category.state.backfilled) {
    category.waiting_for = {"history is being carried"};
    auto done = co_await backfill_.run("backfill:" + category.config.name, belongs_to(category),
                                       [&category] { return category.config.phase >= Phase::backfill; });
    if (!done) co_return refuse(category, "the backfill: " + done.failure().reason);
    CategoryState next = category.state;
    next.backfilled = true;
    if (!co_await store(category, next)) co_return false;
  }
  if (category.state.checked_equal) co_return true;
  co_return co_await check(category);
}

Awaitable<bool> Phases::to_read_switch(Category& category) {
  if (!co_await backfill_and_check(category)) co_return false;
  if (!nothing_set_aside(category)) co_return false;
  CategoryState next = category.state;
  next.phase = Phase::read_switch;
  co_return co_await store(category, next);
}

Awaitable<bool> Phases::check(Category& category) {
  const auto last = last_check_.find(category.config.name);
  const bool failed = last != last_check_.end() && !category.state.checked_equal;
  if (failed && clock_.monotonic() - last->second < failed_check_pause) co_return false;
  category.waiting_for = {"both stores are being compared"};
  category.forget_touched();
  CheckOptions options;
  options.wants = belongs_to(category);
  options.patience = check_patience;
  const CheckReport report = co_await checker_.run(std::move(options));
  last_check_[category.config.name] = clock_.monotonic();
  last_report_ = report.to_json();
  (void)co_await control_.save_check(*last_report_);
  metrics_.gauge("twinstream_check_streams", static_cast<double>(report.equal), {{"result", "equal"}});
  metrics_.gauge("twinstream_check_streams", static_cast<double>(report.different + report.missing + report.extra),
                 {{"result", "different"}});
  metrics_.gauge("twinstream_check_timestamp_seconds",
                 std::chrono::duration<double>(clock_.now().time_since_epoch()).count());
  log::info("check finished", {{"category", category.config.name},
                               {"streams", std::to_string(report.streams)},
                               {"equal", std::to_string(report.equal)},
                               {"trouble", report.trouble}});
  CategoryState next = category.state;
  next.checked_equal = report.all_equal();
  if (next.checked_equal != category.state.checked_equal && !co_await store(category, next)) co_return false;
  if (next.checked_equal) co_return true;
  co_return refuse(category, report.complete() ? "the check found " + std::to_string(report.streams - report.equal) +
                                                     " of " + std::to_string(report.streams) + " streams different"
                                               : "the check could not be finished: " + report.trouble);
}

Awaitable<void> Phases::check_regularly(Category& category) {
  if (check_interval_.count() == 0) co_return;
  const auto last = last_check_.find(category.config.name);
  if (last == last_check_.end()) {
    last_check_[category.config.name] = clock_.monotonic();
  } else if (clock_.monotonic() - last->second >= check_interval_) {
    (void)co_await check(category);
    category.waiting_for.clear();
  }
}

// ---- the fence

Awaitable<bool> Phases::change_authority(Category& category, bool to_eventstore) {
  if (!nothing_set_aside(category)) co_return false;
  // The tail of the side that will decide must follow it before the first write gets there.
  for (Tail* tail : {&stores_.forward_tail, &stores_.back_tail}) {
    auto started = co_await tail->start();
    if (!started) co_return refuse(category, "a tail cannot start: " + started.failure().reason);
  }
  // As much as possible is done before writes are held: the proof below covers what was written since this check.
  if (!to_eventstore && !category.config.rollback && !co_await bring_postgres_up(category)) co_return false;
  if (!category.state.checked_equal || category.touched() == nullptr) {
    if (!co_await check(category)) co_return false;
  }
  EventLog& authority = stores_.authority(category);
  auto tip = co_await authority.tip();
  if (!tip) co_return refuse(category, authority.traits().name + " does not answer: " + tip.failure().reason);
  if (!co_await stores_.tail(category).reach(*tip, tail_patience)) {
    co_return refuse(category, "the mirror is behind; writes are not held before it is caught up");
  }
  const auto began = clock_.monotonic();
  category.hold();
  const bool changed = co_await fenced(category, to_eventstore, began + category.config.fence_timeout);
  if (!stopping_) category.release();  // stopped in between, it may not be known who decides: nothing is let through
  metrics_.observe("twinstream_fence_seconds", std::chrono::duration<double>(clock_.monotonic() - began).count());
  co_return changed;
}

/// PostgreSQL was not kept up to date: what EventStore has is carried back. The tail takes care of later writes, because
/// a category that is wanted out of retire is mirrored back.
Awaitable<bool> Phases::bring_postgres_up(Category& category) {
  category.waiting_for = {"postgres is being brought up to date"};
  stores_.back.forget(belongs_to(category));
  const std::string cursor = "backfill-back:" + category.config.name;
  auto done = co_await back_backfill_.run(cursor, belongs_to(category),
                                          [&category] { return category.config.phase < Phase::retire; });
  if (done) done = co_await control_.clear_cursor(cursor);
  if (!done) co_return refuse(category, "carrying back: " + done.failure().reason);
  category.forget_proof();
  co_return true;
}

/// With writes held. False, with the reason noted, leaves everything as it was.
Awaitable<bool> Phases::fenced(Category& category, bool to_eventstore, std::chrono::nanoseconds deadline) {
  if (!co_await category.drained(clock_, deadline - clock_.monotonic())) {
    co_return refuse(category, "writes under way did not end within the fence's bound");
  }
  EventLog& authority = stores_.authority(category);
  auto tip = co_await authority.tip();
  if (!tip) co_return refuse(category, authority.traits().name + " does not answer: " + tip.failure().reason);
  Mirror& mirror = to_eventstore ? stores_.forward : stores_.back;
  mirror.hurry();
  if (!co_await stores_.tail(category).reach(*tip, deadline - clock_.monotonic())) {
    co_return refuse(category, "the mirror did not carry everything within the fence's bound");
  }
  // Nothing may be left that would be carried in the old direction after the change.
  if (!co_await mirror.settle_all(belongs_to(category), deadline - clock_.monotonic())) {
    co_return refuse(category, "the mirror did not settle within the fence's bound");
  }
  if (!nothing_set_aside(category) || !co_await heads_are_equal(category)) co_return false;
  (to_eventstore ? stores_.back : stores_.forward).forget(belongs_to(category));
  CategoryState next = category.state;
  next.phase = to_eventstore ? Phase::retire : Phase::read_switch;
  next.eventstore_is_authority = to_eventstore;
  ++next.epoch;
  co_return co_await store(category, next);
}

Awaitable<bool> Phases::heads_are_equal(Category& category) {
  const auto* touched = category.touched();
  if (touched == nullptr) co_return refuse(category, "too many streams were written since the last check; checking again");
  std::vector<std::string> streams(touched->begin(), touched->end());
  std::string unequal;
  std::function<Awaitable<void>(std::string)> work = [&](std::string stream) {
    return compare_heads(std::move(stream), unequal);
  };
  co_await for_each_concurrently<std::string>(executor_, std::move(streams), heads_at_once, std::move(work));
  if (unequal.empty()) co_return true;
  category.state.checked_equal = false;
  co_return refuse(category, "the heads of " + unequal + " are not equal");
}

Awaitable<void> Phases::compare_heads(std::string stream, std::string& unequal) {
  auto one = co_await stores_.postgres.head(stream);
  auto other = co_await stores_.eventstore.head(stream);
  const bool equal = one && other && one->state == other->state && one->revision == other->revision;
  if (!equal) unequal = stream;
}

// ---- small parts

/// What is in force here is what the control tables say, also when the answer to the change was lost: then they are
/// asked until they answer, and writes that the fence holds stay held, because nobody knows who decides them.
Awaitable<bool> Phases::store(Category& category, CategoryState next) {
  const std::string name = category.config.name;
  auto saved = co_await control_.save_category(name, next, category.state.epoch);
  if (!saved) {
    auto stored = co_await control_.load_categories();
    while (!stored && !stopping_) {
      refuse(category, "the control tables: " + stored.failure().reason);
      co_await wake_.wait(clock_, look_interval);
      stored = co_await control_.load_categories();
    }
    if (!stored) co_return false;
    const CategoryState actual = (*stored)[name];
    if (actual != next) {
      adopt(category, actual);
      co_return refuse(category, "the control tables: " + saved.failure().reason);
    }
  }
  adopt(category, next);
  co_return true;
}

void Phases::adopt(Category& category, CategoryState state) {
  category.state = state;
  categories_.publish();
}

bool Phases::nothing_set_aside(Category& category) {
  for (const Mirror* mirror : {&stores_.forward, &stores_.back}) {
    for (const auto& [stream, divergence] : mirror->set_aside()) {
      if (&categories_.of(stream) != &category) continue;
      return refuse(category, "stream " + stream + " is set aside: " + divergence.reason);
    }
  }
  return true;
}

bool Phases::refuse(Category& category, std::string reason) {
  if (category.waiting_for != std::vector<std::string>{reason}) {
    log::warning("phase waits", {{"category", category.config.name}, {"reason", reason}});
  }
  category.waiting_for = {std::move(reason)};
  return false;
}

CarryWindow::Wants Phases::belongs_to(const Category& category) {
  return [this, &category](std::string_view stream) { return &categories_.of(stream) == &category; };
}

}  // namespace twinstream
