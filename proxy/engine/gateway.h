#pragma once

#include "config/config.h"
#include "proxy/core/event_log.h"

namespace twinstream {

/// The engine as the HTTP doors see it. Every method may be called from any thread; coroutines resume on the caller's
/// executor.
class Gateway {
 public:
  virtual ~Gateway() = default;

  /// Both stores as one log: writes go to the authority of the stream's category and are mirrored by its phase; reads
  /// come from the store that the read policy chooses, with fallback, never going back in time. Answers `unavailable`
  /// while a category is held by a change of authority for longer than its bound.
  virtual EventLog& log() = 0;

  /// What answers a read route of this stream now. `backend` means: pass the request through.
  virtual ReadSource read_source(std::string_view stream) = 0;
  /// Draws whether this read is to be compared with the other side.
  virtual bool compare_this_read(std::string_view stream) = 0;
  /// The result of comparing a read route's answer with the backend's: counted, and a difference is logged.
  virtual void report_comparison(std::string_view stream, bool equal, std::string_view detail) = 0;

  /// A read from one store, whatever the policy says (for comparisons).
  virtual EventLog& store(ReadSource source) = 0;

  /// Before a request of `capture: backend` is forwarded: unavailable while the category is held, rejected when its
  /// authority is EventStore (the backend would write a table that decides nothing any more). The value is a permit:
  /// keep it until `carry` was called or the request failed.
  virtual Awaitable<Result<std::shared_ptr<void>>> admit_backend_write(std::string stream_category) = 0;
  /// The backend has written to this stream: brings the follower up to it. Waits for the mirror as the category's `ack`
  /// says. `none` when the category is not mirrored.
  virtual Awaitable<MirrorState> carry(std::string stream) = 0;
};

}  // namespace twinstream
