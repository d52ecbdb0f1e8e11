#include "proxy/grpc/batch_assembly.h"

namespace twinstream::door {
namespace {

constexpr std::size_t max_pending = 10'000;
constexpr std::size_t max_pending_bytes = 256 * 1024 * 1024;

}  // namespace

BatchAssembly::Outcome BatchAssembly::take(wire::streams::BatchAppendReq& chunk) {
  const auto key = parse_uuid(chunk.correlation_id());
  if (!key && chunk.has_options()) return bad_request_answer({{}, {}}, "the correlation id is missing or no UUID");
  if (!key) return unknown("the correlation id is missing or no UUID");
  auto found = pending_.find(*key);
  if (found == pending_.end()) return chunk.has_options() ? begin(*key, chunk) : Outcome(Nothing{});
  Pending pending = std::move(found->second);
  pending_.erase(found);
  pending_bytes_ -= pending.all_bytes;
  if (auto refused = add_events(pending, chunk)) return std::move(*refused);
  if (chunk.is_final()) return std::move(pending.append);
  pending_bytes_ += pending.all_bytes;
  pending_.emplace(*key, std::move(pending));
  return Nothing{};
}

BatchAssembly::Outcome BatchAssembly::begin(const EventId& key, wire::streams::BatchAppendReq& chunk) {
  const auto& options = chunk.options();
  Pending pending;
  BatchAddress& address = pending.append.address;
  address.correlation = chunk.correlation_id();
  address.stream = stream_name(options.stream_identifier());
  if (!options.has_stream_identifier() || address.stream.empty()) {
    return bad_request_answer(address, "the stream has no name");
  }
  const auto allowed = allowed_time(options);
  if (allowed <= std::chrono::nanoseconds(0)) return timeout_answer(address);
  const auto expected = parse_expectation(options);
  if (const auto* status = std::get_if<CallStatus>(&expected)) return bad_request_answer(address, status->message);
  pending.append.request.stream = address.stream;
  pending.append.request.expected = std::get<ExpectedRevision>(expected);
  if (auto refused = add_events(pending, chunk)) return std::move(*refused);
  if (chunk.is_final()) return std::move(pending.append);
  if (pending_.size() >= max_pending) return busy_answer(address, "too many appends wait for their last chunk");
  pending_bytes_ += pending.all_bytes;
  pending_.emplace(key, std::move(pending));
  return Begun{key, allowed};
}

std::optional<BatchAnswer> BatchAssembly::add_events(Pending& pending, wire::streams::BatchAppendReq& chunk) {
  const BatchAddress& address = pending.append.address;
  auto& events = pending.append.request.events;
  events.reserve(events.size() + static_cast<std::size_t>(chunk.proposed_messages_size()));
  for (auto& proposed : *chunk.mutable_proposed_messages()) {
    auto event = take_event(proposed);
    if (const auto* status = std::get_if<CallStatus>(&event)) return bad_request_answer(address, status->message);
    events.push_back(std::move(std::get<Event>(event)));
    const Event& added = events.back();
    pending.data_bytes += added.data.size();
    pending.all_bytes += added.data.size() + added.metadata.size() + added.type.size() + sizeof(Event);
  }
  if (exceeds(pending.data_bytes, log_)) return too_large_answer(address, log_.traits().max_append_bytes);
  if (pending_bytes_ + pending.all_bytes > max_pending_bytes) return busy_answer(address, "too much is being appended");
  return std::nullopt;
}

std::optional<BatchAnswer> BatchAssembly::timed_out(const EventId& key) {
  const auto found = pending_.find(key);
  if (found == pending_.end()) return std::nullopt;
  BatchAddress address = std::move(found->second.append.address);
  // EventStore answers a time-out with the structured form, whatever form the id arrived in.
  set_uuid(address.correlation, key, false);
  pending_bytes_ -= found->second.all_bytes;
  pending_.erase(found);
  return timeout_answer(address);
}

}  // namespace twinstream::door
