#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "adapters/eventstore/append_backlog.h"
#include "adapters/eventstore/batch_call.h"
#include "adapters/eventstore/cluster.h"

namespace twinstream::eventstore {

/// What the queues of one log have in common.
struct AppendShared {
  std::atomic<std::size_t> unanswered{0};
  std::atomic<std::uint64_t> log_end{0};  ///< the highest commit position that an answer told
};

/// Sends appends, in order and one at a time for each stream, over one BatchAppend call that it keeps open, pipelined.
/// What is lost with a call is sent again where the protocol makes that safe, or looked up. Every append is answered,
/// at its deadline at the latest (checked by `sweep`). Thread safe.
class AppendQueue final : BatchCall::Owner {
 public:
  AppendQueue(boost::asio::io_context& io, CompletionThread& completions, Cluster& cluster,
              std::chrono::milliseconds timeout, AppendShared& shared);

  void submit(std::vector<PendingPtr> appends);
  void sweep(SteadyTime now);
  /// Answers all with `cancelled` and begins nothing any more.
  void close();

 private:
  using Lock = std::unique_lock<std::mutex>;

  // Working off the backlog; these are called with the lock held.
  void advance(Lock& lock);
  void begin_opening();
  PendingPtr next_to_send();
  void write_chunk(Lock& lock);
  void start_alone(PendingPtr pending);
  void settle(const PendingPtr& pending, Result<Appended> result);
  void before_sending(PendingAppend& pending) const;
  void judge(const PendingAppend& pending, Appended& appended);
  void lost(const PendingPtr& pending, const CallFailure& failure);
  void recover_in_flight(const CallFailure& failure);

  Awaitable<void> open();
  Awaitable<void> append_alone(PendingPtr pending);
  Awaitable<void> look_up(PendingPtr pending, Failure doubt);
  Awaitable<std::optional<Appended>> find_written(PendingPtr pending);

  void on_answer(std::uint64_t correlation, Result<Appended> answer) override;
  bool on_written(bool ok) override;
  bool on_answers_end() override;
  void on_end(CallStatus status) override;

  boost::asio::io_context& io_;
  CompletionThread& completions_;
  Cluster& cluster_;
  const std::chrono::milliseconds timeout_;
  AppendShared& shared_;

  std::mutex mutex_;
  AppendBacklog backlog_;
  bool closed_ = false;
  ConnectionPtr connection_;  ///< what is in use; absent: none, or one is being opened
  bool opening_ = false;
  unsigned failures_ = 0;  ///< connections in a row that broke before any answer
  std::size_t alone_ = 0;  ///< appends in calls of their own

  std::shared_ptr<BatchCall> call_;
  bool started_ = false;  ///< this call can be written to
  bool proven_ = false;  ///< this call has answered; until then one append at a time is risked
  bool writing_ = false;
  bool given_up_ = false;  ///< nothing more is written to this call
  bool answers_ended_ = false;
  bool astray_ = false;  ///< this call still carries an append that was given up without an answer
  SteadyTime last_answer_;
  PendingPtr current_;          ///< of which chunks are still to be written
  std::size_t next_event_ = 0;  ///< of current_
  std::uint64_t last_correlation_ = 0;
  std::map<std::uint64_t, PendingPtr> in_flight_;  ///< by correlation: in the order of sending
};

}  // namespace twinstream::eventstore
