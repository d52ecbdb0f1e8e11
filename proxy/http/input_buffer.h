#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace twinstream::http {

/// Received bytes that are not used yet, in one piece. Starts small and doubles while reads fill it, up to a limit.
class InputBuffer {
 public:
  explicit InputBuffer(std::size_t limit) : limit_(limit) {}

  std::string_view data() const { return {memory_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }

  struct Room {
    char* data;
    std::size_t size;  ///< 0: the limit is reached
  };
  /// Where to read to. May move the data: views into it end here.
  Room prepare() {
    if (empty()) begin_ = end_ = 0;
    if (capacity_ == 0 || filled_ || end_ - begin_ == capacity_) grow();
    if (end_ == capacity_) pack();
    return {memory_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t count) {
    filled_ = count > 0 && end_ + count == capacity_;
    end_ += count;
  }
  void consume(std::size_t count) { begin_ += count; }

  /// Gives back what a large body made it grow to.
  void shrink() {
    if (!empty() || capacity_ <= initial) return;
    memory_.reset();
    capacity_ = begin_ = end_ = 0;
    filled_ = false;
  }

 private:
  static constexpr std::size_t initial = 8 * 1024;

  void grow() {
    const std::size_t wanted = std::min(limit_, capacity_ == 0 ? initial : capacity_ * 2);
    filled_ = false;
    if (wanted <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    const auto old = data();
    if (!old.empty()) std::memcpy(larger.get(), old.data(), old.size());
    end_ = old.size();
    begin_ = 0;
    memory_ = std::move(larger);
    capacity_ = wanted;
  }

  void pack() {
    if (begin_ == 0) return;
    std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }

  const std::size_t limit_;
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool filled_ = false;  ///< the last read took all the room: more is likely to be waiting
};

}  // namespace twinstream::http
