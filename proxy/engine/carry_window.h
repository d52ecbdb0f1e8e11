#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/engine/mirror.h"

namespace twinstream {

/// Offers pages of a log, in its global order, to the mirror and knows which position may be written down as
/// "everything up to here is at the follower": the checkpoint of the last page such that it and all pages before it
/// have been carried. Streams set aside count as carried, they are recorded themselves. Runs on one executor.
class CarryWindow : public std::enable_shared_from_this<CarryWindow> {
 public:
  using Wants = std::function<bool(std::string_view stream)>;

  CarryWindow(boost::asio::any_io_executor executor, Clock& clock, Mirror& mirror, Position start)
      : executor_(std::move(executor)), clock_(clock), mirror_(mirror), safe_(start) {}

  /// Offers the wanted events of one page; answers how many these were.
  std::size_t offer(std::vector<RecordedEvent> events, Position checkpoint, const Wants& wants);
  /// Nothing is offered again after this; what the mirror already has goes on.
  void close() { closed_ = true; }

  Position safe() const { return safe_; }
  std::size_t open() const { return open_; }  ///< carries under way
  Signal& moved() { return moved_; }

 private:
  struct Page {
    Position checkpoint;
    std::size_t open;
  };

  void carry(std::string stream, std::uint64_t last, std::vector<RecordedEvent> events, std::shared_ptr<Page> page);
  static Awaitable<void> carry_later(std::shared_ptr<CarryWindow> self, std::string stream, std::uint64_t last,
                                     std::shared_ptr<Page> page);
  void finish(Page& page);
  void advance();

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  Mirror& mirror_;
  Position safe_;
  std::size_t open_ = 0;
  bool closed_ = false;
  std::deque<std::shared_ptr<Page>> pages_;
  Signal moved_;
};

}  // namespace twinstream
