#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/engine/carry_window.h"

namespace twinstream {

/// The safety net: follows the authority's global order from a durable cursor and offers every event to the mirror, so
/// that a crash, an overflow of the fast path or a writer that bypassed the proxy loses nothing. The cursor moves on
/// only over events that the follower has (or that belong to a stream set aside, which is recorded itself).
///
/// Runs on one executor. start() once; after stop() wait for `stopped` before destroying it.
class Tail {
 public:
  using Wants = std::function<bool(std::string_view stream)>;
  using Seen = std::function<void(std::string_view stream)>;

  /// `wants` tells whether a stream is mirrored now; other events are passed over. `seen` hears of every wanted event.
  Tail(boost::asio::any_io_executor executor, Clock& clock, EventLog& source, Mirror& mirror, ControlStore& control,
       Metrics& metrics, std::string cursor_name, Wants wants, Seen seen);

  /// Where it goes on after a crash. Sets the cursor to the source's tip when there is none yet. Idempotent; the tail
  /// then runs until stop().
  Awaitable<Result<Done>> start();
  bool started() const { return window_ != nullptr; }
  void stop();
  bool stopped() const { return !running_; }

  /// Waits until everything at or before `position` is at the follower; false after `limit`.
  Awaitable<bool> reach(Position position, std::chrono::nanoseconds limit);
  /// At the end of the source when it last looked, with everything before it carried.
  bool caught_up() const { return at_end_ && open() == 0; }
  /// Nothing that was committed before this tail started is still on its way.
  bool has_caught_up() const { return window_ && window_->safe() >= first_end_; }
  /// Events offered to the mirror and not yet confirmed.
  std::size_t open() const { return window_ ? window_->open() : 0; }
  const std::string& trouble() const { return trouble_; }

 private:
  Awaitable<void> run();
  Awaitable<bool> follow();
  Awaitable<void> learn_first_end();
  Awaitable<void> save_regularly();
  Awaitable<bool> save();
  void take(SubscriptionPage page);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  EventLog& source_;
  Mirror& mirror_;
  ControlStore& control_;
  Metrics& metrics_;
  std::string cursor_name_;
  Wants wants_;
  Seen seen_;

  std::shared_ptr<CarryWindow> window_;
  std::unique_ptr<Subscription> subscription_;
  Position saved_;
  bool stopping_ = false;
  bool running_ = false;
  bool saving_ = false;
  bool at_end_ = false;
  Position first_end_ = Position::end();  ///< the source's tip when the tail started
  std::string trouble_;
};

}  // namespace twinstream
