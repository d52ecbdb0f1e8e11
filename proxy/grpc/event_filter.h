#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/core/event.h"
#include "proxy/core/result.h"
#include "proxy/grpc/call_status.h"
#include "proxy/grpc/messages.h"

namespace twinstream::door {

/// Which events of the whole log a reader wants: by prefix or regular expression, on stream name or event type.
class EventFilter {
 public:
  static Parsed<EventFilter> parse(const wire::streams::ReadReq::Options::FilterOptions& options);
  ~EventFilter();
  EventFilter(EventFilter&&) noexcept;

  /// `rejected` when the expression needs too long to be matched.
  Result<bool> matches(const RecordedEvent& recorded) const;

 private:
  struct Expression;
  EventFilter();

  bool on_stream_ = false;
  std::vector<std::string> prefixes_;
  std::unique_ptr<Expression> expression_;
};

/// Bookkeeping of the store itself that no reader of the whole log gets to see.
bool is_hidden_from_all(std::string_view stream);

}  // namespace twinstream::door
