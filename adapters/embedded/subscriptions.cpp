#include "adapters/embedded/subscriptions.h"

#include <atomic>

namespace twinstream::embedded {
namespace {

constexpr std::chrono::milliseconds idle_answer{1'000};
constexpr std::size_t page_size = 500;

/// Reads pages until it is at the end, then waits for the alarm. The disk is not touched while nothing is committed.
class CatchUpSubscription : public Subscription {
 public:
  CatchUpSubscription(JobQueue<Reader>& readers, std::shared_ptr<Alarm> alarm)
      : readers_(readers), alarm_(std::move(alarm)) {}

  Awaitable<Result<SubscriptionPage>> next() override {
    for (;;) {
      const bool news = !caught_up_ || co_await alarm_->wait(idle_answer);
      if (closed_) co_return Failure{FailureCode::cancelled, "the subscription was closed", {}};
      if (!news) co_return SubscriptionPage{{}, checkpoint_, true};
      alarm_->lower();
      const bool was_caught_up = caught_up_;
      auto page = co_await read();
      if (!page.ok()) co_return page;
      checkpoint_ = page->checkpoint;
      caught_up_ = page->caught_up;
      // An alarm whose events are hidden is no news to a subscriber that is caught up.
      if (!page->events.empty() || caught_up_ != was_caught_up) co_return page;
    }
  }

  void close() override {
    closed_ = true;
    alarm_->raise();
  }

 protected:
  virtual Awaitable<Result<SubscriptionPage>> read() = 0;

  JobQueue<Reader>& readers_;
  Position checkpoint_;

 private:
  std::shared_ptr<Alarm> alarm_;
  bool caught_up_ = false;
  std::atomic<bool> closed_ = false;
};

class AllSubscription final : public CatchUpSubscription {
 public:
  AllSubscription(JobQueue<Reader>& readers, CommitWatch& commits, Position after)
      : CatchUpSubscription(readers, commits.watch(std::nullopt)) {
    const std::uint64_t last = commits.last_position();
    checkpoint_ = after == Position::end() ? Position{last, last} : after;
  }

 private:
  Awaitable<Result<SubscriptionPage>> read() override {
    const ReadAll request{Direction::forwards, checkpoint_, page_size};
    auto page = co_await submit<AllPage>(
        readers_, 0, [request](Reader& reader) -> Result<AllPage> { return reader.read_all(request); });
    if (!page.ok()) co_return page.failure();
    co_return SubscriptionPage{std::move(page->events), page->next, page->end};
  }
};

class StreamSubscription final : public CatchUpSubscription {
 public:
  StreamSubscription(JobQueue<Reader>& readers, CommitWatch& commits, std::string stream,
                     std::optional<std::uint64_t> after)
      : CatchUpSubscription(readers, commits.watch(stream)),
        stream_(std::move(stream)),
        next_(after ? *after + (*after < tombstone_revision ? 1 : 0) : 0) {}

 private:
  /// Who was there when the stream was tombstoned gets all of it and the tombstone; who comes later is refused.
  Awaitable<Result<SubscriptionPage>> read() override {
    auto work = [stream = stream_, from = next_](Reader& reader) -> Result<Reader::Delivery> {
      return reader.deliver(stream, from);
    };
    auto delivery = co_await submit<Reader::Delivery>(readers_, 0, std::move(work));
    if (!delivery.ok()) co_return delivery.failure();
    if (delivery->tombstoned && (!started_ || ended_)) {
      co_return Failure{FailureCode::stream_deleted, "stream " + stream_ + " is deleted", {}};
    }
    started_ = true;
    ended_ = delivery->tombstoned && delivery->end;
    if (!delivery->events.empty()) next_ = delivery->events.back().revision + 1;
    const Position checkpoint = delivery->end ? delivery->tip : delivery->events.back().position;
    co_return SubscriptionPage{std::move(delivery->events), checkpoint, delivery->end && !ended_};
  }

  std::string stream_;
  std::uint64_t next_;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Subscription> subscribe_all(JobQueue<Reader>& readers, CommitWatch& commits, Position after) {
  return std::make_unique<AllSubscription>(readers, commits, after);
}

std::unique_ptr<Subscription> subscribe_stream(JobQueue<Reader>& readers, CommitWatch& commits, std::string stream,
                                               std::optional<std::uint64_t> after) {
  return std::make_unique<StreamSubscription>(readers, commits, std::move(stream), after);
}

}  // namespace twinstream::embedded
