#pragma once

#include <functional>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/grpc/messages.h"

namespace twinstream::door {

/// The answering side of a read call, as the coroutine that works it off sees it. One coroutine, one call at a time.
class ResponseStream {
 public:
  using Batch = std::vector<wire::streams::ReadResp>;

  virtual ~ResponseStream() = default;
  /// Takes the batch once the one before is nearly written, so that the next page is read while this one is sent.
  /// False when nobody reads any more.
  virtual Awaitable<bool> send(Batch batch) = 0;
  /// `stop` is called once when the caller has gone or the server shuts down (at once when that has happened).
  virtual void on_stop(std::function<void()> stop) = 0;
};

}  // namespace twinstream::door
