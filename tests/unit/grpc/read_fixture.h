#pragma once

#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {

/// The whole log by `prefix` or `regex` on event types or stream names, in windows of 4.
inline streams::ReadReq filtered(const std::string& prefix, const std::string& regex, bool on_stream = false) {
  auto request = all_request();
  auto& filter = *request.mutable_options()->mutable_filter();
  filter.set_max(4);
  filter.set_checkpointintervalmultiplier(1);
  auto& expression = on_stream ? *filter.mutable_stream_identifier() : *filter.mutable_event_type();
  if (!prefix.empty()) expression.add_prefix(prefix);
  expression.set_regex(regex);
  return request;
}

inline streams::ReadReq all_after(std::uint64_t position) {
  auto request = all_request();
  request.mutable_options()->mutable_all()->mutable_position()->set_commit_position(position);
  request.mutable_options()->mutable_all()->mutable_position()->set_prepare_position(position);
  return request;
}

/// Types that start with `Wanted`, with a checkpoint every 4 examined events.
inline streams::ReadReq wanted_types(std::uint64_t position) {
  auto request = position == 0 ? all_request() : all_after(position);
  auto& filter = *request.mutable_options()->mutable_filter();
  filter.mutable_event_type()->add_prefix("Wanted");
  filter.set_max(4);
  filter.set_checkpointintervalmultiplier(1);
  return request;
}

class DoorRead : public DoorTest {
 protected:
  std::vector<std::string> types(const streams::ReadReq& request) {
    std::vector<std::string> found;
    for (const auto& response : read(request).responses) {
      found.push_back(response.event().event().metadata().at("type"));
    }
    return found;
  }
  void write_type(const std::string& stream, const std::string& type) {
    ASSERT_TRUE(append(stream, ExpectedRevision::any(), {proposed("{}", type)}).status.ok());
  }
};

}  // namespace twinstream
