#include "proxy/engine/dual_log.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "proxy/core/log.h"
#include "proxy/engine/dual_subscription.h"
#include "proxy/engine/run_on.h"
#include "proxy/engine/shown_position.h"

namespace twinstream {
namespace {

/// A change of deletion state waits this long for what it depends on, and keeps later writes of its stream waiting.
constexpr std::chrono::seconds state_change_wait{5};

Failure being_changed() {
  return {FailureCode::unavailable, "the stream is being deleted or restored; try again", {}};
}

LogTraits traits_of_both(const EventLog& postgres, const EventLog& eventstore) {
  LogTraits traits = postgres.traits();
  traits.name = "twinstream";
  traits.max_append_bytes = std::min(traits.max_append_bytes, eventstore.traits().max_append_bytes);
  traits.max_stream_name_bytes = std::min(traits.max_stream_name_bytes, eventstore.traits().max_stream_name_bytes);
  return traits;
}

/// Answers `pending` when the carry is not done within the limit.
Awaitable<MirrorState> carried_within(Mirror& mirror, Clock& clock, boost::asio::any_io_executor executor,
                                      std::string stream, std::uint64_t revision, std::vector<RecordedEvent> events,
                                      std::chrono::nanoseconds limit) {
  struct Race {
    std::optional<Completion<MirrorState>> done;
    std::unique_ptr<Clock::Timer> timer;

    void finish(MirrorState state) {
      if (!done) return;
      auto completion = std::move(*done);
      done.reset();
      timer.reset();
      completion(state);
    }
  };
  auto start = [&](Completion<MirrorState> done) {
    auto race = std::make_shared<Race>();
    race->done.emplace(std::move(done));
    race->timer = clock.after(executor, limit, [weak = std::weak_ptr<Race>(race)] {
      if (auto expired = weak.lock()) expired->finish(MirrorState::pending);
    });
    mirror.carry(std::move(stream), revision, std::move(events), [race](Carried carried) {
      race->finish(carried == Carried::done ? MirrorState::done : MirrorState::pending);
    });
    mirror.hurry();
  };
  co_return co_await await_completion<MirrorState>(start);
}

/// Takes the events out of the request.
std::vector<RecordedEvent> recorded(AppendRequest& request, const Appended& appended, Position position) {
  std::vector<RecordedEvent> events;
  events.reserve(request.events.size());
  std::uint64_t revision = *appended.revision + 1 - request.events.size();
  for (Event& event : request.events) events.push_back({request.stream, revision++, position, std::move(event)});
  return events;
}

bool same_pages(const StreamPage& one, const StreamPage& other) {
  return std::equal(one.events.begin(), one.events.end(), other.events.begin(), other.events.end(),
                    [](const RecordedEvent& a, const RecordedEvent& b) {
                      return a.revision == b.revision && a.event.id == b.event.id && a.event.type == b.event.type;
                    });
}

Failure decided_elsewhere(const Category& category) {
  return {FailureCode::rejected,
          "the streams of this append are decided by different stores: category " + category.config.name +
              " is not in the same place of the migration as the others. Append to each stream by itself",
          {}};
}

}  // namespace

bool in_percentage(std::string_view stream, unsigned percent) {
  std::uint64_t hash = 1469598103934665603ull;  // FNV-1a: the same in every build and on every machine
  for (const char c : stream) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return (hash >> 32) % 100 < percent;
}

DualLog::DualLog(boost::asio::any_io_executor engine, Clock& clock, Random random, Stores stores,
                 Categories& categories, ControlStore& control, Metrics& metrics)
    : engine_(std::move(engine)),
      clock_(clock),
      random_(std::move(random)),
      stores_(stores),
      categories_(categories),
      control_(control),
      metrics_(metrics),
      traits_(traits_of_both(stores.postgres, stores.eventstore)),
      from_eventstore_(translation_between(stores.eventstore, stores.postgres)),
      to_eventstore_(translation_between(stores.postgres, stores.eventstore)) {}

std::optional<Failure> DualLog::refuses(const AppendRequest& request) const {
  if (is_system_stream(request.stream)) {
    auto refusal = refuses_system_stream(request.stream);
    return refusal ? refusal : stores_.eventstore.refuses(request);
  }
  if (auto refusal = stores_.postgres.refuses(request)) return refusal;
  return stores_.eventstore.refuses(request);
}

std::optional<Failure> DualLog::refuses_system_stream(std::string_view stream) const {
  if (!is_system_stream(stream)) return std::nullopt;
  const CategoryView view = categories_.view(stream);
  if (view.eventstore_is_authority && !view.postgres_follows) return std::nullopt;
  return Failure{FailureCode::rejected,
                 "stream " + std::string(stream) + " cannot be written through Twinstream while PostgreSQL has a part in "
                 "its category: PostgreSQL has no place for metadata and other system streams. It can be written when "
                 "the category is in retire with `rollback: false`", {}};
}

Position DualLog::shown(const EventLog& log, Position position) const {
  return shown_position(categories_.whole_log(), &log == &stores_.eventstore, position);
}

// ---- writes

Awaitable<Result<Appended>> DualLog::append(AppendRequest request) {
  co_return co_await run_on(engine_, append_here(std::move(request)));
}

Awaitable<Result<Appended>> DualLog::append_here(AppendRequest request) {
  Category& category = categories_.of(request.stream);
  auto permit = co_await admit(category, request.stream);
  if (!permit) co_return permit.failure();
  // The authority refuses by itself what it could never hold.
  auto refusal = is_system_stream(request.stream) ? refuses_system_stream(request.stream)
                                                  : stores_.follower(category).refuses(request);
  if (refusal) co_return std::move(*refusal);
  EventLog& authority = stores_.authority(category);
  set_times(category, authority, request);
  if (auto too_large = refuses_with_time(category, authority, request)) co_return std::move(*too_large);
  Mirror* mirror = stores_.mirror(category);
  // A log that stamps its own time is read back by the mirror; otherwise what was written is known here.
  const bool known = mirror != nullptr && authority.traits().keeps_created;
  AppendRequest written = known ? request : AppendRequest{request.stream, {}, {}};
  const std::size_t count = request.events.size();
  auto appended = co_await authority.append(std::move(request));
  if (!appended) {
    count_failure(authority, appended.failure());
    if (mirror != nullptr && appended.failed_with(FailureCode::unknown_outcome)) {
      mirror->carry_state(written.stream, {});
    }
    co_return appended;
  }
  const Position stored = std::exchange(appended->position, shown(authority, appended->position));
  if (!appended->revision || appended->duplicate) {
    if (mirror != nullptr && appended->revision) {
      appended->mirror = co_await mirror_written(category, *mirror, written.stream, *appended->revision, {});
    }
    co_return appended;
  }
  note_written(category, authority, written.stream, count);
  if (mirror != nullptr) {
    appended->mirror = co_await mirror_written(category, *mirror, written.stream, *appended->revision,
                                               known ? recorded(written, *appended, stored) : std::vector<RecordedEvent>{});
  }
  co_return appended;
}

void DualLog::count_failure(const EventLog& authority, const Failure& failure) {
  metrics_.count("twinstream_append_failures_total",
                 {{"store", authority.traits().name}, {"code", to_string(failure.code)}});
}

void DualLog::note_written(Category& category, const EventLog& authority, std::string_view stream, std::size_t events) {
  category.written += events;
  metrics_.count("twinstream_events_written_total",
                 {{"category", category.config.name}, {"authority", authority.traits().name}},
                 static_cast<double>(events));
  if (!is_system_stream(stream)) category.note_touched(stream);
}

/// A time that the writer gives is kept, also by a log that stamps its own.
void DualLog::set_times(const Category& category, const EventLog& authority, AppendRequest& request) const {
  const bool stamps_its_own = !authority.traits().keeps_created && category.config.original_created;
  const Timestamp now = clock_.now();
  for (Event& event : request.events) {
    if (!event.created) {
      event.created = now;
    } else if (stamps_its_own) {
      event = to_eventstore_.translate({request.stream, 0, {}, event});
    }
  }
}

/// An event that fits as it was given may not fit with the time that the mirror adds for a follower that stamps its own.
std::optional<Failure> DualLog::refuses_with_time(const Category& category, const EventLog& authority,
                                                  const AppendRequest& request) const {
  constexpr std::size_t most_added = 64;  // bytes
  if (&authority != &stores_.postgres || stores_.eventstore.traits().keeps_created ||
      !category.config.original_created) {
    return std::nullopt;
  }
  for (const Event& event : request.events) {
    const std::size_t bytes = event.data.size() + event.metadata.size() + 2 * event.type.size();
    if (bytes + most_added <= stores_.eventstore.traits().max_append_bytes) continue;
    const Event carried = to_eventstore_.translate({request.stream, 0, {}, event});
    if (auto refusal = stores_.eventstore.refuses({request.stream, {}, {carried}})) return refusal;
  }
  return std::nullopt;
}

bool DualLog::waits_for_mirror(const Category& category) {
  return category.config.ack == Ack::both || category.state.phase == Phase::read_switch;
}

Awaitable<MirrorState> DualLog::mirror_written(Category& category, Mirror& mirror, std::string stream,
                                               std::uint64_t revision, std::vector<RecordedEvent> events) {
  if (!waits_for_mirror(category)) {
    mirror.carry(std::move(stream), revision, std::move(events), {});
    co_return MirrorState::pending;
  }
  co_return co_await carried_within(mirror, clock_, engine_, std::move(stream), revision, std::move(events),
                                    category.config.ack_timeout);
}

// ---- appends to several streams

Awaitable<Result<std::vector<Appended>>> DualLog::append_together(std::vector<AppendRequest> requests,
                                                                  std::vector<StreamCheck> checks) {
  co_return co_await run_on(engine_, append_together_here(std::move(requests), std::move(checks)));
}

Awaitable<Result<std::vector<Category::Permit>>> DualLog::admit_together(
    const std::vector<AppendRequest>& requests, const std::vector<StreamCheck>& checks) {
  std::vector<Category::Permit> permits;
  std::set<std::string> streams;  // each once and in one order: two such appends must not wait for each other
  for (const AppendRequest& request : requests) streams.insert(request.stream);
  for (const StreamCheck& check : checks) streams.insert(check.stream);
  permits.reserve(streams.size());
  for (const std::string& stream : streams) {
    auto permit = co_await admit(categories_.of(stream), stream);
    if (!permit) co_return permit.failure();
    permits.push_back(std::move(*permit));
  }
  co_return permits;
}

Awaitable<Result<std::vector<Appended>>> DualLog::append_together_here(std::vector<AppendRequest> requests,
                                                                       std::vector<StreamCheck> checks) {
  if (auto refusal = refuses_together(requests)) co_return *refusal;
  const auto permits = co_await admit_together(requests, checks);
  if (!permits) co_return permits.failure();
  EventLog& authority = stores_.authority(categories_.of(requests.front().stream));
  for (AppendRequest& request : requests) {
    Category& category = categories_.of(request.stream);
    if (&stores_.authority(category) != &authority) co_return decided_elsewhere(category);
    set_times(category, authority, request);
    if (auto too_large = refuses_with_time(category, authority, request)) co_return std::move(*too_large);
  }
  for (const StreamCheck& check : checks) {
    Category& category = categories_.of(check.stream);
    if (&stores_.authority(category) != &authority) co_return decided_elsewhere(category);
  }
  std::vector<AppendRequest> written = requests;
  auto appended = co_await authority.append_together(std::move(requests), std::move(checks));
  if (appended) {
    co_await mirror_together(std::move(written), *appended);
    co_return appended;
  }
  count_failure(authority, appended.failure());
  for (const AppendRequest& request : written) {
    Mirror* mirror = stores_.mirror(categories_.of(request.stream));
    const bool uncertain = appended.failed_with(FailureCode::unknown_outcome);
    if (mirror != nullptr && uncertain) mirror->carry_state(request.stream, {});
  }
  co_return appended;
}

/// All streams are handed to the mirror before the first is waited for.
Awaitable<void> DualLog::mirror_together(std::vector<AppendRequest> written, std::vector<Appended>& appended) {
  const auto start = clock_.monotonic();
  for (std::size_t i = 0; i < written.size(); ++i) {
    Category& category = categories_.of(written[i].stream);
    EventLog& authority = stores_.authority(category);
    Mirror* mirror = stores_.mirror(category);
    const bool fresh = appended[i].revision && !appended[i].duplicate;
    if (fresh) note_written(category, authority, written[i].stream, written[i].events.size());
    if (mirror != nullptr && appended[i].revision) {
      const bool known = fresh && authority.traits().keeps_created;
      mirror->carry(written[i].stream, *appended[i].revision,
                    known ? recorded(written[i], appended[i], appended[i].position) : std::vector<RecordedEvent>{}, {});
      appended[i].mirror = MirrorState::pending;
    }
    appended[i].position = shown(authority, appended[i].position);
  }
  for (std::size_t i = 0; i < written.size(); ++i) {
    Category& category = categories_.of(written[i].stream);
    Mirror* mirror = stores_.mirror(category);  // the phase may have changed while others were waited for
    if (mirror == nullptr || appended[i].mirror != MirrorState::pending || !waits_for_mirror(category)) continue;
    const auto left = start + category.config.ack_timeout - clock_.monotonic();
    if (left <= std::chrono::nanoseconds(0)) continue;
    appended[i].mirror = co_await carried_within(*mirror, clock_, engine_, written[i].stream,
                                                 *appended[i].revision, {}, left);
  }
}

Awaitable<Result<Category::Permit>> DualLog::admit(Category& category, std::string stream) {
  for (;;) {
    if (!co_await state_is_settled(stream)) co_return being_changed();
    auto permit = co_await category.admit(clock_, category.config.fence_timeout, stream);
    // While the category was held, a change of the stream may have been faster.
    if (!permit || !changing_.contains(stream)) co_return permit;
  }
}

// ---- what the backend wrote

Awaitable<MirrorState> DualLog::carry(std::string stream) {
  co_return co_await run_on(engine_, carry_here(std::move(stream)));
}

Awaitable<MirrorState> DualLog::carry_here(std::string stream) {
  Category& category = categories_.of(stream);
  category.note_touched(stream);
  if (!category.mirrored_forward()) co_return MirrorState::none;
  auto head = co_await stores_.postgres.head(stream);
  if (!head || !head->revision) {
    // Not known how far the stream goes: the follower counts as behind until PostgreSQL has told.
    stores_.forward.carry_state(std::move(stream), {});
    co_return MirrorState::pending;
  }
  ++category.written;
  metrics_.count("twinstream_events_written_total", {{"category", category.config.name}, {"authority", "backend"}});
  co_return co_await mirror_written(category, stores_.forward, std::move(stream), *head->revision, {});
}

Awaitable<Result<std::shared_ptr<void>>> DualLog::admit_backend_write(std::string category) {
  co_return co_await run_on(engine_, admit_backend_write_here(std::move(category)));
}

Awaitable<Result<std::shared_ptr<void>>> DualLog::admit_backend_write_here(std::string name) {
  Category& category = categories_.of(name);
  auto permit = co_await category.admit(clock_, category.config.fence_timeout);
  if (!permit) co_return permit.failure();
  if (category.state.eventstore_is_authority) {
    co_return Failure{FailureCode::rejected,
                      "category " + category.config.name + " is retired: EventStore decides its writes, so the backend "
                      "must append through the proxy's event API instead of writing its own table", {}};
  }
  // The permit belongs to the engine's thread, whoever drops the last reference.
  auto* held = new Category::Permit(std::move(*permit));
  co_return std::shared_ptr<void>(static_cast<void*>(held), [engine = engine_](void* pointer) {
    boost::asio::post(engine, [pointer] { delete static_cast<Category::Permit*>(pointer); });
  });
}

// ---- reads

bool DualLog::reads_follower(const Category& category, const std::string& stream) const {
  if (category.state.phase != Phase::read_switch) return false;
  return category.config.reads.from == ReadSource::eventstore ||
         in_percentage(stream, category.config.reads.eventstore_percent);
}

Awaitable<Result<StreamPage>> DualLog::read_stream(ReadStream request) {
  co_return co_await run_on(engine_, read_stream_here(std::move(request)));
}

Awaitable<Result<StreamPage>> DualLog::read_stream_here(ReadStream request) {
  Category& category = categories_.of(request.stream);
  if (is_system_stream(request.stream)) {
    if (category.state.eventstore_is_authority) co_return co_await read_store(stores_.eventstore, std::move(request));
    co_return Failure{FailureCode::stream_not_found, "stream " + request.stream + " does not exist", {}};
  }
  if (stores_.mirror(category) != nullptr && random_() % 100 < category.config.reads.compare_percent) {
    co_return co_await read_and_compare(category, std::move(request));
  }
  if (reads_follower(category, request.stream)) co_return co_await read_follower(category, std::move(request));
  EventLog& authority = stores_.authority(category);
  const auto source = category.state.eventstore_is_authority ? ReadSource::eventstore : ReadSource::postgres;
  metrics_.count("twinstream_reads_total", {{"category", category.config.name}, {"source", to_string(source)}});
  auto page = co_await read_store(authority, request);
  note_shown(category, request.stream, page);
  if (page || !page.failed_with(FailureCode::unavailable) || !category.config.reads.fallback) co_return page;
  if (!co_await follower_is_current(category, request.stream)) co_return page;
  metrics_.count("twinstream_read_fallbacks_total", {{"category", category.config.name}});
  co_return co_await read_store(stores_.follower(category), std::move(request));
}

/// Otherwise it may lack streams that nobody has touched since the mirror was switched on.
bool DualLog::follower_is_whole(const Category& category) const {
  return category.state.eventstore_is_authority ? category.config.rollback : category.state.backfilled;
}

/// What the authority has shown to a reader must be at the follower before the follower may be read again: it can be a
/// write past the proxy that the tail has not seen yet.
void DualLog::note_shown(Category& category, const std::string& stream, const Result<StreamPage>& page) {
  Mirror* mirror = stores_.mirror(category);
  // While writes are held for a change of authority nothing new may be asked for in the old direction.
  if (mirror == nullptr || category.held() || !follower_is_whole(category) || !page || !page->head.revision) return;
  mirror->carry(stream, *page->head.revision, {}, {});
}

Awaitable<Result<StreamPage>> DualLog::read_store(EventLog& log, ReadStream request) {
  auto page = co_await log.read_stream(std::move(request));
  if (page) show(log, page->events);
  co_return page;
}

void DualLog::show(const EventLog& log, std::vector<RecordedEvent>& events) const {
  for (RecordedEvent& recorded : events) {
    if (&log == &stores_.eventstore) recorded.event = from_eventstore_.translate(recorded);
    recorded.position = shown(log, recorded.position);
  }
}

/// A follower that is behind is waited for, then the authority answers: nobody sees a stream go back in time. What the
/// authority showed must be at the follower before the follower is read again, so it is carried.
Awaitable<Result<StreamPage>> DualLog::read_follower(Category& category, ReadStream request) {
  if (co_await follower_is_current(category, request.stream)) {
    auto page = co_await read_store(stores_.follower(category), request);
    if (page || !page.failed_with(FailureCode::unavailable)) {
      metrics_.count("twinstream_reads_total", {{"category", category.config.name}, {"source", "eventstore"}});
      co_return page;
    }
    if (!category.config.reads.fallback) co_return page;
  } else if (!category.config.reads.fallback && !stores_.forward.is_set_aside(request.stream)) {
    co_return Failure{FailureCode::unavailable, "EventStore is behind for this stream and `fallback` is off; try again",
                      {}};
  }
  metrics_.count("twinstream_read_fallbacks_total", {{"category", category.config.name}});
  metrics_.count("twinstream_reads_total", {{"category", category.config.name}, {"source", "postgres"}});
  auto page = co_await read_store(stores_.postgres, request);
  note_shown(category, request.stream, page);
  co_return page;
}

Awaitable<bool> DualLog::follower_is_current(Category& category, const std::string& stream) {
  Mirror* mirror = stores_.mirror(category);
  if (mirror == nullptr || mirror->is_set_aside(stream)) co_return false;
  if (!follower_is_whole(category)) co_return false;
  // Until the tail has been at the end once, a write from before a restart may still be on its way.
  if (!stores_.tail(category).has_caught_up()) co_return false;
  co_return mirror->settled(stream) || co_await mirror->settle(stream, category.config.reads.wait_for_mirror);
}

Awaitable<Result<StreamPage>> DualLog::read_and_compare(Category& category, ReadStream request) {
  auto answer = co_await read_store(stores_.authority(category), request);
  note_shown(category, request.stream, answer);
  const bool current = co_await follower_is_current(category, request.stream);
  if (!current || (!answer && !answer.failed_with(FailureCode::stream_not_found))) co_return answer;
  auto other = co_await read_store(stores_.follower(category), request);
  const bool both = answer && other;
  if (!both && !other && other.failed_with(FailureCode::unavailable)) co_return answer;
  const bool equal = both ? same_pages(*answer, *other) : answer.ok() == other.ok();
  metrics_.count("twinstream_read_comparisons_total",
                 {{"category", category.config.name}, {"result", equal ? "equal" : "different"}});
  if (!equal) log::warning("the stores give different answers to a read", {{"stream", request.stream}});
  co_return answer;
}

Awaitable<Result<AllPage>> DualLog::read_all(ReadAll request) {
  co_return co_await run_on(engine_, read_all_here(std::move(request)));
}

Awaitable<Result<AllPage>> DualLog::read_all_here(ReadAll request) {
  const WholeLog whole = categories_.whole_log();
  const auto from = stored_position(whole, request.from);
  if (!from) co_return from.failure();
  request.from = *from;
  EventLog& log = whole == WholeLog::eventstore ? stores_.eventstore : stores_.postgres;
  auto page = co_await log.read_all(std::move(request));
  if (!page) co_return page;
  if (categories_.whole_log() != whole) {
    co_return Failure{FailureCode::unavailable, "another store answers for the whole log now: read again", {}};
  }
  show(log, page->events);
  page->next = shown(log, page->next);
  co_return page;
}

Awaitable<Result<Head>> DualLog::head(std::string stream) {
  co_return co_await run_on(engine_, head_here(std::move(stream)));
}

Awaitable<Result<Head>> DualLog::head_here(std::string stream) {
  EventLog& authority = stores_.authority(categories_.of(stream));
  if (is_system_stream(stream) && &authority == &stores_.postgres) co_return Head{};
  co_return co_await authority.head(std::move(stream));
}

Awaitable<Result<Position>> DualLog::tip() { co_return co_await run_on(engine_, tip_here()); }

Awaitable<Result<Position>> DualLog::tip_here() {
  const WholeLog whole = categories_.whole_log();
  const auto possible = stored_position(whole, Position::start());
  if (!possible) co_return possible.failure();
  EventLog& log = whole == WholeLog::eventstore ? stores_.eventstore : stores_.postgres;
  const auto tip = co_await log.tip();
  if (!tip) co_return tip.failure();
  co_return shown(log, *tip);
}

std::unique_ptr<Subscription> DualLog::subscribe_all(Position after) {
  return subscribe_to_whole_log({stores_.postgres, stores_.eventstore, categories_, from_eventstore_}, after);
}

std::unique_ptr<Subscription> DualLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  return subscribe_to_authority({stores_.postgres, stores_.eventstore, categories_, from_eventstore_},
                                std::move(stream), after);
}

Awaitable<Result<std::string>> DualLog::ping() { co_return co_await run_on(engine_, stores_.postgres.ping()); }

// ---- deletion state

Awaitable<Result<Deleted>> DualLog::soft_delete(std::string stream, ExpectedRevision expected) {
  co_return co_await run_on(engine_, change_state(std::move(stream), Change::soft_delete, expected));
}

Awaitable<Result<Deleted>> DualLog::tombstone(std::string stream, ExpectedRevision expected) {
  co_return co_await run_on(engine_, change_state(std::move(stream), Change::tombstone, expected));
}

Awaitable<Result<Done>> DualLog::restore(std::string stream) {
  auto changed = co_await run_on(engine_, change_state(std::move(stream), Change::restore, {}));
  if (!changed) co_return changed.failure();
  co_return Done{};
}

/// Writes of the stream wait meanwhile.
Awaitable<Result<Deleted>> DualLog::change_state(std::string stream, Change change, ExpectedRevision expected) {
  if (auto refusal = refuses_system_stream(stream)) co_return *refusal;
  Category& category = categories_.of(stream);
  auto permit = co_await category.admit(clock_, category.config.fence_timeout);
  if (!permit) co_return permit.failure();
  if (!co_await state_is_settled(stream)) co_return being_changed();
  changing_.insert(stream);
  EventLog& authority = stores_.authority(category);
  Mirror* mirror = stores_.mirror(category);
  auto changed = mirror == nullptr ? co_await change_at_authority(authority, stream, change, expected)
                                   : co_await change_at_both(category, *mirror, stream, change, expected);
  changing_.erase(stream);
  changed_.notify();
  category.note_touched(stream);
  if (changed) changed->position = shown(authority, changed->position);
  co_return changed;
}

Awaitable<bool> DualLog::state_is_settled(const std::string& stream) {
  if (changing_.empty()) co_return true;
  co_return co_await wait_until(changed_, clock_, state_change_wait, [&] { return !changing_.contains(stream); });
}

/// The change is noted durably before the authority is asked and forgotten when the follower shows the same, so that a
/// crash in between is mended at the next start.
Awaitable<Result<Deleted>> DualLog::change_at_both(Category& category, Mirror& mirror, std::string stream, Change change,
                                                   ExpectedRevision expected) {
  // Whether an append under way is decided before or after the change must not be open: the mirror could not tell.
  if (!co_await category.appends_ended(clock_, state_change_wait, stream)) {
    co_return Failure{FailureCode::unavailable, "appends to the stream that are under way do not end; try again", {}};
  }
  const std::uint64_t number = noted_[stream] = ++changes_;
  auto noted = co_await control_.note_state_change(stream);
  if (!noted) co_return noted.failure();
  Result<Deleted> changed = Failure{FailureCode::unavailable,
                                    "the other store does not have all events of the stream yet; try again", {}};
  // EventStore does not give hidden events back: PostgreSQL must have them before they are hidden.
  const bool ready = !category.state.eventstore_is_authority || co_await mirror.settle(stream, state_change_wait);
  if (ready) changed = co_await change_at_authority(stores_.authority(category), stream, change, expected);
  carry_noted_state(mirror, stream, number);
  (void)co_await mirror.settle(stream, state_change_wait);
  co_return changed;
}

/// What was carried of an earlier change says nothing of a later one, which may not have reached the authority yet. What
/// the mirror had no room for is tried again.
void DualLog::carry_noted_state(Mirror& mirror, const std::string& stream, std::uint64_t number) {
  mirror.carry_state(stream, [this, stream, number](Carried carried) {
    if (!is_latest_change(stream, number)) return;
    if (carried == Carried::dropped) {
      boost::asio::co_spawn(engine_, carry_noted_state_later(stream, number), boost::asio::detached);
    } else {
      noted_.erase(stream);
      boost::asio::co_spawn(engine_, forget_state_change(stream), boost::asio::detached);
    }
  });
}

bool DualLog::is_latest_change(const std::string& stream, std::uint64_t number) const {
  const auto latest = noted_.find(stream);
  return latest != noted_.end() && latest->second == number;
}

/// When nothing mirrors the stream any more, its note waits for the next start.
Awaitable<void> DualLog::carry_noted_state_later(std::string stream, std::uint64_t number) {
  co_await clock_.sleep(state_change_wait);
  Mirror* mirror = stores_.mirror(categories_.of(stream));
  if (mirror != nullptr && is_latest_change(stream, number)) carry_noted_state(*mirror, stream, number);
}

Awaitable<void> DualLog::forget_state_change(std::string stream) { (void)co_await control_.forget_state_change(stream); }

Awaitable<Result<Deleted>> DualLog::change_at_authority(EventLog& authority, std::string stream, Change change,
                                                        ExpectedRevision expected) {
  switch (change) {
    case Change::soft_delete: co_return co_await authority.soft_delete(std::move(stream), expected);
    case Change::tombstone: co_return co_await authority.tombstone(std::move(stream), expected);
    case Change::restore: break;
  }
  auto restored = co_await authority.restore(std::move(stream));
  if (!restored) co_return restored.failure();
  co_return Deleted{};
}

Awaitable<Result<Done>> DualLog::finish_state_changes() {
  auto streams = co_await control_.load_state_changes();
  if (!streams) co_return streams.failure();
  for (std::string& stream : *streams) {
    Mirror* mirror = stores_.mirror(categories_.of(stream));
    if (mirror == nullptr) continue;
    carry_noted_state(*mirror, stream, noted_[stream] = ++changes_);
  }
  co_return Done{};
}

}  // namespace twinstream
