#include "adapters/embedded/stream_writer.h"

#include <algorithm>

namespace twinstream::embedded {
namespace {

using Kind = ExpectedRevision::Kind;

constexpr std::size_t remembered_streams = 100'000;
constexpr std::size_t remembered_ids = 250'000;
constexpr std::uint64_t remembered_ids_after_opening = 100'000;

Failure wrong_revision(const std::string& stream, const StreamState& state) {
  const std::string actual = state.last ? "is at revision " + std::to_string(*state.last) : "has no events";
  return {FailureCode::wrong_expected_revision, "stream " + stream + " " + actual, state.last};
}

Head checked_head(const StreamState& state) {
  Head head{Head::State::live, state.last, 0};
  if (!state.last) head.state = Head::State::none;
  if (state.metadata.soft_deleted()) head.state = Head::State::soft_deleted;
  if (state.tombstoned) head.state = Head::State::tombstoned;
  return head;
}

}  // namespace

StreamWriter::StreamWriter(Database& database, std::chrono::seconds may_be_repeated)
    : table_(database), scavenger_(database, may_be_repeated), recent_ids_(remembered_ids) {
  forget();
}

void StreamWriter::forget() {
  states_.clear();
  written_.clear();
  last_position_ = table_.last_position();
  last_created_ = table_.created_at_position(last_position_).value_or(Timestamp{});
  recent_ids_.clear();
  const std::uint64_t after = last_position_ - std::min(last_position_, remembered_ids_after_opening);
  table_.for_each_id_after(after, [this](StreamKey stream, const StoredId& id) { recent_ids_.add(stream, id); });
}

std::unordered_set<std::string> StreamWriter::take_written() {
  // Here no reference to a state is held, so this is where their number is bounded.
  if (states_.size() > remembered_streams) states_.clear();
  return std::exchange(written_, {});
}

StreamState& StreamWriter::load(const std::string& stream) {
  const auto found = states_.find(stream);
  return found != states_.end() ? found->second : states_.emplace(stream, table_.state(stream)).first->second;
}

Result<Appended> StreamWriter::append(const AppendRequest& request) {
  if (auto answer = answer_without_writing(request)) return *answer;
  return write(request, load(request.stream));
}

StreamWriter::Answer StreamWriter::answer_without_writing(const AppendRequest& request) {
  const StreamState& state = load(request.stream);
  if (state.tombstoned) return stream_deleted(request.stream);
  return decide(request, state);
}

Result<std::vector<Appended>> StreamWriter::append_together(const std::vector<AppendRequest>& requests,
                                                            const std::vector<StreamCheck>& checks) {
  std::vector<Result<Appended>> answers;
  std::vector<bool> decided;
  for (const auto& request : requests) {
    auto answer = answer_without_writing(request);
    decided.push_back(answer.has_value());
    answers.push_back(answer ? std::move(*answer) : Appended{});
  }
  std::vector<Head> checked;
  for (const auto& check : checks) checked.push_back(checked_head(load(check.stream)));
  if (auto failure = together(requests, answers, checks, checked)) return *failure;
  std::vector<Appended> appended;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    appended.push_back(decided[i] ? *answers[i] : write(requests[i], load(requests[i].stream)));
  }
  return appended;
}

StreamWriter::Answer StreamWriter::decide(const AppendRequest& request, const StreamState& state) {
  switch (request.expected.kind) {
    case Kind::any: return repeated_by_id(request, state);
    case Kind::stream_exists:
      if (state.metadata.soft_deleted()) return stream_deleted(request.stream);
      if (!state.last && !state.has_metadata) return wrong_revision(request.stream, state);
      return repeated_by_id(request, state);
    case Kind::no_stream: return state.last ? repeated_at(0, request, state) : std::nullopt;
    case Kind::exact: break;
  }
  const std::uint64_t expected = request.expected.revision;
  if (state.last == expected) return std::nullopt;
  if (!state.last || expected > *state.last) return wrong_revision(request.stream, state);
  return repeated_at(expected + 1, request, state);
}

/// `any` and `stream_exists`: a repetition when every id is remembered for this stream, in whatever order.
StreamWriter::Answer StreamWriter::repeated_by_id(const AppendRequest& request, const StreamState& state) {
  if (request.events.empty() || !state.last) return std::nullopt;
  Appended answer;
  for (std::size_t i = 0; i < request.events.size(); ++i) {
    const auto stored = recent_ids_.find(*state.key, request.events[i].id);
    if (!stored && i == 0) return std::nullopt;
    if (!stored) return wrong_revision(request.stream, state);
    answer = {stored->revision, stored->position, true};
  }
  return answer;
}

/// `no_stream` and an exact revision below the head: a repetition when just these ids stand at `first` and after.
StreamWriter::Answer StreamWriter::repeated_at(std::uint64_t first, const AppendRequest& request,
                                               const StreamState& state) {
  const auto stored = table_.ids_from(*state.key, first, request.events.size());
  std::size_t equal = 0;
  const auto is_repeated = [&](std::size_t i) {
    return stored[i].revision == first + i && stored[i].id == request.events[i].id;
  };
  while (equal < stored.size() && is_repeated(equal)) ++equal;
  if (equal > 0 && equal == request.events.size())
    return Appended{stored.back().revision, stored.back().position, true};
  // A soft-deleted stream counts as no stream to who does not repeat its beginning.
  const bool begins_again = first == 0 && equal == 0 && state.metadata.soft_deleted();
  if (begins_again) return std::nullopt;
  return wrong_revision(request.stream, state);
}

Appended StreamWriter::write(const AppendRequest& request, StreamState& state) {
  const auto brought_back = deleted_stream_of(request, state);
  Appended answer{state.last, Position::start()};
  for (const Event& event : request.events) {
    answer.position = insert(request.stream, state, state.next(), event);
    answer.revision = state.last;
  }
  if (is_metadata_stream(request.stream)) states_.erase(request.stream.substr(2));
  if (brought_back) undelete(brought_back->stream, brought_back->first_visible);
  return answer;
}

/// Writing to a soft-deleted stream, or metadata for it, brings it back: from its next event on. Asked before anything
/// is written.
std::optional<StreamWriter::BroughtBack> StreamWriter::deleted_stream_of(const AppendRequest& request,
                                                                         const StreamState& state) {
  if (state.metadata.soft_deleted()) return BroughtBack{request.stream, state.next()};
  if (!is_metadata_stream(request.stream) || request.events.empty()) return std::nullopt;
  const std::string described = request.stream.substr(2);
  const StreamState& other = load(described);
  if (!other.metadata.soft_deleted()) return std::nullopt;
  return BroughtBack{described, other.next()};
}

Position StreamWriter::insert(const std::string& stream, StreamState& state, std::uint64_t revision,
                              const Event& event) {
  if (!state.key) state.key = table_.create_stream(stream);
  table_.insert(last_position_ + 1, *state.key, revision, event, now());
  ++last_position_;
  recent_ids_.add(*state.key, {revision, event.id, {last_position_, last_position_}});
  if (revision != tombstone_revision) state.last = revision;
  written_.insert(stream);
  return {last_position_, last_position_};
}

Position StreamWriter::write_metadata(const std::string& stream, std::string json) {
  const std::string name = metadata_stream_of(stream);
  StreamState& state = load(name);
  const Event event{EventId::random(), std::string(metadata_event_type), std::move(json), {}, ContentType::json, {}};
  const Position position = insert(name, state, state.next(), event);
  states_.erase(stream);
  return position;
}

void StreamWriter::undelete(const std::string& stream, std::uint64_t first_visible) {
  if (auto json = with_truncate_before(table_.latest_metadata(stream), first_visible)) {
    write_metadata(stream, std::move(*json));
  }
}

/// Never earlier than the event before, so that age can be found by bisection.
Timestamp StreamWriter::now() {
  const auto time = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return last_created_ = std::max(last_created_, time);
}

std::optional<Failure> StreamWriter::refuse_delete(const std::string& stream, const StreamState& state,
                                                   ExpectedRevision expected) {
  const bool soft_deleted = state.metadata.soft_deleted();
  switch (expected.kind) {
    case Kind::any: return std::nullopt;
    case Kind::no_stream:
      if (state.last && !soft_deleted) return wrong_revision(stream, state);
      return std::nullopt;
    case Kind::stream_exists:
      if (soft_deleted) return stream_deleted(stream);
      if (!state.last && !state.has_metadata) return wrong_revision(stream, state);
      return std::nullopt;
    case Kind::exact: break;
  }
  if (state.last != expected.revision) return wrong_revision(stream, state);
  return std::nullopt;
}

Result<Deleted> StreamWriter::soft_delete(const std::string& stream, ExpectedRevision expected) {
  const StreamState& state = load(stream);
  if (state.tombstoned || load(metadata_stream_of(stream)).tombstoned) return stream_deleted(stream);
  if (!state.last && !state.has_metadata) return wrong_revision(stream, state);
  if (auto failure = refuse_delete(stream, state, expected)) return *failure;
  return Deleted{write_metadata(stream, *with_truncate_before("{}", soft_deleted_marker))};
}

Result<Deleted> StreamWriter::tombstone(const std::string& stream, ExpectedRevision expected) {
  StreamState& state = load(stream);
  if (state.tombstoned) return stream_deleted(stream);
  if (auto failure = refuse_delete(stream, state, expected)) return *failure;
  const Event event{EventId::random(), std::string(tombstone_event_type), {}, {}, ContentType::binary, {}};
  const Deleted answer{insert(stream, state, tombstone_revision, event)};
  states_.erase(stream);
  states_.erase(metadata_stream_of(stream));
  return answer;
}

Result<Done> StreamWriter::restore(const std::string& stream) {
  const StreamState& state = load(stream);
  if (state.tombstoned || load(metadata_stream_of(stream)).tombstoned) return stream_deleted(stream);
  if (!state.last || state.metadata.truncate_before == 0) {
    return Failure{FailureCode::stream_not_found, "stream " + stream + " has no deleted events to restore", {}};
  }
  if (auto json = without_truncate_before(table_.latest_metadata(stream))) write_metadata(stream, std::move(*json));
  return Done{};
}

}  // namespace twinstream::embedded
