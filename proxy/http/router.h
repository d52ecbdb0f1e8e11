#pragma once

#include <atomic>
#include <memory>

#include "config/config.h"
#include "proxy/http/capture.h"
#include "proxy/http/message.h"

namespace twinstream::http {

/// What becomes of each request: the event API, a route, or passed through. Thread safe. The services outlive it, and
/// it outlives the server.
class Router {
 public:
  explicit Router(RouteServices services) : services_(services) {}

  /// Puts new routes in force; requests under way end with the old ones. A failure (`rejected`) names what is wrong and
  /// leaves the old routes in force. Until the first success everything is passed through.
  Result<Done> load(const Config& config);

  Decision decide(const Request& head) const;

 private:
  struct Rules;

  Decision decide_read(const RouteMatch& match, const Request& head) const;

  RouteServices services_;
  std::atomic<std::shared_ptr<const Rules>> rules_;
};

}  // namespace twinstream::http
