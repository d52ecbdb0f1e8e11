#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "proxy/core/await.h"
#include "proxy/core/event_log.h"

namespace twinstream::embedded {

/// Remembers that something was committed until its one waiting coroutine asks.
class Alarm : public std::enable_shared_from_this<Alarm> {
 public:
  void raise();
  /// Lowers the alarm: what is raised from now on is news.
  void lower();
  /// Until raised (at once when it is), at most `limit`. False when the time was up.
  Awaitable<bool> wait(std::chrono::milliseconds limit);

 private:
  void time_up(std::uint64_t round);

  std::mutex mutex_;
  bool raised_ = false;
  std::uint64_t round_ = 0;
  std::optional<Completion<bool>> waiting_;
};

/// Where the writer tells what it has committed, and subscriptions hear of it.
class CommitWatch {
 public:
  std::uint64_t last_position() const { return last_position_.load(std::memory_order_acquire); }
  void publish(std::uint64_t last_position, const std::unordered_set<std::string>& streams);

  /// Raised by every commit, or by those that wrote to `stream`, as long as the caller keeps it.
  std::shared_ptr<Alarm> watch(const std::optional<std::string>& stream);

 private:
  using Alarms = std::vector<std::weak_ptr<Alarm>>;
  static void collect(Alarms& alarms, std::vector<std::shared_ptr<Alarm>>& raised);

  std::atomic<std::uint64_t> last_position_{0};
  std::mutex mutex_;
  Alarms all_;
  std::unordered_map<std::string, Alarms> by_stream_;
  std::size_t sweep_at_ = 64;
};

}  // namespace twinstream::embedded
