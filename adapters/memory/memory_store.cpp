#include "adapters/memory/memory_store.h"

#include <algorithm>
#include <unordered_set>

#include "proxy/core/json.h"

namespace twinstream {
namespace {

using Kind = ExpectedRevision::Kind;

Failure wrong_revision(const std::string& stream, const Head& head) {
  const std::string actual = head.revision ? "at revision " + std::to_string(*head.revision) : "without events";
  return {FailureCode::wrong_expected_revision, "stream " + stream + " is " + actual, head.revision};
}

Failure deleted(const std::string& stream) {
  return {FailureCode::stream_deleted, "stream " + stream + " is deleted", {}};
}

Failure not_found(const std::string& stream) {
  return {FailureCode::stream_not_found, "stream " + stream + " has no visible events", {}};
}

bool same_content(const Event& left, const Event& right) {
  return left.type == right.type && left.data == right.data && left.metadata == right.metadata &&
         left.content_type == right.content_type;
}

void normalise(Event& event) {
  if (event.content_type != ContentType::json) return;
  if (auto data = canonical_json(event.data)) event.data = std::move(*data);
  if (auto metadata = canonical_json(event.metadata)) event.metadata = std::move(*metadata);
}

}  // namespace

Head MemoryStore::Stream::head() const {
  Head head{state, std::nullopt, first_visible};
  if (!events.empty()) head.revision = events.size() - 1;
  return head;
}

const MemoryStore::Stream& MemoryStore::find(const std::string& name) const {
  static const Stream nothing;
  const auto found = streams_.find(name);
  return found == streams_.end() ? nothing : found->second;
}

bool MemoryStore::has_metadata(const std::string& name) const { return !find("$$" + name).events.empty(); }

Result<Appended> MemoryStore::append(AppendRequest request, Timestamp now) {
  if (!rules_.traits.exact_bytes) std::ranges::for_each(request.events, normalise);
  std::unique_lock lock(mutex_);
  if (auto decision = decide(request, find(request.stream))) return *decision;
  if (auto failure = taken_id(request)) return *failure;
  const Appended appended = write(request, streams_[request.stream], now);
  lock.unlock();
  changed();
  return appended;
}

Result<std::vector<Appended>> MemoryStore::append_together(std::vector<AppendRequest> requests,
                                                           const std::vector<StreamCheck>& checks, Timestamp now) {
  for (auto& request : requests) {
    if (!rules_.traits.exact_bytes) std::ranges::for_each(request.events, normalise);
  }
  std::unique_lock lock(mutex_);
  std::vector<Result<Appended>> answers;
  std::vector<bool> decided;
  for (const auto& request : requests) {
    auto decision = decide(request, find(request.stream));
    if (!decision) {
      if (auto failure = taken_id(request)) decision = *failure;
    }
    decided.push_back(decision.has_value());
    answers.push_back(decision ? std::move(*decision) : Appended{});
  }
  std::vector<Head> checked;
  for (const auto& check : checks) checked.push_back(find(check.stream).head());
  if (auto failure = together(requests, answers, checks, checked)) return *failure;
  std::vector<Appended> appended;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    appended.push_back(decided[i] ? *answers[i] : write(requests[i], streams_[requests[i].stream], now));
  }
  lock.unlock();
  changed();
  return appended;
}

MemoryStore::Decision MemoryStore::decide(const AppendRequest& request, const Stream& stream) const {
  const Head head = stream.head();
  const auto& expected = request.expected;
  if (head.state == Head::State::tombstoned) return deleted(request.stream);
  if (request.stream.starts_with("$$") && find(request.stream.substr(2)).state == Head::State::tombstoned) {
    return deleted(request.stream);
  }
  switch (expected.kind) {
    case Kind::any: return repeated_by_id(request, stream);
    case Kind::stream_exists:
      if (head.state == Head::State::soft_deleted) return deleted(request.stream);
      if (!head.revision && !has_metadata(request.stream)) return wrong_revision(request.stream, head);
      return repeated_by_id(request, stream);
    case Kind::no_stream: return head.revision ? repeated_at(0, request, stream) : std::nullopt;
    case Kind::exact: break;
  }
  if (head.revision && expected.revision == *head.revision) return std::nullopt;
  if (!head.revision || expected.revision > *head.revision) return wrong_revision(request.stream, head);
  return repeated_at(expected.revision + 1, request, stream);
}

/// `any` and `stream_exists`: a repetition when every id is known in this stream, in whatever order.
MemoryStore::Decision MemoryStore::repeated_by_id(const AppendRequest& request, const Stream& stream) const {
  std::vector<std::uint64_t> revisions;
  for (const auto& event : request.events) {
    const auto found = stream.first_revision.find(event.id);
    if (found == stream.first_revision.end()) {
      if (revisions.empty()) return std::nullopt;
      return wrong_revision(request.stream, stream.head());
    }
    revisions.push_back(found->second);
  }
  if (revisions.empty()) return std::nullopt;
  return duplicate(request, stream, revisions);
}

/// `no_stream` and `exact` below the head: a repetition when just these ids stand at `first` and after.
MemoryStore::Decision MemoryStore::repeated_at(std::uint64_t first, const AppendRequest& request,
                                               const Stream& stream) const {
  std::vector<std::uint64_t> revisions;
  for (const auto& event : request.events) {
    const std::uint64_t revision = first + revisions.size();
    const bool same = revision < stream.events.size() && events_[stream.events[revision]].event.id == event.id;
    if (!same) break;
    revisions.push_back(revision);
  }
  if (!revisions.empty() && revisions.size() == request.events.size()) return duplicate(request, stream, revisions);
  const bool continues = first == 0 && revisions.empty() && stream.state == Head::State::soft_deleted;
  if (continues) return std::nullopt;
  return wrong_revision(request.stream, stream.head());
}

Result<Appended> MemoryStore::duplicate(const AppendRequest& request, const Stream& stream,
                                        const std::vector<std::uint64_t>& revisions) const {
  for (std::size_t i = 0; rules_.global_unique_ids && i < revisions.size(); ++i) {
    if (!same_content(events_[stream.events[revisions[i]]].event, request.events[i])) {
      return Failure{
          FailureCode::id_conflict,
          "event id " + request.events[i].id.to_string() + " is taken by an event with other content: use a new id",
          {}};
    }
  }
  return Appended{revisions.back(), events_[stream.events[revisions.back()]].position, true, MirrorState::none};
}

std::optional<Failure> MemoryStore::taken_id(const AppendRequest& request) const {
  if (!rules_.global_unique_ids) return std::nullopt;
  std::unordered_set<EventId> own;
  for (const auto& event : request.events) {
    if (own.insert(event.id).second && !ids_.contains(event.id)) continue;
    return Failure{FailureCode::id_conflict, "event id " + event.id.to_string() + " is taken: use a new id", {}};
  }
  return std::nullopt;
}

Appended MemoryStore::write(const AppendRequest& request, Stream& stream, Timestamp now) {
  if (stream.state == Head::State::soft_deleted) stream.first_visible = stream.events.size();
  if (stream.state == Head::State::soft_deleted || !request.events.empty()) stream.state = Head::State::live;
  for (const auto& event : request.events) {
    const std::uint64_t revision = stream.events.size();
    ++last_position_;
    RecordedEvent recorded{request.stream, revision, {last_position_, last_position_}, event};
    if (!rules_.traits.keeps_created || !event.created) recorded.event.created = now;
    stream.events.push_back(events_.size());
    stream.first_revision.emplace(event.id, revision);
    ids_.emplace(event.id, events_.size());
    events_.push_back(std::move(recorded));
  }
  const Position position = request.events.empty() ? Position::start() : Position{last_position_, last_position_};
  return {stream.head().revision, position, false, MirrorState::none};
}

Head MemoryStore::head(const std::string& stream) const {
  std::scoped_lock lock(mutex_);
  return find(stream).head();
}

Position MemoryStore::tip() const {
  std::scoped_lock lock(mutex_);
  return {last_position_, last_position_};
}

Result<StreamPage> MemoryStore::read_stream(const ReadStream& request) const {
  std::scoped_lock lock(mutex_);
  const Stream& stream = find(request.stream);
  StreamPage page;
  page.head = stream.head();
  if (page.head.state == Head::State::tombstoned) return deleted(request.stream);
  const bool hidden = page.head.state == Head::State::soft_deleted && !request.include_hidden;
  if (page.head.state == Head::State::none || hidden) return not_found(request.stream);

  const bool from_first = request.include_hidden && rules_.shows_hidden;
  const std::uint64_t lowest = from_first ? 0 : stream.first_visible;
  const std::uint64_t count = stream.events.size();
  const bool forwards = request.direction == Direction::forwards;
  std::uint64_t low = lowest;
  std::uint64_t high = count;  // the page is taken from [low, high)
  if (forwards) low = std::min(count, std::max(lowest, request.from.value_or(0)));
  if (!forwards && request.from && *request.from < count) high = std::max(lowest, *request.from + 1);
  const std::uint64_t size = std::min<std::uint64_t>(high - low, request.max_count);
  for (std::uint64_t i = 0; i < size; ++i) {
    page.events.push_back(events_[stream.events[forwards ? low + i : high - 1 - i]]);
  }
  page.end = size == high - low;
  return page;
}

Result<AllPage> MemoryStore::read_all(const ReadAll& request) const {
  std::scoped_lock lock(mutex_);
  const Position tip{last_position_, last_position_};
  const bool forwards = request.direction == Direction::forwards;
  const auto by_position = [](const Position& position, const RecordedEvent& event) {
    return position < event.position;
  };
  AllPage page;
  if (forwards) {
    auto event = std::upper_bound(events_.begin(), events_.end(), request.from, by_position);
    for (; event != events_.end() && page.events.size() < request.max_count; ++event) page.events.push_back(*event);
    page.end = event == events_.end();
    // Deletions use up positions too, so the end of the log can lie behind the last event.
    const Position last = page.events.empty() ? request.from : page.events.back().position;
    page.next = page.end ? tip : last;
    return page;
  }
  const auto first = std::lower_bound(events_.begin(), events_.end(), request.from,
                                      [](const RecordedEvent& event, Position from) { return event.position < from; });
  auto event = std::make_reverse_iterator(first);
  for (; event != events_.rend() && page.events.size() < request.max_count; ++event) page.events.push_back(*event);
  page.end = event == events_.rend();
  page.next = page.events.empty() ? Position::start() : page.events.back().position;
  return page;
}

std::optional<Failure> MemoryStore::refuse_delete(const std::string& name, const Stream& stream,
                                                  ExpectedRevision expected) const {
  const Head head = stream.head();
  if (head.state == Head::State::tombstoned) return deleted(name);
  switch (expected.kind) {
    case Kind::any: return std::nullopt;
    case Kind::no_stream:
      if (head.state == Head::State::live) return wrong_revision(name, head);
      return std::nullopt;
    case Kind::stream_exists:
      if (head.state == Head::State::soft_deleted) return deleted(name);
      if (head.state == Head::State::none && !has_metadata(name)) return wrong_revision(name, head);
      return std::nullopt;
    case Kind::exact: break;
  }
  if (head.revision != expected.revision) return wrong_revision(name, head);
  return std::nullopt;
}

Result<Deleted> MemoryStore::soft_delete(const std::string& name, ExpectedRevision expected) {
  std::unique_lock lock(mutex_);
  const Stream& stream = find(name);
  if (stream.state == Head::State::none && !has_metadata(name)) return wrong_revision(name, stream.head());
  if (auto failure = refuse_delete(name, stream, expected)) return *failure;
  Stream& target = streams_[name];
  target.state = Head::State::soft_deleted;
  target.first_visible = target.events.size();
  const Deleted answer{{last_position_ + 1, last_position_ + 1}};
  ++last_position_;
  lock.unlock();
  changed();
  return answer;
}

Result<Deleted> MemoryStore::tombstone(const std::string& name, ExpectedRevision expected) {
  std::unique_lock lock(mutex_);
  if (auto failure = refuse_delete(name, find(name), expected)) return *failure;
  Stream& target = streams_[name];
  target.state = Head::State::tombstoned;
  target.first_visible = target.events.size();
  const Deleted answer{{last_position_ + 1, last_position_ + 1}};
  ++last_position_;
  lock.unlock();
  changed();
  return answer;
}

Result<Done> MemoryStore::restore(const std::string& name) {
  std::unique_lock lock(mutex_);
  const Stream& stream = find(name);
  if (stream.state == Head::State::tombstoned) return deleted(name);
  if (stream.first_visible == 0) return not_found(name);
  Stream& target = streams_[name];
  target.state = Head::State::live;
  target.first_visible = 0;
  ++last_position_;
  lock.unlock();
  changed();
  return Done{};
}

std::vector<RecordedEvent> MemoryStore::all_events() const {
  std::scoped_lock lock(mutex_);
  return events_;
}

std::uint64_t MemoryStore::changes() const {
  std::scoped_lock lock(mutex_);
  return changes_;
}

std::uint64_t MemoryStore::watch(Watcher watcher) {
  std::scoped_lock lock(mutex_);
  watchers_.emplace(++last_watch_, std::move(watcher));
  return last_watch_;
}

void MemoryStore::unwatch(std::uint64_t watch) {
  std::scoped_lock lock(mutex_);
  watchers_.erase(watch);
}

void MemoryStore::changed() {
  std::vector<Watcher> watchers;
  {
    std::scoped_lock lock(mutex_);
    ++changes_;
    for (const auto& [watch, watcher] : watchers_) watchers.push_back(watcher);
  }
  for (const auto& watcher : watchers) watcher();
}

}  // namespace twinstream
