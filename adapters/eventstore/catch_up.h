#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "adapters/eventstore/cluster.h"
#include "adapters/eventstore/read_call.h"
#include "proxy/core/event_log.h"

namespace twinstream::eventstore {

/// One subscription: a never-ending read that is resumed on another connection when it breaks, and a bounded buffer
/// that its owner empties page by page. While the buffer is full nothing is read. Thread safe, but one `next` at a
/// time.
class CatchUp final : public SubscribeCall::Owner, public std::enable_shared_from_this<CatchUp> {
 public:
  struct Start {
    std::optional<std::string> stream;            ///< absent: $all
    Position after;                               ///< $all; end() is what is there when the subscription begins
    std::optional<std::uint64_t> after_revision;  ///< of a stream; absent: from its first event
  };

  CatchUp(boost::asio::io_context& io, Cluster& cluster, Start start);

  /// Begins to read, on io's thread.
  void begin();
  Awaitable<Result<SubscriptionPage>> next();
  void close();
  /// Answers a `next` that has waited for a second with an empty page.
  void sweep(SteadyTime now);

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Waiting = Completion<Result<SubscriptionPage>>;

  bool on_notice(SubscribeCall::Notice notice, RecordedEvent event) override;
  void on_end(CallStatus status) override;

  Awaitable<void> run(std::shared_ptr<CatchUp> self);
  Awaitable<bool> settle_start();
  Awaitable<CallStatus> one_call(ConnectionPtr connection);
  void begin_call(const ConnectionPtr& connection, Completion<CallStatus> ended);
  ReadQuery query() const;
  bool is_closed();
  void fail(Failure failure);

  void wait(Waiting waiting);
  void keep(RecordedEvent event);
  Result<SubscriptionPage> take_page();
  bool has_news() const { return !buffer_.empty() || failure_ || caught_up_ != told_caught_up_; }
  void answer_waiting();

  boost::asio::io_context& io_;
  Cluster& cluster_;

  std::mutex mutex_;
  const std::optional<std::string> stream_;
  Position received_;  ///< what the next call resumes after
  std::optional<std::uint64_t> received_revision_;
  Position checkpoint_;  ///< of what has been taken
  std::vector<RecordedEvent> buffer_;
  std::size_t buffered_bytes_ = 0;
  bool caught_up_ = false;
  bool told_caught_up_ = false;  ///< what the last page said
  bool announces_caught_up_ = true;
  bool progress_ = false;           ///< this call has brought something
  std::optional<Failure> failure_;  ///< the end of the subscription, after what is buffered
  std::optional<Waiting> waiting_;
  SteadyTime waiting_since_;
  SubscribeCall* call_ = nullptr;
  bool paused_ = false;  ///< the call waits for `resume`
  std::optional<Completion<CallStatus>> ended_;
};

}  // namespace twinstream::eventstore
