#pragma once

#include <functional>
#include <string>

#include "proxy/engine/carry_window.h"

namespace twinstream {

struct BackfillProgress {
  bool running = false;
  std::uint64_t events = 0;        ///< read from the source in this run
  std::uint64_t carried = 0;       ///< of these, of wanted streams
  double share = 0;                ///< of the way from the start to the end position, 0 to 1
  double seconds = 0;              ///< of this run
  double events_per_second = 0;
  std::optional<double> seconds_left;
  std::string trouble;
};

/// Carries the history of one category: reads the source in its global order up to the tip it had at the start and
/// offers every event to the mirror. Resumable: the cursor is saved under its name. What happens after the start is the
/// tail's business. One run at a time.
class Backfill {
 public:
  using Wants = CarryWindow::Wants;

  Backfill(Clock& clock, EventLog& source, Mirror& mirror, ControlStore& control, Metrics& metrics);

  /// Ends when the whole history is at the follower; cancelled after stop() or when `go_on` says no.
  Awaitable<Result<Done>> run(std::string cursor_name, Wants wants, std::function<bool()> go_on);
  void stop();
  const BackfillProgress& progress() const { return progress_; }

 private:
  Awaitable<Result<Done>> copy(Position end, std::string cursor_name, Wants wants);
  bool cancelled() const { return stopping_ || !go_on_(); }
  Awaitable<void> settle(std::size_t most_open);
  void note_progress(Position start, Position at, Position end, std::chrono::nanoseconds began);

  Clock& clock_;
  EventLog& source_;
  Mirror& mirror_;
  ControlStore& control_;
  Metrics& metrics_;
  BackfillProgress progress_;
  std::shared_ptr<CarryWindow> window_;
  std::function<bool()> go_on_ = [] { return true; };
  bool stopping_ = false;
};

}  // namespace twinstream
