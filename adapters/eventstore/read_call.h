#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adapters/eventstore/connection.h"
#include "proxy/core/event_log.h"

// The Read call, finite and never-ending.

namespace twinstream::eventstore {

struct FromStart {};
struct FromEnd {};

/// What to read, as the protocol means it: a finite read includes a start revision, and forwards also a start position;
/// a subscription excludes both.
struct ReadQuery {
  std::optional<std::string> stream;  ///< absent: $all
  Direction direction = Direction::forwards;
  std::variant<FromStart, FromEnd, std::uint64_t, Position> from;
};

struct ReadAnswer {
  CallStatus status;
  bool stream_not_found = false;
  std::vector<RecordedEvent> events;
  std::optional<std::uint64_t> first_revision;  ///< said only when nothing readable is near the start of the read
  std::optional<std::uint64_t> last_revision;   ///< the head; since 21.10 always said of a readable stream
};

/// At most `count` (not 0) events.
Awaitable<ReadAnswer> read_call(ConnectionPtr connection, ReadQuery query, std::uint64_t count,
                                std::chrono::milliseconds timeout);

/// A never-ending read. It lives until its owner's `on_end` has returned; until then `resume` and `cancel` may be
/// called from any thread.
class SubscribeCall {
 public:
  enum class Notice { event, caught_up, fell_behind, other };

  class Owner {
   public:
    virtual ~Owner() = default;
    /// `event` is there for Notice::event only. Answers whether to go on reading now; otherwise nothing more comes
    /// until `resume`.
    virtual bool on_notice(Notice notice, RecordedEvent event) = 0;
    virtual void on_end(CallStatus status) = 0;
  };

  /// Keeps the owner alive until the end. `start` must follow, once; nothing is called back before it.
  static SubscribeCall* make(ConnectionPtr connection, const ReadQuery& query, std::shared_ptr<Owner> owner);
  virtual void start() = 0;

  /// Only after `on_notice` answered false, once for each such answer.
  virtual void resume() = 0;
  /// Ends a paused call too: afterwards `resume` must not be called any more.
  virtual void cancel(bool paused) = 0;

 protected:
  ~SubscribeCall() = default;
};

}  // namespace twinstream::eventstore
