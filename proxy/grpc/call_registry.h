#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace twinstream::door {

/// The calls that would not end by themselves when the server shuts down.
class CallRegistry {
 public:
  using Key = std::uint64_t;

  /// `stop` is called at most once, from any thread; at once when the shutdown has begun.
  Key add(std::function<void()> stop) {
    std::unique_lock lock(mutex_);
    const Key key = ++last_;
    if (!stopping_) {
      calls_.emplace(key, std::move(stop));
      return key;
    }
    lock.unlock();
    stop();
    return key;
  }

  void remove(Key key) {
    std::scoped_lock lock(mutex_);
    calls_.erase(key);
  }

  bool stopping() const {
    std::scoped_lock lock(mutex_);
    return stopping_;
  }

  void stop_all() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    auto calls = std::exchange(calls_, {});
    lock.unlock();
    for (auto& [key, stop] : calls) stop();
  }

 private:
  mutable std::mutex mutex_;
  Key last_ = 0;
  bool stopping_ = false;
  std::unordered_map<Key, std::function<void()>> calls_;
};

}  // namespace twinstream::door
