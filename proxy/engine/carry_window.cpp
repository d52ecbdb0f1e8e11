#include "proxy/engine/carry_window.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <map>

namespace twinstream {
namespace {

/// How long a carry that the mirror had no room for waits before it is offered again.
constexpr std::chrono::milliseconds offer_again{50};

}  // namespace

std::size_t CarryWindow::offer(std::vector<RecordedEvent> events, Position checkpoint, const Wants& wants) {
  std::map<std::string, std::vector<RecordedEvent>> by_stream;
  std::size_t wanted = 0;
  for (RecordedEvent& event : events) {
    if (is_system_stream(event.stream) || !wants(event.stream)) continue;
    ++wanted;
    if (!mirror_.has(event.stream, event.revision)) by_stream[event.stream].push_back(std::move(event));
  }
  auto page = std::make_shared<Page>(Page{checkpoint, by_stream.size()});
  open_ += by_stream.size();
  pages_.push_back(page);
  for (auto& [stream, of_stream] : by_stream) {
    const std::uint64_t last = of_stream.back().revision;
    carry(stream, last, std::move(of_stream), page);
  }
  advance();
  return wanted;
}

void CarryWindow::carry(std::string stream, std::uint64_t last, std::vector<RecordedEvent> events,
                        std::shared_ptr<Page> page) {
  auto done = [self = shared_from_this(), stream, last, page](Carried carried) {
    if (carried != Carried::dropped) {
      self->finish(*page);
    } else if (!self->closed_) {
      boost::asio::co_spawn(self->executor_, carry_later(self, stream, last, page), boost::asio::detached);
    }
  };
  mirror_.carry(std::move(stream), last, std::move(events), std::move(done));
}

/// The mirror had no room. The events themselves are not kept meanwhile: the mirror will read them.
Awaitable<void> CarryWindow::carry_later(std::shared_ptr<CarryWindow> self, std::string stream, std::uint64_t last,
                                         std::shared_ptr<Page> page) {
  co_await self->clock_.sleep(offer_again);
  if (!self->closed_) self->carry(std::move(stream), last, {}, std::move(page));
}

void CarryWindow::finish(Page& page) {
  --page.open;
  --open_;
  advance();
}

void CarryWindow::advance() {
  while (!pages_.empty() && pages_.front()->open == 0) {
    safe_ = std::max(safe_, pages_.front()->checkpoint);
    pages_.pop_front();
  }
  moved_.notify();
}

}  // namespace twinstream
