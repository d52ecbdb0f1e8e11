#include "proxy/engine/mirror.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "proxy/core/json.h"
#include "proxy/core/log.h"

namespace twinstream {
namespace {

constexpr std::chrono::milliseconds shortest_pause{20};
constexpr std::chrono::milliseconds longest_pause{5'000};
constexpr std::chrono::milliseconds shortest_pace{20};
constexpr std::chrono::milliseconds longest_pace{500};
/// A stream whose head keeps moving under us without any progress is looked at by a person.
constexpr unsigned attempts_without_progress = 20;

bool same_event(const Translation& translation, const RecordedEvent& authority, const RecordedEvent& follower) {
  if (translation.same_ids) return authority.event.id == follower.event.id;
  return authority.event.type == follower.event.type;
}

/// How many events, from the first, are hidden by soft deletes. They must be at the follower before it is deleted there.
std::uint64_t hidden_until(const Head& head) {
  return head.state == Head::State::soft_deleted ? head.next_revision() : head.first_visible;
}

}  // namespace

/// What is known of one stream. `next` is the follower's next revision, absent until it was asked.
struct Mirror::Stream {
  struct Waiter {
    std::uint64_t next;  ///< satisfied when the follower's next revision has got there
    bool whole;          ///< and the deletion state was carried
    Done done;
  };

  std::string name;
  std::optional<std::uint64_t> next;
  std::uint64_t target = 0;  ///< carry what is below
  Head authority;            ///< as of the last locate
  Head follower;
  bool whole = false;        ///< carry to the authority's head and state, whatever the target
  bool relocate = true;      ///< ask both sides where they are before going on
  std::map<std::uint64_t, RecordedEvent> ready;
  std::vector<Waiter> waiters;
  std::chrono::nanoseconds since{0};  ///< when it last became unsettled
  unsigned fruitless = 0;
  bool running = false;
  bool queued = false;
  std::list<Stream*>::iterator place;

  bool wants_work() const { return whole || relocate || !next || *next < target; }
  std::size_t missing() const { return next && *next < target ? target - *next : (next ? 0 : 1); }
};

Mirror::Mirror(boost::asio::any_io_executor executor, Clock& clock, Random random, EventLog& authority,
               EventLog& follower, Translation translation, ControlStore& control, Metrics& metrics,
               MirrorLimits limits)
    : executor_(std::move(executor)),
      clock_(clock),
      random_(std::move(random)),
      authority_(authority),
      follower_(follower),
      translation_(std::move(translation)),
      control_(control),
      metrics_(metrics),
      limits_(limits),
      pace_(shortest_pace) {}

Mirror::~Mirror() = default;

Awaitable<Result<Done>> Mirror::open() {
  constexpr std::size_t most = 100'000;
  auto divergences = co_await control_.load_divergences(most);
  if (!divergences) co_return divergences.failure();
  for (Divergence& divergence : *divergences) set_aside_.emplace(divergence.stream, divergence);
  co_return twinstream::Done{};
}

// ---- what callers ask for

void Mirror::carry(std::string name, std::uint64_t up_to, std::vector<RecordedEvent> events, Done done) {
  if (set_aside_.contains(name)) {
    if (done) done(Carried::set_aside);
    return;
  }
  Stream* stream = find_or_add(name);
  if (stream == nullptr) {
    metrics_.count("twinstream_mirror_dropped_total");
    if (done) done(Carried::dropped);
    return;
  }
  if (stream->next && *stream->next > up_to && !stream->relocate && !stream->whole) {
    if (done) done(Carried::done);
    return;
  }
  buffer(*stream, std::move(events));
  raise_target(*stream, up_to + 1);
  if (done) stream->waiters.push_back({up_to + 1, false, std::move(done)});
  start(*stream);
}

void Mirror::carry_state(std::string name, Done done) {
  if (set_aside_.contains(name)) {
    if (done) done(Carried::set_aside);
    return;
  }
  Stream* stream = find_or_add(name);
  if (stream == nullptr) {
    metrics_.count("twinstream_mirror_dropped_total");
    if (done) done(Carried::dropped);
    return;
  }
  if (!stream->wants_work()) stream->since = clock_.monotonic();
  stream->relocate = true;
  stream->whole = true;
  if (done) stream->waiters.push_back({0, true, std::move(done)});
  start(*stream);
  hurry();
}

void Mirror::forget(const std::function<bool(std::string_view stream)>& which) {
  for (auto at = streams_.begin(); at != streams_.end();) {
    Stream& stream = *at->second;
    if (!which(stream.name)) {
      ++at;
    } else if (stream.running || stream.queued || stream.wants_work()) {
      stream.relocate = true;
      start(stream);
      ++at;
    } else {
      buffered_ -= stream.ready.size();
      recent_.erase(stream.place);
      at = streams_.erase(at);
    }
  }
}

bool Mirror::has(const std::string& name, std::uint64_t revision) const {
  const auto found = streams_.find(name);
  if (found == streams_.end()) return false;
  const Stream& stream = *found->second;
  return !stream.relocate && !stream.whole && stream.next && *stream.next > revision;
}

bool Mirror::settled(const std::string& name) const {
  const auto found = streams_.find(name);
  return found == streams_.end() || (!found->second->wants_work() && !found->second->running);
}

Awaitable<bool> Mirror::settle(std::string name, std::chrono::nanoseconds limit) {
  hurry();
  co_return co_await wait_until(changed_, clock_, limit, [this, name] { return settled(name); });
}

Awaitable<bool> Mirror::settle_all(std::function<bool(std::string_view stream)> which, std::chrono::nanoseconds limit) {
  const auto deadline = clock_.monotonic() + limit;
  std::vector<std::string> busy;
  for (const auto& [name, stream] : streams_) {
    if (which(name) && !settled(name)) busy.push_back(name);
  }
  for (std::string& name : busy) {
    if (!co_await settle(std::move(name), deadline - clock_.monotonic())) co_return false;
  }
  co_return true;
}

Awaitable<bool> Mirror::drain(std::chrono::nanoseconds limit) {
  hurry();
  co_return co_await wait_until(changed_, clock_, limit, [this] { return idle(); });
}

std::chrono::nanoseconds Mirror::lag() const {
  auto oldest = std::chrono::nanoseconds::max();
  for (const Stream* stream : recent_) {
    if (stream->wants_work()) oldest = std::min(oldest, stream->since);
  }
  return oldest == std::chrono::nanoseconds::max() ? std::chrono::nanoseconds(0) : clock_.monotonic() - oldest;
}

// ---- bookkeeping

Mirror::Stream* Mirror::find_or_add(const std::string& name) {
  if (const auto found = streams_.find(name); found != streams_.end()) {
    touch(*found->second);
    return found->second.get();
  }
  make_room();
  if (streams_.size() >= limits_.streams) return nullptr;
  auto stream = std::make_unique<Stream>();
  stream->name = name;
  stream->since = clock_.monotonic();
  recent_.push_front(stream.get());
  stream->place = recent_.begin();
  pending_events_ += stream->missing();
  return streams_.emplace(name, std::move(stream)).first->second.get();
}

void Mirror::touch(Stream& stream) { recent_.splice(recent_.begin(), recent_, stream.place); }

void Mirror::make_room() {
  // Only idle streams may be forgotten; a handful of busy ones at the old end is looked past, not searched through.
  constexpr unsigned looks = 16;
  auto at = recent_.end();
  for (unsigned look = 0; look < looks && streams_.size() >= limits_.streams && at != recent_.begin(); ++look) {
    --at;
    Stream& stream = **at;
    if (stream.running || stream.queued || stream.wants_work()) continue;
    buffered_ -= stream.ready.size();
    at = recent_.erase(at);
    streams_.erase(stream.name);
  }
}

void Mirror::buffer(Stream& stream, std::vector<RecordedEvent> events) {
  for (RecordedEvent& event : events) {
    if (stream.next && event.revision < *stream.next) continue;
    if (buffered_ >= limits_.buffered_events) return;
    if (stream.ready.try_emplace(event.revision, std::move(event)).second) ++buffered_;
  }
}

void Mirror::raise_target(Stream& stream, std::uint64_t next) {
  if (next <= stream.target) return;
  if (!stream.wants_work()) stream.since = clock_.monotonic();
  pending_events_ -= stream.missing();
  stream.target = next;
  pending_events_ += stream.missing();
}

void Mirror::advance(Stream& stream, std::uint64_t next) {
  pending_events_ -= stream.missing();
  stream.next = next;
  pending_events_ += stream.missing();
  const auto carried = stream.ready.lower_bound(next);
  buffered_ -= static_cast<std::size_t>(std::distance(stream.ready.begin(), carried));
  stream.ready.erase(stream.ready.begin(), carried);
  answer_reached(stream);
}

void Mirror::answer_reached(Stream& stream) {
  std::vector<Done> reached;
  std::erase_if(stream.waiters, [&](Stream::Waiter& waiter) {
    // While the deletion state is still to be carried nobody may go on: a saved cursor would not come back for it.
    if (!stream.next || *stream.next < waiter.next || stream.whole || (waiter.whole && stream.relocate)) return false;
    reached.push_back(std::move(waiter.done));
    return true;
  });
  for (Done& done : reached) done(Carried::done);
}

void Mirror::answer_all(Stream& stream, Carried carried) {
  auto waiters = std::exchange(stream.waiters, {});
  for (Stream::Waiter& waiter : waiters) waiter.done(carried);
}

void Mirror::start(Stream& stream) {
  if (stream.running || stream.queued || !stream.wants_work()) return;
  waiting_.push_back(&stream);
  stream.queued = true;
  start_waiting();
}

/// Streams start in bursts, as group commit does: one wake-up of every thread and one commit at the follower then serve
/// many streams, and one append several events of a stream. A burst waits for most of the one before, and, unless
/// somebody is in a hurry or more was waiting than one burst takes, until `pace_` has passed since that one began. Slow
/// streams do not hold the others up for longer, and those in a hurry only for the shortest pace.
void Mirror::start_waiting() {
  if (waiting_.empty() || running_ >= limits_.concurrency || burst_posted_) return;
  const auto age = clock_.monotonic() - burst_.began;
  if (burst_.nearly_done() && (hurried_ || draining_ || age >= pace_)) {
    // Not at once: what the authority committed together is offered one by one.
    burst_posted_ = true;
    boost::asio::post(executor_, [this] {
      burst_posted_ = false;
      start_burst();
    });
  } else if (!burst_overdue_) {
    const auto rest = hurried_ ? shortest_pace : std::clamp(pace_ - age, pace_ / 4, pace_);
    burst_overdue_ = clock_.after(executor_, rest, [this] { start_burst(); });
  }
}

void Mirror::hurry() {
  if (!hurried_) burst_overdue_.reset();
  hurried_ = true;
  start_waiting();
}

/// An eighth of the time is for carrying: with little to do the follower is close behind, and the more there is, the
/// more events go into one append.
void Mirror::set_pace() {
  const auto took = clock_.monotonic() - burst_.began;
  pace_ = std::clamp<std::chrono::nanoseconds>(8 * took, shortest_pace, longest_pace);
  burst_overdue_.reset();
}

void Mirror::start_burst() {
  if (waiting_.empty()) return;
  if (!draining_ && !burst_.nearly_done()) set_pace();
  burst_overdue_.reset();
  hurried_ = false;
  const std::size_t size = std::min(limits_.concurrency - running_, waiting_.size());
  burst_ = {burst_.number + 1, size, size, draining_ ? burst_.began : clock_.monotonic()};
  draining_ = waiting_.size() > size;
  for (std::size_t i = 0; i < size; ++i) {
    Stream* stream = waiting_.front();
    waiting_.pop_front();
    stream->queued = false;
    stream->running = true;
    ++running_;
    boost::asio::co_spawn(executor_, run(stream, burst_.number), boost::asio::detached);
  }
}

// ---- the one operation

Awaitable<void> Mirror::run(Stream* stream, std::uint64_t burst) {
  Step outcome = Step::more;
  while (outcome == Step::more) outcome = co_await step(*stream);
  if (outcome == Step::settled) stream->fruitless = 0;
  stream->running = false;
  --running_;
  if (burst == burst_.number) {
    --burst_.running;
    if (burst_.running == burst_.size / 8 && !draining_) set_pace();
  }
  if (outcome == Step::diverged) {
    // Forgotten altogether: set_aside_ answers for it from now on.
    pending_events_ -= stream->missing();
    buffered_ -= stream->ready.size();
    answer_all(*stream, Carried::set_aside);
    recent_.erase(stream->place);
    const std::string name = stream->name;
    streams_.erase(name);
  }
  start_waiting();
  changed_.notify();
}

Awaitable<Mirror::Step> Mirror::step(Stream& stream) {
  if (stream.relocate || !stream.next) co_return co_await locate(stream);
  if (stream.authority.state == Head::State::tombstoned) co_return co_await carry_tombstone(stream);
  const std::uint64_t hidden = hidden_until(stream.authority);
  if (hidden != hidden_until(stream.follower)) {
    stream.whole = true;
    if (*stream.next < hidden) co_return co_await carry_page(stream, hidden);
    co_return co_await carry_hidden(stream, hidden);
  }
  const std::uint64_t end = stream.whole ? std::max(stream.target, stream.authority.next_revision()) : stream.target;
  if (*stream.next < end) co_return co_await carry_page(stream, end);
  stream.whole = false;
  answer_reached(stream);
  co_return stream.wants_work() ? Step::more : Step::settled;
}

/// Asks both sides where they are. Runs when a stream is touched for the first time and whenever we lost track.
Awaitable<Mirror::Step> Mirror::locate(Stream& stream) {
  stream.relocate = false;
  // The follower first: whatever it has, the authority had before.
  auto follower = co_await follower_.head(stream.name);
  if (!follower) {
    co_await pause("reading from " + follower_.traits().name + ": " + follower.failure().reason);
    stream.relocate = true;
    co_return Step::more;
  }
  auto authority = co_await authority_.head(stream.name);
  if (!authority) {
    co_await pause("reading from " + authority_.traits().name + ": " + authority.failure().reason);
    stream.relocate = true;
    co_return Step::more;
  }
  if (++stream.fruitless > attempts_without_progress) {
    co_return co_await diverge(stream, "the follower's head keeps changing under the mirror: someone else writes there");
  }
  co_return co_await compare_last_event(stream, *authority, *follower);
}

/// The follower's last event must be the authority's event of that revision, or the two have different histories.
Awaitable<Mirror::Step> Mirror::compare_last_event(Stream& stream, Head authority, Head follower) {
  if (follower.state == Head::State::tombstoned && authority.state != Head::State::tombstoned) {
    co_return co_await diverge(stream, "the stream is tombstoned at the follower only");
  }
  if (follower.next_revision() > authority.next_revision() && authority.state != Head::State::tombstoned) {
    co_return co_await diverge(stream, "the follower has " + std::to_string(follower.next_revision()) +
                                           " events, the authority only " + std::to_string(authority.next_revision()));
  }
  const bool readable = follower.revision && follower.state == Head::State::live &&
                        *follower.revision >= follower.first_visible && authority.state != Head::State::tombstoned;
  if (readable) {
    ReadStream last{stream.name, Direction::backwards, follower.revision, 1, true};
    auto ours = co_await authority_.read_stream(last);
    auto theirs = co_await follower_.read_stream(last);
    if ((!ours && ours.failed_with(FailureCode::unavailable)) ||
        (!theirs && theirs.failed_with(FailureCode::unavailable))) {
      co_await pause("reading the last event of a stream: " + (ours ? theirs.failure().reason : ours.failure().reason));
      stream.relocate = true;
      co_return Step::more;
    }
    if (ours && theirs && !ours->events.empty() && !theirs->events.empty() &&
        !same_event(translation_, ours->events.front(), theirs->events.front())) {
      stream.next = *follower.revision;
      co_return co_await diverge(stream, "revision " + std::to_string(*follower.revision) +
                                             " is another event at the follower: the stores were written separately");
    }
  }
  stream.authority = authority;
  stream.follower = follower;
  const bool tombstoned = authority.state == Head::State::tombstoned;
  if (tombstoned ? follower.state != authority.state : hidden_until(authority) != hidden_until(follower)) {
    stream.whole = true;
  }
  advance(stream, follower.next_revision());
  co_return Step::more;
}

Awaitable<Mirror::Step> Mirror::carry_tombstone(Stream& stream) {
  if (stream.follower.state != Head::State::tombstoned) {
    auto deleted = co_await follower_.tombstone(stream.name, ExpectedRevision::any());
    if (!deleted && !deleted.failed_with(FailureCode::stream_deleted)) {
      co_return co_await refused(stream, deleted.failure());
    }
    stream.follower.state = Head::State::tombstoned;
  }
  stream.whole = false;
  advance(stream, std::max(stream.target, *stream.next));  // its events are gone on both sides
  co_return stream.wants_work() ? Step::more : Step::settled;
}

/// Everything hidden at the authority is at the follower: hides the same there, or shows it again.
Awaitable<Mirror::Step> Mirror::carry_hidden(Stream& stream, std::uint64_t hidden) {
  if (hidden == 0) {
    auto restored = co_await follower_.restore(stream.name);
    if (!restored && !restored.failed_with(FailureCode::stream_not_found)) {
      co_return co_await refused(stream, restored.failure());
    }
  } else if (*stream.next == hidden && hidden_until(stream.follower) < hidden) {
    auto deleted = co_await follower_.soft_delete(stream.name, ExpectedRevision::exact(hidden - 1));
    if (!deleted) co_return co_await refused(stream, deleted.failure());
  } else {
    co_return co_await diverge(stream, "other events are hidden by a soft delete than at the authority");
  }
  stream.fruitless = 0;
  stream.follower.state = hidden == 0 ? Head::State::live : Head::State::soft_deleted;
  stream.follower.first_visible = hidden;
  co_return Step::more;
}

Awaitable<Mirror::Step> Mirror::carry_page(Stream& stream, std::uint64_t end) {
  std::vector<Event> events = next_page(stream, end);
  if (events.empty()) co_return co_await fill(stream);
  AppendRequest request{stream.name, ExpectedRevision::before(*stream.next), std::move(events)};
  const std::uint64_t next = *stream.next + request.events.size();
  const std::size_t count = request.events.size();
  auto appended = co_await append_with_others(std::move(request));
  if (!appended) co_return co_await refused(stream, appended.failure());
  if (appended->revision != next - 1) {
    co_return co_await diverge(stream, "the follower gave another revision than the authority");
  }
  failures_in_a_row_ = 0;
  trouble_.clear();
  stream.fruitless = 0;
  mirrored_events_ += count;
  metrics_.count("twinstream_events_mirrored_total", {{"to", follower_.traits().name}}, static_cast<double>(count));
  if (stream.follower.state == Head::State::soft_deleted) stream.follower.first_visible = *stream.next;
  stream.follower.state = Head::State::live;
  stream.follower.revision = next - 1;
  advance(stream, next);
  co_return stream.wants_work() ? Step::more : Step::settled;
}

/// What streams want to append in one turn of the executor leaves together and is answered together: so the follower can
/// commit it together, and no thread is woken for each. As the answers wait for the slowest of them, a group is as small
/// as what a burst does not wait for.
Awaitable<Result<Appended>> Mirror::append_with_others(AppendRequest request) {
  auto start = [&](Completion<Result<Appended>> done) {
    if (!outgoing_ || outgoing_->size() >= limits_.concurrency / 8) {
      outgoing_ = std::make_shared<Group>();
      boost::asio::co_spawn(executor_, send(outgoing_), boost::asio::detached);
    }
    outgoing_->push_back({std::move(request), std::move(done)});
  };
  co_return co_await await_completion<Result<Appended>>(start);
}

Awaitable<void> Mirror::send(std::shared_ptr<Group> group) {
  co_await boost::asio::post(executor_, boost::asio::use_awaitable);
  if (outgoing_ == group) outgoing_.reset();
  std::vector<AppendRequest> requests;
  for (Outgoing& each : *group) requests.push_back(std::move(each.request));
  auto appended = co_await follower_.append_many(std::move(requests));
  std::vector<Completion<Result<Appended>>::Answer> answers;
  for (std::size_t i = 0; i < group->size(); ++i) {
    answers.push_back({std::move((*group)[i].done), std::move(appended[i])});
  }
  Completion<Result<Appended>>::call_all(std::move(answers));
}

std::vector<Event> Mirror::next_page(Stream& stream, std::uint64_t end) {
  std::vector<Event> page;
  std::size_t bytes = 0;
  for (std::uint64_t revision = *stream.next; revision < end && page.size() < limits_.page_events; ++revision) {
    const auto found = stream.ready.find(revision);
    if (found == stream.ready.end()) break;
    Event event = translation_.translate(found->second);
    const std::size_t size = event.data.size() + event.metadata.size() + 2 * event.type.size();
    if (!page.empty() && bytes + size > limits_.page_bytes) break;
    bytes += size;
    page.push_back(std::move(event));
  }
  return page;
}

/// Reads what is to be carried next from the authority.
Awaitable<Mirror::Step> Mirror::fill(Stream& stream) {
  ReadStream request{stream.name, Direction::forwards, stream.next, limits_.page_events, true};
  auto page = co_await authority_.read_stream(request);
  if (!page && page.failed_with(FailureCode::unavailable)) {
    co_await pause("reading from " + authority_.traits().name + ": " + page.failure().reason);
    co_return Step::more;
  }
  if (!page || page->events.empty() || page->events.front().revision != *stream.next) {
    // Deleted meanwhile, or not there: the heads say which.
    if (++stream.fruitless > attempts_without_progress) {
      co_return co_await diverge(stream, "the authority does not give revision " + std::to_string(*stream.next) +
                                             " any more (deleted or truncated before it was carried)");
    }
    co_await pause("revision " + std::to_string(*stream.next) + " of a stream is not readable");
    stream.relocate = true;
    co_return Step::more;
  }
  stream.authority = page->head;
  // Past the buffer's bound on purpose: one page per running stream is what moves it on.
  for (RecordedEvent& event : page->events) {
    if (stream.ready.try_emplace(event.revision, std::move(event)).second) ++buffered_;
  }
  co_return Step::more;
}

Awaitable<Mirror::Step> Mirror::refused(Stream& stream, Failure failure) {
  metrics_.count("twinstream_append_failures_total", {{"store", follower_.traits().name}, {"code", to_string(failure.code)}});
  switch (failure.code) {
    case FailureCode::unavailable:
    case FailureCode::unknown_outcome:
    case FailureCode::cancelled:
      metrics_.count("twinstream_mirror_retries_total");
      co_await pause(follower_.traits().name + ": " + failure.reason);
      stream.fruitless = 0;
      break;
    case FailureCode::wrong_expected_revision:
    case FailureCode::stream_deleted:
    case FailureCode::stream_not_found:
      break;  // the heads will tell whether someone carried it already or wrote something else
    case FailureCode::id_conflict:
    case FailureCode::rejected:
      co_return co_await diverge(stream, follower_.traits().name + " refuses it: " + failure.reason);
  }
  stream.relocate = true;
  co_return Step::more;
}

/// Recorded before anyone is told, so that a crash cannot make a divergence disappear.
Awaitable<Mirror::Step> Mirror::diverge(Stream& stream, std::string reason) {
  Divergence divergence{stream.name, stream.next.value_or(0), std::move(reason), clock_.now()};
  log::error("stream set aside: it has diverged", {{"stream", divergence.stream},
                                                   {"revision", std::to_string(divergence.revision)},
                                                   {"reason", divergence.reason}});
  for (;;) {
    auto saved = co_await control_.save_divergence(divergence);
    if (saved) break;
    co_await pause("recording a divergence: " + saved.failure().reason);
  }
  set_aside_.emplace(stream.name, divergence);
  metrics_.count("twinstream_divergences_total");
  metrics_.gauge("twinstream_streams_set_aside", static_cast<double>(set_aside_.size()));
  co_return Step::diverged;
}

Awaitable<void> Mirror::pause(std::string reason) {
  if (trouble_.empty()) log::warning("the mirror waits", {{"reason", reason}});
  trouble_ = std::move(reason);
  const unsigned doublings = std::min(failures_in_a_row_++ / 8u, 8u);
  const auto longest = std::min<std::chrono::nanoseconds>(shortest_pause * (1u << doublings), longest_pause);
  const auto part = std::chrono::nanoseconds(longest.count() / 2 + static_cast<std::int64_t>(
      random_() % static_cast<std::uint64_t>(longest.count() / 2 + 1)));
  co_await clock_.sleep(part);
}

}  // namespace twinstream
