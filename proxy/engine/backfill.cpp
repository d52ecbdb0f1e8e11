#include "proxy/engine/backfill.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "proxy/core/log.h"

namespace twinstream {
namespace {

constexpr std::size_t page_events = 2'000;
constexpr std::size_t most_open_streams = 5'000;
constexpr std::chrono::milliseconds retry_pause{500};
constexpr std::chrono::seconds look_again{1};
constexpr std::chrono::seconds save_interval{1};

}  // namespace

Backfill::Backfill(Clock& clock, EventLog& source, Mirror& mirror, ControlStore& control, Metrics& metrics)
    : clock_(clock), source_(source), mirror_(mirror), control_(control), metrics_(metrics) {}

void Backfill::stop() {
  stopping_ = true;
  if (!window_) return;
  window_->close();
  window_->moved().notify();
}

Awaitable<Result<Done>> Backfill::run(std::string cursor_name, Wants wants, std::function<bool()> go_on) {
  go_on_ = std::move(go_on);
  auto saved = co_await control_.load_cursor(cursor_name);
  if (!saved) co_return saved.failure();
  auto tip = co_await source_.tip();
  if (!tip) co_return tip.failure();
  const auto executor = co_await boost::asio::this_coro::executor;
  window_ = std::make_shared<CarryWindow>(executor, clock_, mirror_, saved->value_or(Position::start()));
  progress_ = {};
  progress_.running = true;
  log::info("backfill starts", {{"cursor", cursor_name}, {"from", std::to_string(window_->safe().commit)},
                                {"to", std::to_string(tip->commit)}});
  auto copied = co_await copy(*tip, cursor_name, std::move(wants));
  progress_.running = false;
  if (copied) {
    log::info("backfill is complete", {{"cursor", cursor_name}, {"events", std::to_string(progress_.carried)}});
    metrics_.gauge("twinstream_backfill_remaining_events", 0);
  }
  co_return copied;
}

Awaitable<Result<Done>> Backfill::copy(Position end, std::string cursor_name, Wants wants) {
  const Position start = window_->safe();
  const auto began = clock_.monotonic();
  auto last_save = began;
  Position at = start;
  Result<Done> outcome = Done{};
  while (at < end && !cancelled()) {
    auto page = co_await source_.read_all({Direction::forwards, at, page_events});
    if (!page) {
      progress_.trouble = "reading from " + source_.traits().name + ": " + page.failure().reason;
      log::warning("backfill waits", {{"reason", progress_.trouble}});
      co_await clock_.sleep(retry_pause);
      continue;
    }
    progress_.trouble.clear();
    if (page->events.empty() && page->end) break;
    at = page->next;
    const std::size_t events = page->events.size();
    progress_.events += events;
    progress_.carried += window_->offer(std::move(page->events), page->next, wants);
    metrics_.count("twinstream_backfill_events_total", {}, static_cast<double>(events));
    co_await settle(most_open_streams);
    note_progress(start, at, end, began);
    if (clock_.monotonic() - last_save >= save_interval) {
      (void)co_await control_.save_cursor(cursor_name, window_->safe());
      last_save = clock_.monotonic();
    }
  }
  co_await settle(0);
  if (cancelled()) outcome = Failure{FailureCode::cancelled, "the backfill was stopped; it can be continued", {}};
  // Kept also when complete: a later run of the same category looks only at what came after.
  auto written = co_await control_.save_cursor(cursor_name, window_->safe());
  if (!written && outcome) outcome = written.failure();
  co_return outcome;
}

Awaitable<void> Backfill::settle(std::size_t most_open) {
  while (window_->open() > most_open && !cancelled()) co_await window_->moved().wait(clock_, look_again);
}

void Backfill::note_progress(Position start, Position at, Position end, std::chrono::nanoseconds began) {
  const auto way = static_cast<double>(end.commit - start.commit);
  const auto done = static_cast<double>(std::min(at.commit, end.commit) - start.commit);
  progress_.share = way > 0 ? done / way : 1;
  progress_.seconds = std::chrono::duration<double>(clock_.monotonic() - began).count();
  if (progress_.seconds > 0) progress_.events_per_second = static_cast<double>(progress_.events) / progress_.seconds;
  if (progress_.share > 0) progress_.seconds_left = progress_.seconds * (1 - progress_.share) / progress_.share;
  const double remaining = progress_.share > 0
                               ? static_cast<double>(progress_.events) * (1 - progress_.share) / progress_.share
                               : 0;
  metrics_.gauge("twinstream_backfill_remaining_events", remaining);
}

}  // namespace twinstream
