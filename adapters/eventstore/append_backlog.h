#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/core/append_gathering.h"
#include "proxy/core/event_log.h"

namespace twinstream::eventstore {

using SteadyTime = std::chrono::steady_clock::time_point;

/// An append that has not been answered.
struct PendingAppend {
  enum class Stage {
    waiting,  ///< behind another one of its stream
    ready,    ///< to be sent next
    sending,  ///< some of its chunks are on their way
    sent,     ///< in a batch call, answer awaited
    alone,    ///< in the hands of its own coroutine
    done,
  };

  AppendRequest request;
  std::size_t bytes = 0;  ///< encoded
  SteadyTime deadline;
  std::shared_ptr<AppendGathering> gathering;
  std::size_t index = 0;  ///< in the gathering

  Stage stage = Stage::waiting;
  bool maybe_written = false;            ///< was sent over a call that broke
  std::optional<std::uint64_t> log_end;  ///< a commit position that existed before it was first sent
  std::uint64_t correlation = 0;         ///< of its batch, once sending
  std::list<std::shared_ptr<PendingAppend>>::iterator place;
};
using PendingPtr = std::shared_ptr<PendingAppend>;

/// All pending appends of one queue, in the order of their deadlines, and for every stream at most one that may be on
/// its way. Not thread safe.
class AppendBacklog {
 public:
  /// Deadlines must not decrease from one call to the next.
  void add(PendingPtr pending);
  bool has_ready() const { return !ready_.empty(); }
  /// The next one to send, without taking it; only when there is one.
  const PendingPtr& ready() const { return ready_.front(); }
  PendingPtr take_ready();
  /// Makes one that was taken the next to send.
  void retry(PendingPtr pending);
  /// Removes it and makes the next of its stream ready.
  void finish(const PendingPtr& pending);

  std::vector<PendingPtr> expired(SteadyTime now) const;
  std::vector<PendingPtr> all() const { return {pending_.begin(), pending_.end()}; }

 private:
  std::list<PendingPtr> pending_;
  std::deque<PendingPtr> ready_;
  /// An entry: one of the stream is past waiting. The queue: those behind it.
  std::unordered_map<std::string, std::deque<PendingPtr>> lanes_;
};

}  // namespace twinstream::eventstore
