#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <string>

#include "proxy/core/clock.h"
#include "proxy/core/event_log.h"
#include "proxy/persistent/state_store.h"

namespace twinstream::persistent {

/// What groups get from outside. All of it outlives them.
struct Environment {
  EventLog& source;  ///< whose events are delivered
  StateStore state;
  Clock& clock;
  boost::asio::any_io_executor executor;
  /// Starts a coroutine whose end the owner of the groups waits for.
  std::function<void(const boost::asio::any_io_executor&, Awaitable<void>)> spawn;

  using Matches = std::function<Result<bool>(const RecordedEvent&)>;
  /// Makes a filter ready. `rejected` when it cannot be used.
  std::function<Result<Matches>(const Filter&)> compile;
  /// Events of the whole log that nobody gets to see.
  std::function<bool(std::string_view stream)> hidden;
};

}  // namespace twinstream::persistent
