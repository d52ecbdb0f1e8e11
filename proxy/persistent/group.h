#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/persistent/consumer_choice.h"
#include "proxy/persistent/message.h"
#include "proxy/persistent/settings.h"

namespace twinstream::persistent {

/// The heart of a persistent subscription group: which message waits, which is with whom, which comes again, and how far
/// the source is finished. Plain values in and out: it reads no clock, no log and no socket. Not thread safe.
///
/// A message is pushed once and is then outstanding until a consumer has acknowledged or skipped it or until it was put
/// aside (parked). The checkpoint never passes an outstanding message. Times are monotonic.
class Group {
 public:
  using Time = std::chrono::nanoseconds;

  /// `finished`: what the checkpoint says.
  Group(const Settings& settings, Place finished, Time now);

  // ---- from the source

  /// Whether `count` more messages fit besides the `limit` that may wait, and somebody wants them.
  bool has_room(std::size_t count, std::size_t limit) const;
  /// The next event of the source. Once it is finished, and all before it, the source is finished up to `through`.
  void push(SharedPayload payload, Place through);
  /// The source was examined up to here without another event to deliver; `examined` events count as processed.
  void pass(Place through, std::size_t examined);
  /// A message that was parked comes again, before those that wait. `payload->original` stands in the parked stream.
  void replay(SharedPayload payload);

  // ---- from consumers

  /// `window`: how many messages it may have unanswered (and unwritten). Nothing when the group is full.
  std::optional<ConsumerId> connect(std::size_t window);
  /// What it had unanswered waits again, with one more retry.
  void disconnect(ConsumerId consumer);
  /// A delivery has left for the consumer: until then it takes its place in the window too.
  void written(ConsumerId consumer);
  /// Also late: a message that has timed out and is with another consumer, or waits for one, is finished all the same.
  void acknowledge(ConsumerId consumer, const EventId& id, Time now);
  /// Only for what this consumer has.
  void refuse(ConsumerId consumer, const EventId& id, Refusal refusal, std::string reason);

  // ---- what there is to do

  /// Takes messages back that were not answered in time.
  void expire(Time now);
  /// Hands out what can be handed out, oldest first, retries before what is new.
  std::vector<Delivery> dispatch(Time now);
  /// The next message to be put aside; every message is given out once.
  std::optional<ParkRequest> next_park();
  void parked(MessageKey key);

  /// Everything up to here is finished.
  Place finished() const;
  struct Checkpoint {
    Place place;
    std::uint64_t processed = 0;  ///< messages that count towards it
  };
  /// What is to be stored now, by the rules of the settings.
  std::optional<Checkpoint> checkpoint_due(Time now) const;
  /// What there is to store, due or not.
  std::optional<Checkpoint> unsaved() const;
  void checkpoint_stored(const Checkpoint& checkpoint, Time now);

  // ---- how it stands

  struct ConsumerState {
    ConsumerId id = 0;
    std::size_t window = 0;
    std::size_t in_flight = 0;
    std::uint64_t total = 0;  ///< deliveries
    std::vector<std::chrono::nanoseconds> latencies;  ///< from delivery to ack, the last ones; with extra statistics
  };
  struct State {
    std::size_t waiting = 0;
    std::size_t retrying = 0;
    std::size_t in_flight = 0;
    std::size_t outstanding = 0;
    std::uint64_t total = 0;
    Place checkpoint;
    Place seen;
    std::vector<ConsumerState> consumers;
  };
  State state() const;
  std::size_t consumer_count() const { return consumers_.size(); }
  std::size_t outstanding() const { return messages_.size(); }
  std::size_t retrying() const { return retrying_.size(); }
  bool has_parks() const { return !to_park_.empty(); }
  /// Number in the parked stream of the first replayed message that is not finished.
  std::optional<std::uint64_t> lowest_replayed() const;

 private:
  enum class Stage { waiting, retrying, in_flight, parking };

  struct Message {
    SharedPayload payload;
    bool replayed = false;
    Place before;  ///< how far the source is finished when this one is not
    std::uint64_t pin = 0;
    std::int32_t retries = 0;
    Stage stage = Stage::waiting;
    ConsumerId consumer = 0;
    Time delivered{};
    Time deadline{};
    bool known = false;  ///< was delivered before: answers may come
    std::string reason;
  };
  struct Consumer {
    std::size_t window = 0;
    std::size_t unwritten = 0;
    std::set<MessageKey> in_flight;
    std::uint64_t total = 0;
    std::vector<std::chrono::nanoseconds> latencies;
    std::size_t next_latency = 0;

    bool free() const { return in_flight.size() < window && unwritten < window; }
  };
  using Messages = std::map<MessageKey, Message>;

  Messages::iterator add(SharedPayload payload, bool replayed);
  void deliver(Messages::iterator message, ConsumerId id, Time now);
  void take_back(Messages::iterator message);
  void retry(Messages::iterator message);
  void retry_or_park(Messages::iterator message, std::string reason);
  void park(Messages::iterator message, std::string reason);
  void finish(Messages::iterator message);
  Messages::iterator find(ConsumerId consumer, const EventId& id, bool with_anyone);
  void note_latency(Consumer& consumer, Time latency);
  std::size_t hand_out(std::set<MessageKey>& queue, std::size_t free, std::vector<Delivery>& deliveries, Time now);
  std::vector<ConsumerChoice::Candidate> candidates() const;

  Settings settings_;
  ConsumerChoice choice_;
  Messages messages_;
  std::set<MessageKey> waiting_;
  std::set<MessageKey> retrying_;
  std::set<MessageKey> to_park_;
  std::set<MessageKey> from_source_;
  std::set<std::pair<std::uint64_t, MessageKey>> replayed_;
  std::set<std::pair<Time, MessageKey>> deadlines_;
  std::unordered_multimap<EventId, MessageKey> known_;
  std::map<ConsumerId, Consumer> consumers_;
  std::vector<ConsumerChoice::Candidate> candidates_;
  MessageKey last_key_ = 0;
  ConsumerId last_consumer_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t total_ = 0;
  Place seen_;
  Place checkpoint_;
  Time checkpoint_time_;
  std::uint64_t processed_ = 0;  ///< since the checkpoint
};

}  // namespace twinstream::persistent
