#include "proxy/grpc/append_records.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "proxy/grpc/session_errors.h"
#include "proxy/grpc/session_records.h"

namespace twinstream::door {
namespace {

using Refused = std::optional<CallStatus>;
using State = StreamCheck::State;

constexpr std::size_t most_bytes_of_a_record = 16 * 1024 * 1024;

bool has_no_name(const std::string& stream) { return stream.empty() || stream == "$$"; }

/// By stream, in order of first use.
Refused take_requests(v2::AppendRecordsRequest& request, std::size_t limit, std::vector<AppendRequest>& requests) {
  if (request.records().empty()) return bad_request("records", "there are no records");
  std::unordered_map<std::string, std::size_t> places;
  std::size_t bytes = 0;
  for (auto& record : *request.mutable_records()) {
    if (has_no_name(record.stream())) return bad_request("stream", "a stream has no name");
    const std::size_t size = counted_size(record), most = std::min(limit, most_bytes_of_a_record);
    const std::string stream = record.stream();
    auto event = take_record(record);
    if (auto* refused = std::get_if<CallStatus>(&event)) return std::move(*refused);
    const auto [place, fresh] = places.emplace(stream, requests.size());
    if (fresh) requests.push_back({stream, ExpectedRevision::any(), {}});
    Event& taken = std::get<Event>(event);
    if (size > most) return record_too_large(stream, taken.id, size, most);
    requests[place->second].events.push_back(std::move(taken));
    bytes += size;
  }
  if (bytes > limit) return transaction_too_large(bytes, limit);
  return std::nullopt;
}

std::optional<StreamCheck> check_of(const v2::ConsistencyCheck::StreamStateCheck& check) {
  const std::int64_t expected = check.expected_state();
  switch (expected) {
    case -1: return StreamCheck{check.stream(), State::none, 0};
    case -4: return StreamCheck{check.stream(), State::exists, 0};
    case -5: return StreamCheck{check.stream(), State::soft_deleted, 0};
    case -6: return StreamCheck{check.stream(), State::tombstoned, 0};
    default: break;
  }
  if (expected < 0) return std::nullopt;
  return StreamCheck{check.stream(), State::exact, static_cast<std::uint64_t>(expected)};
}

Refused take_checks(const v2::AppendRecordsRequest& request, std::vector<StreamCheck>& checks) {
  std::unordered_set<std::string> streams;
  for (const auto& one : request.checks()) {
    if (!one.has_stream_state()) return bad_request("checks", "a check is of no kind");
    if (has_no_name(one.stream_state().stream())) return bad_request("checks", "a checked stream has no name");
    auto check = check_of(one.stream_state());
    if (!check) return bad_request("checks", "an expected state is none that can be checked");
    if (!streams.insert(check->stream).second) {
      return bad_request("checks", "stream " + check->stream + " is checked twice");
    }
    checks.push_back(std::move(*check));
  }
  return std::nullopt;
}

}  // namespace

Awaitable<CallStatus> append_records(EventLog& log, const Caller& caller, v2::AppendRecordsRequest request,
                                     v2::AppendRecordsResponse& response) {
  std::vector<AppendRequest> requests;
  std::vector<StreamCheck> checks;
  auto refused = take_requests(request, log.traits().max_append_bytes, requests);
  if (!refused) refused = take_checks(request, checks);
  if (refused) co_return *refused;
  std::vector<AppendRequest> named;
  for (const auto& one : requests) {
    const auto refusal = co_await check_with_details(log, caller, StreamRight::write, one.stream);
    if (!refusal.ok()) co_return refusal;
    named.push_back({one.stream, {}, {}});
  }
  for (const auto& one : checks) {
    const auto refusal = co_await check_with_details(log, caller, StreamRight::read, one.stream);
    if (!refusal.ok()) co_return refusal;
  }
  const auto answers = co_await log.append_together(std::move(requests), checks);
  if (!answers.ok()) co_return records_failure(answers.failure(), named, checks);
  Position last;
  for (std::size_t i = 0; i < answers->size(); ++i) {
    auto& revision = *response.add_revisions();
    revision.set_stream(named[i].stream);
    revision.set_revision(static_cast<std::int64_t>((*answers)[i].revision.value_or(0)));
    last = std::max(last, (*answers)[i].position);
  }
  response.set_position(static_cast<std::int64_t>(last.commit));
  co_return CallStatus{};
}

}  // namespace twinstream::door
