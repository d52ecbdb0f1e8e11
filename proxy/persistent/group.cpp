#include "proxy/persistent/group.h"

#include <algorithm>

namespace twinstream::persistent {
namespace {

constexpr std::size_t most_outstanding = 100'000;
constexpr std::size_t most_bytes = 256 * 1024 * 1024;
constexpr std::size_t largest_window = 10'000;
constexpr std::size_t kept_latencies = 1'000;
constexpr std::size_t longest_reason = 1'000;

/// Between empty and full, whatever a client has set.
std::size_t at_least_one(std::int32_t count) { return static_cast<std::size_t>(std::max(count, 1)); }

}  // namespace

Group::Group(const Settings& settings, Place finished, Time now)
    : settings_(settings), choice_(settings.strategy), seen_(finished), checkpoint_(finished), checkpoint_time_(now) {}

// ---- from the source

bool Group::has_room(std::size_t count, std::size_t limit) const {
  if (consumers_.empty() || messages_.size() >= most_outstanding || bytes_ >= most_bytes) return false;
  return waiting_.empty() || waiting_.size() + count <= std::max(limit, count);
}

Group::Messages::iterator Group::add(SharedPayload payload, bool replayed) {
  bytes_ += payload->bytes();
  Message message;
  message.pin = pin_of(settings_.strategy, *payload);
  message.before = seen_;
  message.replayed = replayed;
  message.payload = std::move(payload);
  return messages_.emplace(++last_key_, std::move(message)).first;
}

void Group::push(SharedPayload payload, Place through) {
  const auto message = add(std::move(payload), false);
  from_source_.insert(message->first);
  waiting_.insert(message->first);
  seen_ = std::max(seen_, through);
}

void Group::pass(Place through, std::size_t examined) {
  seen_ = std::max(seen_, through);
  processed_ += examined;
}

void Group::replay(SharedPayload payload) {
  const auto message = add(std::move(payload), true);
  message->second.stage = Stage::retrying;
  retrying_.insert(message->first);
  replayed_.emplace(message->second.payload->original.revision, message->first);
}

// ---- from consumers

std::optional<ConsumerId> Group::connect(std::size_t window) {
  const auto limit = static_cast<std::size_t>(settings_.max_subscriber_count);
  if (limit > 0 && consumers_.size() >= limit) return std::nullopt;
  Consumer consumer;
  consumer.window = std::clamp<std::size_t>(window, 1, largest_window);
  consumers_.emplace(++last_consumer_, std::move(consumer));
  return last_consumer_;
}

void Group::disconnect(ConsumerId id) {
  const auto consumer = consumers_.find(id);
  if (consumer == consumers_.end()) return;
  const auto in_flight = consumer->second.in_flight;
  for (const MessageKey key : in_flight) retry(messages_.find(key));
  consumers_.erase(consumer);
}

void Group::written(ConsumerId id) {
  const auto consumer = consumers_.find(id);
  if (consumer != consumers_.end() && consumer->second.unwritten > 0) --consumer->second.unwritten;
}

/// The message with this id that the consumer has; else, `with_anyone`, one that any consumer has or had.
Group::Messages::iterator Group::find(ConsumerId consumer, const EventId& id, bool with_anyone) {
  auto other = messages_.end();
  const auto [first, last] = known_.equal_range(id);
  for (auto found = first; found != last; ++found) {
    const auto message = messages_.find(found->second);
    if (message->second.stage == Stage::in_flight && message->second.consumer == consumer) return message;
    if (message->second.stage != Stage::parking) other = message;
  }
  return with_anyone ? other : messages_.end();
}

void Group::acknowledge(ConsumerId id, const EventId& event, Time now) {
  const auto message = find(id, event, true);
  if (message == messages_.end()) return;
  const auto consumer = consumers_.find(id);
  if (consumer != consumers_.end()) note_latency(consumer->second, now - message->second.delivered);
  finish(message);
}

void Group::refuse(ConsumerId id, const EventId& event, Refusal refusal, std::string reason) {
  const auto message = find(id, event, false);
  if (message == messages_.end()) return;
  switch (refusal) {
    case Refusal::skip: return finish(message);
    case Refusal::park: return park(message, std::move(reason));
    case Refusal::retry: return retry_or_park(message, std::move(reason));
  }
}

void Group::note_latency(Consumer& consumer, Time latency) {
  if (!settings_.extra_statistics) return;
  if (consumer.latencies.size() < kept_latencies) return consumer.latencies.push_back(latency);
  consumer.latencies[consumer.next_latency++ % kept_latencies] = latency;
}

// ---- the way of a message

void Group::deliver(Messages::iterator found, ConsumerId id, Time now) {
  auto& [key, message] = *found;
  Consumer& consumer = consumers_.at(id);
  message.stage = Stage::in_flight;
  message.consumer = id;
  message.delivered = now;
  message.deadline = now + settings_.message_timeout;
  deadlines_.emplace(message.deadline, key);
  if (!std::exchange(message.known, true)) known_.emplace(message.payload->id(), key);
  consumer.in_flight.insert(key);
  ++consumer.unwritten;
  ++consumer.total;
  ++total_;
}

/// Out of whatever queue it is in.
void Group::take_back(Messages::iterator found) {
  auto& [key, message] = *found;
  switch (message.stage) {
    case Stage::waiting: waiting_.erase(key); break;
    case Stage::retrying: retrying_.erase(key); break;
    case Stage::parking: to_park_.erase(key); break;
    case Stage::in_flight:
      deadlines_.erase({message.deadline, key});
      consumers_.at(message.consumer).in_flight.erase(key);
      break;
  }
}

void Group::retry(Messages::iterator found) {
  take_back(found);
  ++found->second.retries;
  found->second.stage = Stage::retrying;
  retrying_.insert(found->first);
}

void Group::retry_or_park(Messages::iterator found, std::string reason) {
  if (found->second.retries < settings_.max_retry_count) return retry(found);
  if (reason.empty()) reason = "Reached retry count of " + std::to_string(settings_.max_retry_count);
  park(found, std::move(reason));
}

void Group::park(Messages::iterator found, std::string reason) {
  take_back(found);
  reason.resize(std::min(reason.size(), longest_reason));
  found->second.reason = std::move(reason);
  found->second.stage = Stage::parking;
  to_park_.insert(found->first);
}

void Group::finish(Messages::iterator found) {
  take_back(found);
  const auto& [key, message] = *found;
  const auto [first, last] = known_.equal_range(message.payload->id());
  const auto known = std::find_if(first, last, [&](const auto& entry) { return entry.second == key; });
  if (known != last) known_.erase(known);
  from_source_.erase(key);
  if (message.replayed) replayed_.erase({message.payload->original.revision, key});
  if (!message.replayed) ++processed_;
  bytes_ -= message.payload->bytes();
  messages_.erase(found);
}

// ---- what there is to do

void Group::expire(Time now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    retry_or_park(messages_.find(deadlines_.begin()->second), "");
  }
}

std::vector<ConsumerChoice::Candidate> Group::candidates() const {
  std::vector<ConsumerChoice::Candidate> all;
  all.reserve(consumers_.size());
  for (const auto& [id, consumer] : consumers_) all.push_back({id, consumer.free()});
  return all;
}

/// Goes on after a message that nobody can take now (its consumer is full), so that one slow consumer of a pinned group
/// does not hold up the others.
std::size_t Group::hand_out(std::set<MessageKey>& queue, std::size_t free, std::vector<Delivery>& deliveries,
                            Time now) {
  for (auto next = queue.begin(); next != queue.end() && free > 0;) {
    const auto message = messages_.find(*next);
    const auto chosen = choice_.choose(candidates_, message->second.pin);
    if (!chosen) {
      ++next;
      continue;
    }
    next = queue.erase(next);
    auto& candidate = candidates_[*chosen];
    deliver(message, candidate.id, now);
    deliveries.push_back({candidate.id, message->second.payload, message->second.retries});
    candidate.free = consumers_.at(candidate.id).free();
    if (!candidate.free) --free;
  }
  return free;
}

std::vector<Delivery> Group::dispatch(Time now) {
  std::vector<Delivery> deliveries;
  if (retrying_.empty() && waiting_.empty()) return deliveries;
  candidates_ = candidates();
  auto free = static_cast<std::size_t>(
      std::count_if(candidates_.begin(), candidates_.end(), [](const auto& candidate) { return candidate.free; }));
  free = hand_out(retrying_, free, deliveries, now);
  hand_out(waiting_, free, deliveries, now);
  return deliveries;
}

std::optional<ParkRequest> Group::next_park() {
  if (to_park_.empty()) return std::nullopt;
  const MessageKey key = *to_park_.begin();
  to_park_.erase(to_park_.begin());
  const Message& message = messages_.at(key);
  return ParkRequest{key, message.payload, message.replayed, message.reason};
}

void Group::parked(MessageKey key) {
  const auto message = messages_.find(key);
  if (message != messages_.end()) finish(message);
}

Place Group::finished() const { return from_source_.empty() ? seen_ : messages_.at(*from_source_.begin()).before; }

std::optional<Group::Checkpoint> Group::unsaved() const {
  const Place place = finished();
  return place > checkpoint_ ? std::optional(Checkpoint{place, processed_}) : std::nullopt;
}

std::optional<Group::Checkpoint> Group::checkpoint_due(Time now) const {
  const auto enough = [&](std::int32_t count) { return processed_ >= at_least_one(count); };
  const bool in_time = settings_.checkpoint_after.count() > 0 && now - checkpoint_time_ >= settings_.checkpoint_after;
  if (!enough(settings_.max_checkpoint_count) && !(in_time && enough(settings_.min_checkpoint_count))) {
    return std::nullopt;
  }
  return unsaved();
}

/// What was processed while it was being stored counts towards the next one.
void Group::checkpoint_stored(const Checkpoint& checkpoint, Time now) {
  checkpoint_ = std::max(checkpoint_, checkpoint.place);
  checkpoint_time_ = now;
  processed_ -= std::min(processed_, checkpoint.processed);
}

// ---- how it stands

std::optional<std::uint64_t> Group::lowest_replayed() const {
  return replayed_.empty() ? std::nullopt : std::optional(replayed_.begin()->first);
}

Group::State Group::state() const {
  State state;
  state.waiting = waiting_.size();
  state.retrying = retrying_.size();
  state.in_flight = deadlines_.size();
  state.outstanding = messages_.size();
  state.total = total_;
  state.checkpoint = checkpoint_;
  state.seen = seen_;
  for (const auto& [id, consumer] : consumers_) {
    state.consumers.push_back({id, consumer.window, consumer.in_flight.size(), consumer.total, consumer.latencies});
  }
  return state;
}

}  // namespace twinstream::persistent
