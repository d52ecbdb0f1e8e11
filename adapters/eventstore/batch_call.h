#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "adapters/eventstore/connection.h"
#include "proxy/core/event_log.h"

namespace twinstream {
class CompletionThread;
}

namespace twinstream::eventstore {

/// A part of an append, small enough for one message.
struct BatchChunk {
  const AppendRequest& request;
  std::uint64_t correlation;
  std::size_t first_event;
  std::size_t event_count;
  bool final;                           ///< the server writes the append when it has this
  std::chrono::milliseconds time_left;  ///< until nobody waits for the answer any more
  bool more_follows;                    ///< surely another chunk is written right after this one
};

/// A long-lived BatchAppend call.
class BatchCall {
 public:
  /// Called from the completion thread. The owner must outlive the call.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_answer(std::uint64_t correlation, Result<Appended> answer) = 0;
    /// The chunk is written, or failed to be. Answers true when answers have ended too: nothing is written any more.
    virtual bool on_written(bool ok) = 0;
    /// No more answers. Answers true when no chunk is being written: nothing is written any more.
    virtual bool on_answers_end() = 0;
    virtual void on_end(CallStatus status) = 0;
  };

  /// `start` must follow, once; nothing is called back before it.
  static std::shared_ptr<BatchCall> make(ConnectionPtr connection, CompletionThread& thread, Owner& owner);
  /// Ends with `on_written` too.
  virtual void start() = 0;
  /// One at a time: the next one after `on_written` of the one before, or of the start.
  virtual void write(const BatchChunk& chunk) = 0;
  virtual void cancel() = 0;

 protected:
  ~BatchCall() = default;
};

}  // namespace twinstream::eventstore
