#include "proxy/engine/tail.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include "proxy/core/log.h"

namespace twinstream {
namespace {

constexpr std::size_t most_open = 20'000;
constexpr std::chrono::milliseconds cursor_interval{200};
constexpr std::chrono::milliseconds tail_pause{200};
constexpr std::chrono::seconds backpressure_look{1};

}  // namespace

Tail::Tail(boost::asio::any_io_executor executor, Clock& clock, EventLog& source, Mirror& mirror,
           ControlStore& control, Metrics& metrics, std::string cursor_name, Wants wants, Seen seen)
    : executor_(std::move(executor)),
      clock_(clock),
      source_(source),
      mirror_(mirror),
      control_(control),
      metrics_(metrics),
      cursor_name_(std::move(cursor_name)),
      wants_(std::move(wants)),
      seen_(std::move(seen)) {}

Awaitable<Result<Done>> Tail::start() {
  if (window_) co_return Done{};
  auto saved = co_await control_.load_cursor(cursor_name_);
  if (!saved) co_return saved.failure();
  Position from;
  if (*saved) {
    from = **saved;
  } else {
    auto tip = co_await source_.tip();
    if (!tip) co_return tip.failure();
    auto written = co_await control_.save_cursor(cursor_name_, *tip);
    if (!written) co_return written.failure();
    from = *tip;
  }
  if (window_) co_return Done{};  // another caller was faster
  window_ = std::make_shared<CarryWindow>(executor_, clock_, mirror_, from);
  saved_ = from;
  running_ = true;
  boost::asio::co_spawn(executor_, run(), boost::asio::detached);
  boost::asio::co_spawn(executor_, save_regularly(), boost::asio::detached);
  co_return Done{};
}

void Tail::stop() {
  stopping_ = true;
  if (!window_) return;
  window_->close();
  if (subscription_) subscription_->close();
  window_->moved().notify();
}

Awaitable<bool> Tail::reach(Position position, std::chrono::nanoseconds limit) {
  if (!window_) co_return false;
  co_return co_await wait_until(window_->moved(), clock_, limit,
                                [this, position] { return window_->safe() >= position; });
}

Awaitable<void> Tail::learn_first_end() {
  while (!stopping_ && first_end_ == Position::end()) {
    auto tip = co_await source_.tip();
    if (tip) {
      first_end_ = *tip;
    } else {
      trouble_ = "reading from " + source_.traits().name + ": " + tip.failure().reason;
      co_await clock_.sleep(tail_pause);
    }
  }
}

Awaitable<void> Tail::run() {
  co_await learn_first_end();
  while (!stopping_) {
    // What was delivered beyond the safe cursor is delivered again; the mirror knows it already.
    subscription_ = source_.subscribe_all(window_->safe());
    const bool ended = co_await follow();
    subscription_.reset();
    if (!ended && !stopping_) co_await clock_.sleep(tail_pause);
  }
  while (saving_) co_await window_->moved().wait(clock_, cursor_interval);
  co_await save();
  running_ = false;
}

/// Until the subscription fails (false) or the tail is stopped (true).
Awaitable<bool> Tail::follow() {
  while (!stopping_) {
    if (window_->open() >= most_open) {
      co_await window_->moved().wait(clock_, backpressure_look);
      continue;
    }
    auto page = co_await subscription_->next();
    if (stopping_) break;
    if (!page) {
      trouble_ = "following " + source_.traits().name + ": " + page.failure().reason;
      log::warning("the tail starts again", {{"reason", trouble_}});
      co_return false;
    }
    trouble_.clear();
    take(std::move(*page));
  }
  co_return true;
}

void Tail::take(SubscriptionPage page) {
  metrics_.count("twinstream_tail_events_total", {}, static_cast<double>(page.events.size()));
  window_->offer(std::move(page.events), page.checkpoint, [this](std::string_view stream) {
    if (!wants_(stream)) return false;
    seen_(stream);
    return true;
  });
  at_end_ = page.caught_up;
}

Awaitable<void> Tail::save_regularly() {
  saving_ = true;
  while (!stopping_) {
    co_await clock_.sleep(cursor_interval);
    if (!stopping_) co_await save();
  }
  saving_ = false;
  window_->moved().notify();
}

Awaitable<bool> Tail::save() {
  const Position safe = window_->safe();
  if (safe == saved_) co_return true;
  auto written = co_await control_.save_cursor(cursor_name_, safe);
  if (written) saved_ = safe;
  co_return written.ok();
}

}  // namespace twinstream
