#include "tests/simulation/timeline.h"

#include <cstdio>
#include <string>
#include <vector>

namespace twinstream::simulation {
namespace {

/// Real timers are late, never early, and in no fixed order when they are due together.
constexpr std::chrono::nanoseconds longest_lateness = std::chrono::microseconds(200);
constexpr auto epoch = std::chrono::sys_days{std::chrono::year{2024} / 3 / 1};

class SimTimer final : public Clock::Timer {
 public:
  SimTimer(std::shared_ptr<Timeline> timeline, Timeline::Key key) : timeline_(std::move(timeline)), key_(key) {}
  ~SimTimer() override { timeline_->cancel(key_); }

 private:
  std::shared_ptr<Timeline> timeline_;
  Timeline::Key key_;
};

}  // namespace

std::uint64_t Dice::next() {
  state_ += 0x9e3779b97f4a7c15ull;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
  return mixed ^ (mixed >> 31);
}

std::chrono::nanoseconds Dice::up_to(std::chrono::nanoseconds longest) {
  return std::chrono::nanoseconds(below(static_cast<std::uint64_t>(longest.count()) + 1));
}

EventId Dice::event_id() {
  EventId id;
  for (std::size_t i = 0; i < id.bytes.size(); i += 8) {
    const std::uint64_t bits = next();
    for (std::size_t j = 0; j < 8; ++j) id.bytes[i + j] = static_cast<std::uint8_t>(bits >> (8 * j));
  }
  return id;
}

void Trace::note(std::chrono::nanoseconds now, std::string_view what, std::string_view subject, std::uint64_t number) {
  const auto fold = [this](std::uint64_t value) { hash_ = (hash_ ^ value) * 1099511628211ull; };
  fold(static_cast<std::uint64_t>(now.count()));
  for (const char c : what) fold(static_cast<unsigned char>(c));
  for (const char c : subject) fold(static_cast<unsigned char>(c));
  fold(number);
  if (!print_) return;
  std::printf("%12.6f %-28.*s %-24.*s %llu\n", std::chrono::duration<double>(now).count(),
              static_cast<int>(what.size()), what.data(), static_cast<int>(subject.size()), subject.data(),
              static_cast<unsigned long long>(number));
}

Timeline::Key Timeline::add(const void* owner, std::chrono::nanoseconds delay, std::function<void()> callback) {
  const auto due = now_ + std::max(delay, std::chrono::nanoseconds(0)) + dice_.up_to(longest_lateness);
  const Key key{due.count(), dice_.next(), ++serial_};
  entries_.emplace(key, Entry{owner, std::move(callback)});
  return key;
}

void Timeline::cancel(const Key& key) {
  const auto cancelled = entries_.extract(key);  // destroyed after the queue is consistent again
}

void Timeline::advance() {
  auto next = entries_.extract(entries_.begin());
  now_ = std::chrono::nanoseconds(std::get<0>(next.key()));
  next.mapped().callback();
}

void Timeline::drop(const void* owner) {
  std::vector<Entry> dropped;  // destroying a callback can end coroutines, which cancel timers of their own
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->second.owner != owner) {
      ++entry;
      continue;
    }
    dropped.push_back(std::move(entry->second));
    entry = entries_.erase(entry);
  }
}

Timestamp SimClock::now() const { return epoch + std::chrono::floor<std::chrono::microseconds>(timeline_->now()); }

std::unique_ptr<Clock::Timer> SimClock::after(boost::asio::any_io_executor, std::chrono::nanoseconds delay,
                                              std::function<void()> callback) {
  return std::make_unique<SimTimer>(timeline_, timeline_->add(this, delay, std::move(callback)));
}

}  // namespace twinstream::simulation
