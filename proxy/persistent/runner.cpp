#include "proxy/persistent/runner.h"

#include <boost/asio/strand.hpp>

#include "proxy/core/links.h"
#include "proxy/core/log.h"

namespace twinstream::persistent {
namespace {

using namespace std::chrono_literals;

/// Timeouts are looked at this often (reference, section 13.4).
constexpr auto upkeep_interval = 1s;
constexpr auto no_hurry = 1h;
constexpr auto after_failure = 1s;
constexpr auto pause_step = 100ms;
constexpr std::size_t replay_page = 100;
constexpr std::size_t most_replaying = 500;

}  // namespace

Runner::Runner(Environment& environment, GroupConfig config)
    : environment_(environment),
      config_(std::move(config)),
      executor_(boost::asio::make_strand(environment.executor)),
      meter_(environment.clock.monotonic()) {}

// ---- beginning and end

/// Callers may come in between while the checkpoint is read: the first one to finish makes the group.
Awaitable<Result<Done>> Runner::load() {
  if (group_) co_return Done{};
  const auto checkpoint = co_await environment_.state.load_checkpoint(config_.name);
  if (!checkpoint.ok()) co_return checkpoint.failure();
  Environment::Matches matches;
  if (config_.filter) {
    auto compiled = environment_.compile(*config_.filter);
    if (!compiled.ok()) co_return compiled.failure();
    matches = std::move(*compiled);
  }
  if (group_) co_return Done{};
  const Place place = std::max(config_.begin, checkpoint->value_or(Place{}));
  group_.emplace(config_.settings, place, now());
  feed_.emplace(environment_, config_, place, std::move(matches));
  co_return Done{};
}

void Runner::start() {
  if (std::exchange(started_, true)) return;
  spawn(feed(shared_from_this()));
  spawn(maintain(shared_from_this()));
}

void Runner::spawn(Awaitable<void> loop) {
  ++loops_;
  environment_.spawn(executor_, std::move(loop));
}

void Runner::loop_ended() {
  if (--loops_ > 0) return;
  for (auto& ended : std::exchange(ended_, {})) ended(Done{});
}

Awaitable<Done> Runner::stop(Drop drop, bool save) {
  stopping_ = true;
  save_ = save;
  if (feed_) feed_->interrupt();
  feed_wakeup_.raise();
  upkeep_wakeup_.raise();
  replay_wakeup_.raise();
  for (auto& [id, connection] : std::exchange(connections_, {})) {
    connection.consumer->drop(drop);
    group_->disconnect(id);
  }
  if (loops_ == 0) co_return Done{};
  co_return co_await await_completion<Done>([&](Completion<Done> done) { ended_.push_back(std::move(done)); });
}

/// Nobody can be served any more until the group is changed.
void Runner::fail(const Failure& failure) {
  log::warning("a persistent subscription cannot go on",
               {{"source", config_.name.source}, {"group", config_.name.group}, {"reason", failure.reason}});
  for (auto& [id, connection] : std::exchange(connections_, {})) {
    connection.consumer->drop({Drop::Kind::failed, failure.reason});
    group_->disconnect(id);
  }
}

// ---- consumers

Awaitable<Result<Runner::Connected>> Runner::connect(std::shared_ptr<Consumer> consumer, ConsumerInfo info,
                                                     std::size_t window) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  if (stopping_) co_return Connected(Refused::stopped);
  const auto id = group_->connect(window);
  if (!id) co_return Connected(Refused::full);
  consumer->confirm();
  connections_.emplace(*id, Connection{std::move(consumer), std::move(info), Meter(now())});
  start();
  replay_wakeup_.raise();
  upkeep_wakeup_.raise();
  hand_out();
  co_return Connected(*id);
}

void Runner::disconnect(ConsumerId consumer) {
  if (connections_.erase(consumer) == 0) return;
  group_->disconnect(consumer);
  // Nobody left: the feed lets go of its subscription.
  if (connections_.empty()) {
    feed_->interrupt();
    upkeep_wakeup_.raise();
  }
  hand_out();
}

void Runner::written(ConsumerId consumer) {
  group_->written(consumer);
  hand_out();
}

void Runner::acknowledge(ConsumerId consumer, const std::vector<EventId>& ids) {
  for (const EventId& id : ids) group_->acknowledge(consumer, id, now());
  hand_out();
}

void Runner::refuse(ConsumerId consumer, const std::vector<EventId>& ids, Refusal refusal, const std::string& reason) {
  for (const EventId& id : ids) group_->refuse(consumer, id, refusal, reason);
  hand_out();
}

/// After every change: passes on what can be passed on, and wakes whoever has something to do.
void Runner::hand_out() {
  for (const Delivery& delivery : group_->dispatch(now())) {
    const auto connection = connections_.find(delivery.consumer);
    if (connection != connections_.end()) connection->second.consumer->deliver(delivery);
  }
  feed_wakeup_.raise();
  if (replaying_) replay_wakeup_.raise();
  if (group_->has_parks() || replay_is_through() || group_->checkpoint_due(now())) upkeep_wakeup_.raise();
}

// ---- from the source

bool Runner::wants_page() const {
  const auto& settings = config_.settings;
  if (feed_->live()) return group_->has_room(1, static_cast<std::size_t>(settings.live_buffer_size));
  return group_->has_room(static_cast<std::size_t>(settings.read_batch_size),
                          static_cast<std::size_t>(settings.history_buffer_size));
}

Awaitable<void> Runner::feed(std::shared_ptr<Runner> self) {
  Runner& runner = *self;
  while (!runner.stopping_) {
    if (runner.connections_.empty()) runner.feed_->rest();
    if (!runner.wants_page()) {
      co_await runner.feed_wakeup_.wait(runner.environment_.clock, no_hurry);
      continue;
    }
    auto page = co_await runner.feed_->next();
    if (page.ok()) {
      if (!co_await runner.take(std::move(*page))) break;
    } else if (page.failed_with(FailureCode::rejected)) {
      runner.fail(page.failure());
    } else if (!page.failed_with(FailureCode::cancelled)) {
      co_await runner.pause(runner.feed_wakeup_, "reading its source", page.failure());
    }
  }
  runner.loop_ended();
}

/// False when it was stopped in the middle.
Awaitable<bool> Runner::take(Feed::Page page) {
  complained_ = false;
  for (Feed::Item& item : page.items) {
    if (!item.event) {
      group_->pass(item.through, item.counts ? 1 : 0);
      continue;
    }
    auto payload = co_await resolve(std::move(*item.event));
    if (!payload) co_return false;
    group_->push(std::move(payload), item.through);
  }
  group_->pass(page.through, 0);
  hand_out();
  co_return true;
}

/// The target of a link, asked for until there is an answer; nothing at all when the group is stopped.
Awaitable<std::optional<std::optional<RecordedEvent>>> Runner::follow(std::string data) {
  for (;;) {
    auto target = co_await follow_link(environment_.source, data);
    if (target.ok()) co_return std::move(*target);
    Wakeup never;
    if (!co_await pause(never, "following a link", target.failure())) co_return std::nullopt;
  }
}

Awaitable<SharedPayload> Runner::resolve(RecordedEvent recorded) {
  auto payload = std::make_shared<Payload>();
  payload->original = std::move(recorded);
  if (!config_.settings.resolve_links || payload->original.event.type != link_type) co_return payload;
  auto target = co_await follow(payload->original.event.data);
  if (!target) co_return nullptr;
  payload->resolved = true;
  payload->target = std::move(*target);
  co_return payload;
}

/// A parked message is a link to what stood in the source, which may be a link itself.
Awaitable<SharedPayload> Runner::resolve_parked(RecordedEvent link) {
  auto payload = std::make_shared<Payload>();
  payload->resolved = true;
  auto target = co_await follow(link.event.data);
  if (!target) co_return nullptr;
  if (*target && (*target)->event.type == link_type && config_.settings.resolve_links) {
    target = co_await follow((*target)->event.data);
    if (!target) co_return nullptr;
  }
  payload->original = std::move(link);
  payload->target = std::move(*target);
  co_return payload;
}

/// Says once what does not work and waits a moment. False when stopped.
Awaitable<bool> Runner::pause(Wakeup& wakeup, std::string_view doing, const Failure& failure) {
  if (!std::exchange(complained_, true)) {
    log::warning("a persistent subscription waits",
                 {{"source", config_.name.source},
                  {"group", config_.name.group},
                  {"while", std::string(doing)},
                  {"reason", failure.reason}});
  }
  const auto until = now() + after_failure;
  while (!stopping_ && now() < until) co_await wakeup.wait(environment_.clock, pause_step);
  co_return !stopping_;
}

// ---- time and state

Awaitable<void> Runner::maintain(std::shared_ptr<Runner> self) {
  Runner& runner = *self;
  while (!runner.stopping_) {
    const bool busy = !runner.connections_.empty() || runner.group_->outstanding() > 0 || runner.group_->unsaved();
    co_await runner.upkeep_wakeup_.wait(runner.environment_.clock, busy ? upkeep_interval : no_hurry);
    runner.group_->expire(runner.now());
    runner.hand_out();
    if (!co_await runner.store_parks()) continue;
    // When the last consumer has gone there is time to store what is finished, due or not.
    co_await runner.store_checkpoint(runner.connections_.empty() ? runner.group_->unsaved()
                                                                 : runner.group_->checkpoint_due(runner.now()));
    co_await runner.hide_replayed(Truncation::lazily);
  }
  if (runner.save_ && co_await runner.store_parks()) {
    co_await runner.store_checkpoint(runner.group_->unsaved());
    co_await runner.hide_replayed(Truncation::now);
  }
  runner.loop_ended();
}

/// False when it has to be tried again, with the same id.
Awaitable<bool> Runner::store_parks() {
  for (;;) {
    if (!parking_) {
      auto request = group_->next_park();
      if (!request) co_return true;
      parking_ = Parking{std::move(*request), EventId::random()};
    }
    const auto stored =
        co_await environment_.state.park(config_.name, parking_->id, parking_->request, environment_.clock.now());
    if (!stored.ok()) {
      if (!stopping_) co_await pause(upkeep_wakeup_, "parking a message", stored.failure());
      if (!stopping_) upkeep_wakeup_.raise();
      co_return false;
    }
    group_->parked(parking_->request.key);
    parking_.reset();
    hand_out();
  }
}

Awaitable<bool> Runner::store_checkpoint(std::optional<Group::Checkpoint> checkpoint) {
  if (!checkpoint) co_return true;
  const auto stored = co_await environment_.state.store_checkpoint(config_.name, checkpoint->place);
  if (stored.ok()) {
    group_->checkpoint_stored(*checkpoint, now());
  } else if (!stopping_) {
    co_await pause(upkeep_wakeup_, "storing its checkpoint", stored.failure());
  }
  co_return stored.ok();
}

bool Runner::replay_is_through() const {
  return !replaying_ && replay_next_ > hidden_below_ && !group_->lowest_replayed();
}

/// Replayed messages leave the parked stream from the front, as far as they are finished; not one by one, but when the
/// replay is through or when there are many.
Awaitable<void> Runner::hide_replayed(Truncation when) {
  const std::uint64_t below = group_->lowest_replayed().value_or(replay_next_);
  if (below <= hidden_below_) co_return;
  if (when == Truncation::lazily && !replay_is_through() && below < hidden_below_ + replay_page) co_return;
  const auto hidden = co_await environment_.state.truncate_parked(config_.name, below);
  if (hidden.ok()) hidden_below_ = below;
}

// ---- parked messages

Awaitable<Result<Done>> Runner::replay_parked(std::optional<std::uint64_t> stop_at) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  const auto range = co_await environment_.state.parked_range(config_.name);
  if (!range.ok()) co_return range.failure();
  hidden_below_ = std::max(hidden_below_, range->first);
  replay_next_ = std::max(replay_next_, range->first);
  replay_stop_ = std::max(replay_stop_, std::min(stop_at.value_or(range->next), range->next));
  if (stopping_ || replay_next_ >= replay_stop_) co_return Done{};
  start();
  if (!std::exchange(replaying_, true)) spawn(replay(shared_from_this()));
  co_return Done{};
}

Awaitable<void> Runner::replay(std::shared_ptr<Runner> self) {
  Runner& runner = *self;
  while (!runner.stopping_ && runner.replay_next_ < runner.replay_stop_) {
    if (runner.connections_.empty() || runner.group_->retrying() >= most_replaying) {
      co_await runner.replay_wakeup_.wait(runner.environment_.clock, no_hurry);
      continue;
    }
    const auto left = runner.replay_stop_ - runner.replay_next_;
    auto links = co_await runner.environment_.state.read_parked(runner.config_.name, runner.replay_next_,
                                                                std::min<std::uint64_t>(left, replay_page));
    if (!links.ok()) {
      co_await runner.pause(runner.replay_wakeup_, "reading parked messages", links.failure());
      continue;
    }
    if (links->empty()) runner.replay_next_ = runner.replay_stop_;  // truncated in the meantime
    for (RecordedEvent& link : *links) {
      if (link.revision >= runner.replay_stop_ || link.revision < runner.replay_next_) continue;
      const auto next = link.revision + 1;
      auto payload = co_await runner.resolve_parked(std::move(link));
      if (!payload) break;
      runner.group_->replay(std::move(payload));
      runner.replay_next_ = next;
    }
    runner.hand_out();
  }
  runner.replaying_ = false;
  runner.upkeep_wakeup_.raise();
  runner.loop_ended();
}

Awaitable<Result<Done>> Runner::truncate_parked(std::optional<std::uint64_t> stop_at) {
  const auto range = co_await environment_.state.parked_range(config_.name);
  if (!range.ok()) co_return range.failure();
  const auto before = std::min(stop_at.value_or(range->next), range->next);
  if (before <= range->first) co_return Done{};
  auto truncated = co_await environment_.state.truncate_parked(config_.name, before);
  if (truncated.ok()) hidden_below_ = std::max(hidden_below_, before);
  co_return truncated;
}

// ---- how it stands

Awaitable<Result<GroupInfo>> Runner::info() {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  const auto parked = co_await environment_.state.parked_range(config_.name);
  if (!parked.ok()) co_return parked.failure();
  GroupInfo info;
  if (config_.name.is_all()) {
    if (const auto tip = co_await environment_.source.tip(); tip.ok()) info.last_known.position = *tip;
  } else {
    const auto head = co_await environment_.source.head(config_.name.source);
    if (head.ok()) info.last_known.next_revision = head->next_revision();
  }
  info.config = config_;
  info.state = group_->state();
  info.last_known = std::max(info.last_known, info.state.seen);
  info.rate = meter_.read(info.state.total, now());
  info.live = feed_->live();
  info.status = info.live ? "Live" : "Behind";
  if (replaying_ || group_->lowest_replayed()) info.status += ", ReplayingParkedMessages";
  info.parked = parked->next - std::min(parked->next, std::max(parked->first, replay_next_));
  for (const auto& consumer : info.state.consumers) {
    const auto found = connections_.find(consumer.id);
    if (found == connections_.end()) continue;
    info.connections.push_back({found->second.info, found->second.meter.read(consumer.total, now()),
                                consumer.window - std::min(consumer.window, consumer.in_flight), consumer.in_flight,
                                measurements(consumer.latencies)});
  }
  co_return info;
}

}  // namespace twinstream::persistent
