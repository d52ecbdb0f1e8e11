#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <deque>
#include <memory>
#include <utility>

namespace twinstream::simulation {

/// The ready queue of one simulated process, run step by step. Unlike an io_context it can die: then everything queued
/// is destroyed without running, and what is posted later is destroyed at once. Coroutines that are dropped by their
/// owners (timers, stores, the engine's own parts) therefore unwind there and then, while those owners still exist.
class ReadyQueue {
 public:
  ~ReadyQueue() { die(); }

  bool empty() const { return ready_.empty(); }
  /// Runs the oldest piece of work.
  void step();
  void die();

  template <class Function>
  void post(Function function) {
    if (dead_) return;
    ready_.push_back(std::make_unique<WorkOf<Function>>(std::move(function)));
  }

  boost::asio::execution_context& context() { return context_; }

 private:
  struct Work {
    virtual ~Work() = default;
    virtual void run() = 0;
  };
  template <class Function>
  struct WorkOf final : Work {
    explicit WorkOf(Function function) : function(std::move(function)) {}
    void run() override { std::move(function)(); }
    Function function;
  };

  boost::asio::execution_context context_;
  std::deque<std::unique_ptr<Work>> ready_;
  bool dead_ = false;
};

/// What asio needs to know of a ReadyQueue.
class SimExecutor {
 public:
  explicit SimExecutor(ReadyQueue& queue) : queue_(&queue) {}

  template <class Function>
  void execute(Function function) const {
    queue_->post(std::move(function));
  }

  boost::asio::execution_context& query(boost::asio::execution::context_t) const { return queue_->context(); }
  static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) {
    return boost::asio::execution::blocking.never;
  }
  SimExecutor require(boost::asio::execution::blocking_t::never_t) const { return *this; }

  bool operator==(const SimExecutor&) const noexcept = default;

 private:
  ReadyQueue* queue_;
};

}  // namespace twinstream::simulation
