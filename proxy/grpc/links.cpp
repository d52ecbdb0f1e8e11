#include "proxy/core/links.h"

#include "proxy/grpc/reading.h"

namespace twinstream::door {

Awaitable<Result<ResponseStream::Batch>> to_responses(EventLog& log, const ReadPlan& plan,
                                                      std::vector<RecordedEvent> events) {
  ResponseStream::Batch batch;
  batch.reserve(events.size());
  for (RecordedEvent& recorded : events) {
    if (!plan.resolve_links || recorded.event.type != link_type) {
      batch.push_back(to_response(std::move(recorded), std::nullopt, plan.string_ids));
      continue;
    }
    const auto named = parse_link(recorded.event.data);
    const bool readable = named && (co_await check(log, plan.caller, StreamRight::read, named->stream)).ok();
    if (!readable) {
      batch.push_back(to_response(std::nullopt, std::move(recorded), plan.string_ids));
      continue;
    }
    auto target = co_await follow_link(log, recorded.event.data);
    if (!target.ok()) co_return target.failure();
    batch.push_back(to_response(std::move(*target), std::move(recorded), plan.string_ids));
  }
  co_return batch;
}

}  // namespace twinstream::door
