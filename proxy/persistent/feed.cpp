#include "proxy/persistent/feed.h"

#include <algorithm>

namespace twinstream::persistent {

Awaitable<Result<Feed::Page>> Feed::next() {
  if (!at_end_) co_return co_await read();
  if (!subscription_) subscribe();
  const auto subscription = subscription_;
  auto page = co_await subscription->next();
  if (!page.ok()) {
    rest();
    co_return page.failure();
  }
  caught_up_ = page->caught_up;
  auto taken = config_.name.is_all() ? take_all(std::move(page->events), page->checkpoint)
                                     : take_stream(std::move(page->events));
  // The subscription is past what could not be taken: it must be read again.
  if (!taken.ok()) rest();
  co_return taken;
}

void Feed::rest() {
  if (subscription_) subscription_->close();
  subscription_.reset();
  at_end_ = false;
  caught_up_ = false;
}

void Feed::interrupt() {
  if (subscription_) subscription_->close();
}

void Feed::subscribe() {
  const auto after = place_.next_revision == 0 ? std::nullopt : std::optional(place_.next_revision - 1);
  subscription_ = config_.name.is_all() ? environment_.source.subscribe_all(place_.position)
                                        : environment_.source.subscribe_stream(config_.name.source, after);
}

Awaitable<Result<Feed::Page>> Feed::read() {
  return config_.name.is_all() ? read_all() : read_stream();
}

Awaitable<Result<Feed::Page>> Feed::read_stream() {
  const auto count = static_cast<std::size_t>(config_.settings.read_batch_size);
  auto page = co_await environment_.source.read_stream(
      {config_.name.source, Direction::forwards, place_.next_revision, count, false});
  if (page.failed_with(FailureCode::stream_not_found)) {
    at_end_ = true;
    co_return Page{{}, place_};
  }
  if (!page.ok()) co_return page.failure();
  at_end_ = page->end || page->events.empty();
  co_return take_stream(std::move(page->events));
}

Awaitable<Result<Feed::Page>> Feed::read_all() {
  const auto count = static_cast<std::size_t>(config_.settings.read_batch_size);
  auto page = co_await environment_.source.read_all({Direction::forwards, place_.position, count});
  if (!page.ok()) co_return page.failure();
  at_end_ = page->end || page->next == place_.position;
  co_return take_all(std::move(page->events), page->next);
}

Result<Feed::Page> Feed::take_stream(std::vector<RecordedEvent> events) {
  Page page{{}, place_};
  for (RecordedEvent& recorded : events) {
    if (recorded.revision < page.through.next_revision) continue;
    page.through.next_revision = recorded.revision + 1;
    page.items.push_back({std::move(recorded), page.through, true});
  }
  place_ = page.through;
  return page;
}

/// Where a page is not in global order, or goes beyond its checkpoint, no position inside it says that all before is
/// finished.
Result<Feed::Page> Feed::take_all(std::vector<RecordedEvent> events, Position checkpoint) {
  const auto earlier = [](const RecordedEvent& left, const RecordedEvent& right) {
    return left.position < right.position;
  };
  const bool ordered = std::is_sorted(events.begin(), events.end(), earlier) &&
                       (events.empty() || events.back().position <= checkpoint);
  Page page{{}, {0, std::max(place_.position, checkpoint)}};
  for (RecordedEvent& recorded : events) {
    const Place through = ordered ? Place{0, recorded.position} : place_;
    if (environment_.hidden(recorded.stream) || is_bookkeeping_of_all(environment_.state.prefix(), recorded.stream)) {
      page.items.push_back({std::nullopt, through, false});
      continue;
    }
    const auto matches = matches_ ? matches_(recorded) : Result<bool>(true);
    if (!matches.ok()) return matches.failure();
    page.items.push_back({*matches ? std::optional(std::move(recorded)) : std::nullopt, through, true});
  }
  place_ = page.through;
  return page;
}

}  // namespace twinstream::persistent
