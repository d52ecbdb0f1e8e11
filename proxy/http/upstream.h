#pragma once

#include "proxy/core/event_log.h"
#include "proxy/core/result.h"
#include "proxy/http/message.h"

namespace twinstream::http {

/// The backend as handlers see it.
class Upstream {
 public:
  virtual ~Upstream() = default;

  /// One whole exchange with the backend. The request goes out as a passed-through one would: hop-by-hop fields left
  /// out, forwarding fields added, base path put before the target. Failures:
  ///  - unavailable: the backend has not seen the request (no connection could be made);
  ///  - unknown_outcome: it may have, but its answer was lost, came too late or was larger than the body limit.
  virtual Awaitable<Result<Response>> fetch(Request request) = 0;
};

/// The answer for a client whose request ended in such a failure: 502 or 504 with the reason.
Response gateway_response(const Failure& failure);

/// Uses the connection pool of the io thread that calls, so that no request ever crosses threads. Any number of
/// objects are the same. On a thread that is none of a Server with a backend, every fetch is `unavailable`.
class PooledUpstream final : public Upstream {
 public:
  Awaitable<Result<Response>> fetch(Request request) override;
};

}  // namespace twinstream::http
