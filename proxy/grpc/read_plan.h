#pragma once

#include <optional>
#include <string>

#include "proxy/core/event_log.h"
#include "proxy/grpc/access.h"
#include "proxy/grpc/call_status.h"
#include "proxy/grpc/event_filter.h"
#include "proxy/grpc/messages.h"

namespace twinstream::door {

/// A read request that was found valid.
struct ReadPlan {
  enum class Start { start, end, at };

  std::optional<std::string> stream;  ///< absent: the whole log
  Direction direction = Direction::forwards;
  Start start = Start::start;
  std::uint64_t revision = 0;          ///< Start::at of a stream
  Position position;                   ///< Start::at of the whole log
  std::optional<std::uint64_t> count;  ///< absent: a subscription
  std::optional<EventFilter> filter;
  std::uint64_t checkpoint_interval = 0;  ///< examined events from one checkpoint to the next
  bool resolve_links = false;
  bool string_ids = false;
  Caller caller{{}, {}, true};  ///< a link is followed only to what it may read
  UserFile* users = nullptr;    ///< by whom a subscription looks at its caller again
  bool tells_positions = false;  ///< first_stream_position and last_stream_position are wanted

  static Parsed<ReadPlan> parse(const wire::streams::ReadReq& request);
};

}  // namespace twinstream::door
