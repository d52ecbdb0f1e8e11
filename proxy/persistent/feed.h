#pragma once

#include <memory>

#include "proxy/persistent/environment.h"
#include "proxy/persistent/settings.h"

namespace twinstream::persistent {

/// The events of a group's source from a place onwards: page by page while it catches up, from a subscription once it
/// has reached the end. Not thread safe, except for `close`.
class Feed {
 public:
  Feed(Environment& environment, const GroupConfig& config, Place after, Environment::Matches matches)
      : environment_(environment), config_(config), place_(after), matches_(std::move(matches)) {}

  struct Item {
    std::optional<RecordedEvent> event;  ///< absent: hidden or not matched by the filter
    Place through;                       ///< what is finished once this one and all before it are
    bool counts = true;                  ///< counts as processed although there is nothing to deliver
  };
  struct Page {
    std::vector<Item> items;
    Place through;
  };

  /// The next page; while live it may be empty about once a second. Asked for again after a failure it goes on where
  /// it was.
  Awaitable<Result<Page>> next();
  bool live() const { return subscription_ && caught_up_; }
  /// Lets go of the subscription; the next page is read again.
  void rest();
  /// Makes a waiting `next` answer. It may be asked on.
  void interrupt();

 private:
  Awaitable<Result<Page>> read();
  Awaitable<Result<Page>> read_stream();
  Awaitable<Result<Page>> read_all();
  Result<Page> take_stream(std::vector<RecordedEvent> events);
  Result<Page> take_all(std::vector<RecordedEvent> events, Position checkpoint);
  void subscribe();

  Environment& environment_;
  const GroupConfig& config_;
  Place place_;
  Environment::Matches matches_;
  bool at_end_ = false;
  bool caught_up_ = false;
  std::shared_ptr<Subscription> subscription_;
};

}  // namespace twinstream::persistent
