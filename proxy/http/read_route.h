#pragma once

#include <string>

#include "proxy/http/capture.h"

namespace twinstream::http {

/// Decided from the header of the request alone.
struct ReadPlan {
  std::string stream;
  ReadSource source = ReadSource::backend;
  bool compare = false;

  bool passes_through() const { return source == ReadSource::backend && !compare; }
};

/// Answers a read route in the backend's own shape. From a store: all events of the stream, up to 10,000 or 64 MiB
/// (more is answered 500, as half a stream would be a lie), rendered by the route's templates; 404 when there is no
/// such stream, 410 when it is tombstoned, 503 when the stores fail.
///
/// With `compare`, the backend's answer and ours are compared as JSON values, or by status when either is no success.
/// From the backend, the client gets the backend's answer and ours is made from PostgreSQL, so that a difference is
/// one of the templates; from a store, the client gets the store's, and a difference is one of the migration. A
/// difference is looked at twice, since the stream may have grown between the two reads.
Awaitable<Response> serve_read(RouteServices services, RouteHandle route, ReadPlan plan, Request request);

inline constexpr std::size_t read_route_limit = 10'000;                  ///< events in one answer
inline constexpr std::size_t read_route_bytes_limit = 64 * 1024 * 1024;  ///< of one answer

}  // namespace twinstream::http
