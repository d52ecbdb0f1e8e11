#include "proxy/engine/dual_subscription.h"

#include <mutex>

#include "proxy/engine/shown_position.h"

namespace twinstream {
namespace {

void show(const SubscriptionSource& source, bool in_eventstore, SubscriptionPage& page) {
  const WholeLog whole = source.categories.whole_log();
  for (RecordedEvent& recorded : page.events) {
    if (in_eventstore) recorded.event = source.from_eventstore.translate(recorded);
    recorded.position = shown_position(whole, in_eventstore, recorded.position);
  }
  page.checkpoint = shown_position(whole, in_eventstore, page.checkpoint);
}

/// A subscription that can be exchanged for another one while somebody else closes it.
class Exchangeable {
 public:
  /// False when it was closed before.
  bool exchange(std::shared_ptr<Subscription> next) {
    const std::scoped_lock lock(mutex_);
    if (closed_) return false;
    current_ = std::move(next);
    return true;
  }

  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    if (current_) current_->close();
  }

  Subscription* get() const { return current_.get(); }  ///< for the one that exchanges

 private:
  std::mutex mutex_;
  bool closed_ = false;
  std::shared_ptr<Subscription> current_;
};

class AuthoritySubscription final : public Subscription {
 public:
  AuthoritySubscription(SubscriptionSource source, std::string stream, std::optional<std::uint64_t> after)
      : source_(source), stream_(std::move(stream)), after_(after) {}

  Awaitable<Result<SubscriptionPage>> next() override {
    for (;;) {
      if (!follow_authority()) co_return Failure{FailureCode::cancelled, "the subscription was closed", {}};
      auto page = co_await inner_.get()->next();
      if (!page && authority() != in_eventstore_) continue;
      if (!page) co_return page;
      if (!page->events.empty()) after_ = page->events.back().revision;
      show(source_, in_eventstore_, *page);
      co_return page;
    }
  }

  void close() override { inner_.close(); }

 private:
  bool authority() const { return source_.categories.view(stream_).eventstore_is_authority; }

  /// Both stores have the same revisions when the authority changes, so nothing is left out or told twice.
  bool follow_authority() {
    const bool in_eventstore = authority();
    if (inner_.get() != nullptr && in_eventstore == in_eventstore_) return true;
    in_eventstore_ = in_eventstore;
    EventLog& log = in_eventstore ? source_.eventstore : source_.postgres;
    return inner_.exchange(log.subscribe_stream(stream_, after_));
  }

  const SubscriptionSource source_;
  const std::string stream_;
  std::optional<std::uint64_t> after_;
  bool in_eventstore_ = false;
  Exchangeable inner_;
};

class WholeLogSubscription final : public Subscription {
 public:
  WholeLogSubscription(SubscriptionSource source, Position after)
      : source_(source), whole_(source.categories.whole_log()) {
    auto stored = stored_position(whole_, after);
    if (!stored) {
      refused_ = stored.failure();
    } else {
      EventLog& log = whole_ == WholeLog::eventstore ? source.eventstore : source.postgres;
      inner_ = log.subscribe_all(*stored);
    }
  }

  Awaitable<Result<SubscriptionPage>> next() override {
    if (refused_) co_return *refused_;
    auto page = co_await inner_->next();
    if (source_.categories.whole_log() != whole_) {
      co_return Failure{FailureCode::unavailable, "another store answers for the whole log now: subscribe again", {}};
    }
    if (page) show(source_, whole_ == WholeLog::eventstore, *page);
    co_return page;
  }

  void close() override {
    if (inner_) inner_->close();
  }

 private:
  const SubscriptionSource source_;
  const WholeLog whole_;
  std::optional<Failure> refused_;
  std::unique_ptr<Subscription> inner_;
};

}  // namespace

std::unique_ptr<Subscription> subscribe_to_authority(SubscriptionSource source, std::string stream,
                                                     std::optional<std::uint64_t> after) {
  return std::make_unique<AuthoritySubscription>(source, std::move(stream), after);
}

std::unique_ptr<Subscription> subscribe_to_whole_log(SubscriptionSource source, Position after) {
  return std::make_unique<WholeLogSubscription>(source, after);
}

}  // namespace twinstream
