#include "proxy/engine/engine.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <mutex>

#include "proxy/core/log.h"

namespace twinstream {
namespace {

constexpr std::size_t most_divergences_shown = 100;
constexpr std::chrono::seconds ping_interval{2};
constexpr std::chrono::seconds gauge_interval{1};
constexpr std::chrono::milliseconds close_look{50};

}  // namespace

struct Engine::Assembly {
  explicit Assembly(Parts given)
      : parts(std::move(given)),
        forward(parts.executor, parts.clock, parts.random, parts.postgres, parts.eventstore,
                translation(parts.postgres, parts.eventstore), parts.control, parts.metrics, parts.limits),
        back(parts.executor, parts.clock, parts.random, parts.eventstore, parts.postgres,
             translation(parts.eventstore, parts.postgres), parts.control, parts.metrics, parts.limits),
        forward_tail(parts.executor, parts.clock, parts.postgres, forward, parts.control, parts.metrics, "tail",
                     [this](std::string_view stream) { return categories.of(stream).mirrored_forward(); },
                     [this](std::string_view stream) { categories.of(stream).note_touched(stream); }),
        back_tail(parts.executor, parts.clock, parts.eventstore, back, parts.control, parts.metrics, "tail-reverse",
                  [this](std::string_view stream) { return categories.of(stream).mirrored_back(); },
                  [this](std::string_view stream) { categories.of(stream).note_touched(stream); }),
        backfill(parts.clock, parts.postgres, forward, parts.control, parts.metrics),
        back_backfill(parts.clock, parts.eventstore, back, parts.control, parts.metrics),
        checker(parts.executor, parts.clock, parts.postgres, parts.eventstore, comparison()),
        stores{parts.postgres, parts.eventstore, forward, back, forward_tail, back_tail},
        dual(parts.executor, parts.clock, parts.random, stores, categories, parts.control, parts.metrics),
        phases(parts.executor, parts.clock, stores, categories, parts.control, checker, backfill, back_backfill,
               parts.metrics, std::chrono::seconds(0)) {}

  std::array<std::uint64_t, 3> reads(std::string_view category) const {
    std::array<std::uint64_t, 3> counts{};
    for (const ReadSource source : {ReadSource::backend, ReadSource::postgres, ReadSource::eventstore}) {
      const double count =
          parts.metrics.value("twinstream_reads_total", {{"category", category}, {"source", to_string(source)}});
      counts[static_cast<std::size_t>(source)] = static_cast<std::uint64_t>(count);
    }
    return counts;
  }

  bool original_created(std::string_view stream) { return categories.of(stream).config.original_created; }

  Translation translation(EventLog& from, EventLog& to) {
    Translation result = translation_between(from, to);
    result.original_created = [this](std::string_view stream) { return original_created(stream); };
    return result;
  }

  Comparison comparison() {
    Comparison result = comparison_of(parts.postgres, parts.eventstore);
    result.original_created = [this](std::string_view stream) { return original_created(stream); };
    return result;
  }

  Awaitable<void> watch(EventLog& log, EngineStatus::StoreStatus& status) {
    while (!closing) {
      auto answer = co_await log.ping();
      const bool up = answer.ok();
      if (up != status.up) {
        log::write(up ? log::Level::info : log::Level::warning, up ? "store is up" : "store is down",
                   {{"store", log.traits().name}, {"text", up ? *answer : answer.failure().reason}});
      }
      status = {up, up ? *answer : answer.failure().reason};
      parts.metrics.gauge("twinstream_store_up", up ? 1 : 0, {{"store", log.traits().name}});
      if (!closing) co_await wake.wait(parts.clock, ping_interval);
    }
    --watchers;
    wake.notify();
  }

  Awaitable<void> measure() {
    while (!closing) {
      parts.metrics.gauge("twinstream_mirror_pending_events",
                          static_cast<double>(forward.pending_events() + back.pending_events()));
      parts.metrics.gauge("twinstream_mirror_lag_seconds",
                          std::chrono::duration<double>(std::max(forward.lag(), back.lag())).count());
      co_await wake.wait(parts.clock, gauge_interval);
    }
    --watchers;
    wake.notify();
  }

  Parts parts;
  Categories categories;
  Mirror forward;
  Mirror back;
  Tail forward_tail;
  Tail back_tail;
  Backfill backfill;
  Backfill back_backfill;
  Checker checker;
  Stores stores;
  DualLog dual;
  Phases phases;

  EngineStatus::StoreStatus postgres_status{false, "not asked yet"};
  EngineStatus::StoreStatus eventstore_status{false, "not asked yet"};
  bool walking = false;
  bool closing = false;
  unsigned watchers = 0;
  Signal wake;
  std::mutex random_mutex;  ///< compare_this_read draws on any thread
};

Engine::Engine(Parts parts) : assembly_(std::make_unique<Assembly>(std::move(parts))) {}
Engine::~Engine() = default;

Awaitable<Result<Done>> Engine::open(Config config, bool walk_phases) {
  Assembly& a = *assembly_;
  auto states = co_await a.parts.control.load_categories();
  if (!states) co_return states.failure();
  a.categories.set_states(std::move(*states));
  auto applied = a.categories.apply(config);
  if (!applied) co_return applied;
  auto opened = co_await a.forward.open();
  if (opened) opened = co_await a.back.open();
  if (!opened) co_return opened;

  bool forward = false;
  bool back = false;
  for (const auto& [name, category] : a.categories.all()) {
    forward |= category->mirrored_forward();
    back |= category->state.eventstore_is_authority;
  }
  // Deletions first: a tail that carried what came after them would hide too little.
  auto finished = co_await a.dual.finish_state_changes();
  if (finished && forward) finished = co_await a.forward_tail.start();
  if (finished && back) finished = co_await a.back_tail.start();
  if (!finished) co_return finished;

  a.watchers = 3;
  boost::asio::co_spawn(a.parts.executor, a.watch(a.parts.postgres, a.postgres_status), boost::asio::detached);
  boost::asio::co_spawn(a.parts.executor, a.watch(a.parts.eventstore, a.eventstore_status), boost::asio::detached);
  boost::asio::co_spawn(a.parts.executor, a.measure(), boost::asio::detached);
  a.phases.set_check_interval(config.check_interval);
  a.walking = walk_phases;
  if (walk_phases) a.phases.start();
  co_return Done{};
}

Result<Done> Engine::apply(const Config& config) {
  auto applied = assembly_->categories.apply(config);
  if (applied) {
    assembly_->phases.set_check_interval(config.check_interval);
    assembly_->phases.look_again();
  }
  return applied;
}

Awaitable<void> Engine::close(std::chrono::nanoseconds limit) {
  Assembly& a = *assembly_;
  (void)co_await a.forward.drain(limit);
  (void)co_await a.back.drain(limit);
  a.closing = true;
  a.wake.notify();
  a.phases.stop();
  a.forward_tail.stop();
  a.back_tail.stop();
  const auto deadline = a.parts.clock.monotonic() + limit;
  const auto stopped = [&a] {
    return a.watchers == 0 && a.phases.stopped() && a.forward_tail.stopped() && a.back_tail.stopped();
  };
  while (!stopped() && a.parts.clock.monotonic() < deadline) co_await a.parts.clock.sleep(close_look);
}

EngineStatus Engine::status() {
  Assembly& a = *assembly_;
  EngineStatus status;
  for (const auto& [name, category] : a.categories.all()) {
    status.categories.push_back({name, category->state, category->config.phase, category->waiting_for,
                                 category->held(), category->written, a.reads(name)});
  }
  status.postgres = a.postgres_status;
  status.eventstore = a.eventstore_status;
  status.pending_events = a.forward.pending_events() + a.back.pending_events();
  status.lag_seconds = std::chrono::duration<double>(std::max(a.forward.lag(), a.back.lag())).count();
  status.caught_up = (!a.forward_tail.started() || a.forward_tail.caught_up()) &&
                     (!a.back_tail.started() || a.back_tail.caught_up()) && a.forward.idle() && a.back.idle();
  for (const std::string* trouble : {&a.forward.trouble(), &a.back.trouble(), &a.forward_tail.trouble(),
                                     &a.back_tail.trouble()}) {
    if (status.mirror_trouble.empty()) status.mirror_trouble = *trouble;
  }
  status.mirrored = a.forward.mirrored_events() + a.back.mirrored_events();
  status.backfill = a.back_backfill.progress().running ? a.back_backfill.progress() : a.backfill.progress();
  status.last_check = a.phases.last_report();
  for (const Mirror* mirror : {&a.forward, &a.back}) {
    for (const auto& [stream, divergence] : mirror->set_aside()) {
      if (status.divergences.size() < most_divergences_shown) status.divergences.push_back(divergence);
    }
  }
  return status;
}

EventLog& Engine::log() { return assembly_->dual; }

ReadSource Engine::read_source(std::string_view stream) {
  const CategoryView view = assembly_->categories.view(stream);
  if (view.eventstore_is_authority) return ReadSource::eventstore;
  if (view.phase == Phase::read_switch) {
    if (view.reads.from == ReadSource::eventstore || in_percentage(stream, view.reads.eventstore_percent)) {
      return ReadSource::eventstore;
    }
  }
  if (view.reads.from != ReadSource::backend) return ReadSource::postgres;
  // The only reads that the dual log does not see.
  assembly_->parts.metrics.count("twinstream_reads_total", {{"category", view.name}, {"source", "backend"}});
  return ReadSource::backend;
}

bool Engine::compare_this_read(std::string_view stream) {
  const CategoryView view = assembly_->categories.view(stream);
  if (view.reads.compare_percent == 0 || view.phase == Phase::observe) return false;
  const std::lock_guard lock(assembly_->random_mutex);
  return assembly_->parts.random() % 100 < view.reads.compare_percent;
}

void Engine::report_comparison(std::string_view stream, bool equal, std::string_view detail) {
  assembly_->parts.metrics.count("twinstream_read_comparisons_total",
                                 {{"category", category_of(stream)}, {"result", equal ? "equal" : "different"}});
  if (equal) return;
  log::warning("the backend's answer to a read differs",
               {{"stream", std::string(stream)}, {"difference", std::string(detail)}});
}

EventLog& Engine::store(ReadSource source) {
  return source == ReadSource::eventstore ? assembly_->parts.eventstore : assembly_->parts.postgres;
}

Awaitable<Result<std::shared_ptr<void>>> Engine::admit_backend_write(std::string category) {
  return assembly_->dual.admit_backend_write(std::move(category));
}

Awaitable<MirrorState> Engine::carry(std::string stream) { return assembly_->dual.carry(std::move(stream)); }

Checker& Engine::checker() { return assembly_->checker; }
Mirror& Engine::forward_mirror() { return assembly_->forward; }
Categories& Engine::categories() { return assembly_->categories; }

}  // namespace twinstream
