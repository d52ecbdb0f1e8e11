#pragma once

#include <memory>

#include "proxy/core/metrics.h"
#include "proxy/engine/gateway.h"
#include "proxy/http/message.h"
#include "proxy/http/routes.h"
#include "proxy/http/upstream.h"

namespace twinstream::http {

/// What handlers of routes work with; all of it outlives every request.
struct RouteServices {
  Gateway& gateway;
  Upstream* upstream;  ///< absent when there is no backend
  Metrics& metrics;
};

using RouteHandle = std::shared_ptr<const Route>;

/// `capture: append`. The proxy writes the events of the request itself. Answers:
///   the route's success status with {stream, revision, id or ids} and an ETag (of the last event);
///   400 no JSON, or a value is missing or of no use; 409 wrong expected revision or an event id that is taken;
///   410 stream deleted; 503 with Retry-After nothing was written, or (the text says so) the outcome is not known.
/// Revisions in requests and answers count from the route's base. An expected revision is a number, `any`, `none`,
/// `exists`; the number below the base is `none`. In quotes, and `*` for `exists`, it is an If-Match.
/// The id is that of the route's `id`, else made of route, stream and Idempotency-Key, else random.
/// With `events`, `type`, `id`, `data` and `metadata` are looked for in each element, all else in the whole request.
/// Data is kept as sent: from a pointer it is the exact text of the value.
Awaitable<Response> capture_append(RouteServices services, RouteHandle route, PathParameters parameters,
                                   Request request);

/// `capture: backend`. The backend answers, and what it wrote is carried to the follower. Its answer is given back as
/// it is, with Twinstream-Mirror when something was carried.
Awaitable<Response> capture_backend(RouteServices services, RouteHandle route, PathParameters parameters,
                                    Request request);

}  // namespace twinstream::http
