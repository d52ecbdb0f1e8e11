#include "adapters/embedded/commit_watch.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace twinstream::embedded {
namespace {

bool all_expired(const std::vector<std::weak_ptr<Alarm>>& alarms) {
  return std::all_of(alarms.begin(), alarms.end(), [](const auto& weak) { return weak.expired(); });
}

}  // namespace

void Alarm::raise() {
  std::unique_lock lock(mutex_);
  auto waiting = std::exchange(waiting_, std::nullopt);
  raised_ = !waiting;
  lock.unlock();
  if (waiting) (*waiting)(true);
}

void Alarm::lower() {
  std::scoped_lock lock(mutex_);
  raised_ = false;
}

void Alarm::time_up(std::uint64_t round) {
  std::unique_lock lock(mutex_);
  if (round != round_) return;  // the wait it belonged to is over
  auto waiting = std::exchange(waiting_, std::nullopt);
  lock.unlock();
  if (waiting) (*waiting)(false);
}

Awaitable<bool> Alarm::wait(std::chrono::milliseconds limit) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, limit);
  auto start = [&](Completion<bool> done) {
    std::unique_lock lock(mutex_);
    if (std::exchange(raised_, false)) {
      lock.unlock();
      return done(true);
    }
    waiting_.emplace(std::move(done));
    // Set up under the lock: once it is free, the coroutine and with it the timer may be gone at any moment.
    timer.async_wait([self = shared_from_this(), round = ++round_](auto error) {
      if (!error) self->time_up(round);
    });
  };
  co_return co_await await_completion<bool>(start);
}

void CommitWatch::publish(std::uint64_t last_position, const std::unordered_set<std::string>& streams) {
  last_position_.store(last_position, std::memory_order_release);
  std::vector<std::shared_ptr<Alarm>> raised;
  {
    std::scoped_lock lock(mutex_);
    if (!streams.empty()) collect(all_, raised);
    for (const auto& stream : streams) {
      const auto found = by_stream_.find(stream);
      if (found == by_stream_.end()) continue;
      collect(found->second, raised);
      if (found->second.empty()) by_stream_.erase(found);
    }
  }
  for (const auto& alarm : raised) alarm->raise();
}

std::shared_ptr<Alarm> CommitWatch::watch(const std::optional<std::string>& stream) {
  auto alarm = std::make_shared<Alarm>();
  std::scoped_lock lock(mutex_);
  Alarms& alarms = stream ? by_stream_[*stream] : all_;
  std::erase_if(alarms, [](const std::weak_ptr<Alarm>& weak) { return weak.expired(); });
  alarms.push_back(alarm);
  // Watches of streams that are never written again would stay for ever: sweep whenever the number has doubled.
  if (by_stream_.size() >= sweep_at_) {
    std::erase_if(by_stream_, [&](const auto& entry) { return all_expired(entry.second); });
    sweep_at_ = std::max<std::size_t>(64, 2 * by_stream_.size());
  }
  return alarm;
}

/// Adds the alarms that are still kept, drops the others.
void CommitWatch::collect(Alarms& alarms, std::vector<std::shared_ptr<Alarm>>& raised) {
  std::erase_if(alarms, [&](const std::weak_ptr<Alarm>& weak) {
    auto alarm = weak.lock();
    if (!alarm) return true;
    raised.push_back(std::move(alarm));
    return false;
  });
}

}  // namespace twinstream::embedded
