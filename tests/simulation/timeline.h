#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>

#include "proxy/core/clock.h"

namespace twinstream::simulation {

/// The one source of chance of a simulated world. The same seed gives the same numbers on every machine.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  bool percent(unsigned chance) { return below(100) < chance; }
  std::chrono::nanoseconds up_to(std::chrono::nanoseconds longest);
  EventId event_id();

 private:
  std::uint64_t state_;
};

/// Everything that happened, folded into one number, and printed when somebody wants to see it.
class Trace {
 public:
  explicit Trace(bool print) : print_(print) {}

  void note(std::chrono::nanoseconds now, std::string_view what, std::string_view subject = {},
            std::uint64_t number = 0);
  std::uint64_t hash() const { return hash_; }

 private:
  bool print_;
  std::uint64_t hash_ = 14695981039346656037ull;
};

/// Virtual time: a queue of callbacks. Time stands still while anything else can run and then jumps to the next entry.
class Timeline {
 public:
  using Key = std::tuple<std::int64_t, std::uint64_t, std::uint64_t>;  ///< time, seeded tie-breaker, serial number

  explicit Timeline(Dice& dice) : dice_(dice) {}

  std::chrono::nanoseconds now() const { return now_; }
  bool empty() const { return entries_.empty(); }
  /// Goes to the next entry and runs it.
  void advance();
  Key add(const void* owner, std::chrono::nanoseconds delay, std::function<void()> callback);
  void cancel(const Key& key);
  /// Forgets all entries of one owner, as when its process dies.
  void drop(const void* owner);

 private:
  struct Entry {
    const void* owner;
    std::function<void()> callback;
  };

  Dice& dice_;
  std::chrono::nanoseconds now_{0};
  std::uint64_t serial_ = 0;
  std::map<Key, Entry> entries_;
};

/// A clock of one process of the world. It stops with the process: drop() forgets what it still had to do.
class SimClock final : public Clock {
 public:
  explicit SimClock(std::shared_ptr<Timeline> timeline) : timeline_(std::move(timeline)) {}
  ~SimClock() override { drop(); }

  Timestamp now() const override;
  std::chrono::nanoseconds monotonic() const override { return timeline_->now(); }
  std::unique_ptr<Timer> after(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay,
                               std::function<void()> callback) override;
  void drop() { timeline_->drop(this); }

 private:
  std::shared_ptr<Timeline> timeline_;
};

}  // namespace twinstream::simulation
