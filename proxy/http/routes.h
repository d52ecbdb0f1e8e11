#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/core/result.h"
#include "proxy/http/json_template.h"
#include "proxy/http/value_source.h"

namespace twinstream::http {

/// One segment of a pattern: a text to be equal to, or the name of a parameter.
struct Segment {
  bool parameter = false;
  std::string text;
};

/// A route ready for use.
struct Route {
  RouteConfig config;
  std::string name;  ///< `POST /contacts/{id}/events`
  std::vector<Segment> segments;
  JsonTemplate response;  ///< read routes only, as is `event`
  JsonTemplate event;
  bool needs_json = false;  ///< a value of the request comes from a JSON pointer
};

struct RouteMatch {
  std::shared_ptr<const Route> route;
  PathParameters parameters;
};

/// Every capture and read route. Immutable.
class RouteTable {
 public:
  /// A failure (`rejected`) names the route and the field, and says what is wrong with it.
  static Result<RouteTable> compile(const Config& config);

  /// The route of this request. Segments are compared decoded; a parameter takes one segment that is not empty. Where
  /// several fit, a literal segment beats a parameter, the leftmost difference first; then the order of the file.
  std::optional<RouteMatch> find(std::string_view method, std::string_view path) const;

 private:
  std::vector<std::shared_ptr<const Route>> routes_;  ///< most literal first
};

}  // namespace twinstream::http
