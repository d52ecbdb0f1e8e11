#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "proxy/persistent/environment.h"
#include "proxy/persistent/feed.h"
#include "proxy/persistent/group.h"
#include "proxy/persistent/statistics.h"
#include "proxy/persistent/wakeup.h"

namespace twinstream::persistent {

/// Why a consumer is sent away.
struct Drop {
  enum class Kind { dropped, shutting_down, failed };

  Kind kind = Kind::dropped;  ///< dropped: the group was deleted or changed
  std::string reason;
};

/// A connected consumer. Called on the group's executor; must not block.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual void confirm() = 0;
  virtual void deliver(const Delivery& delivery) = 0;
  virtual void drop(const Drop& drop) = 0;
};

struct ConsumerInfo {
  std::string from;
  std::string username;
  std::string connection_name;
};

struct GroupInfo {
  struct Connection {
    ConsumerInfo who;
    Meter::Reading rate;
    std::size_t available_slots = 0;
    std::size_t in_flight = 0;
    std::vector<std::pair<std::string, std::int64_t>> measurements;
  };

  GroupConfig config;
  std::string status;
  Group::State state;
  Meter::Reading rate;
  std::vector<Connection> connections;
  Place last_known;
  bool live = false;
  std::uint64_t parked = 0;
};

/// One group at work: feeds it from the source while consumers are there, hands out, keeps time, stores what must
/// outlive it. Everything runs on its executor, one thing at a time; `executor` alone may be asked for anywhere.
class Runner : public std::enable_shared_from_this<Runner> {
 public:
  Runner(Environment& environment, GroupConfig config);

  const boost::asio::any_io_executor& executor() const { return executor_; }

  enum class Refused { full, stopped };
  using Connected = std::variant<ConsumerId, Refused>;
  /// Confirms, then delivers. `window`: most messages in flight.
  Awaitable<Result<Connected>> connect(std::shared_ptr<Consumer> consumer, ConsumerInfo info, std::size_t window);
  void disconnect(ConsumerId consumer);
  void written(ConsumerId consumer);
  void acknowledge(ConsumerId consumer, const std::vector<EventId>& ids);
  void refuse(ConsumerId consumer, const std::vector<EventId>& ids, Refusal refusal, const std::string& reason);

  Awaitable<Result<GroupInfo>> info();
  /// Delivers what is parked below `stop_at` (absent: all that is parked now) again. It stays parked until it is
  /// finished, so a crash in between loses nothing.
  Awaitable<Result<Done>> replay_parked(std::optional<std::uint64_t> stop_at);
  Awaitable<Result<Done>> truncate_parked(std::optional<std::uint64_t> stop_at);

  /// Sends the consumers away and ends; `save`: what is finished is stored before. Answers when nothing of it runs.
  Awaitable<Done> stop(Drop drop, bool save);

 private:
  struct Connection {
    std::shared_ptr<Consumer> consumer;
    ConsumerInfo info;
    Meter meter;
  };
  struct Parking {
    ParkRequest request;
    EventId id;
  };
  enum class Truncation { lazily, now };

  Awaitable<Result<Done>> load();
  void start();
  void spawn(Awaitable<void> loop);
  void loop_ended();
  void hand_out();
  void fail(const Failure& failure);

  static Awaitable<void> feed(std::shared_ptr<Runner> self);
  static Awaitable<void> maintain(std::shared_ptr<Runner> self);
  static Awaitable<void> replay(std::shared_ptr<Runner> self);
  bool wants_page() const;
  Awaitable<bool> take(Feed::Page page);
  Awaitable<std::optional<std::optional<RecordedEvent>>> follow(std::string data);
  Awaitable<SharedPayload> resolve(RecordedEvent recorded);
  Awaitable<SharedPayload> resolve_parked(RecordedEvent link);
  Awaitable<bool> pause(Wakeup& wakeup, std::string_view doing, const Failure& failure);
  Awaitable<bool> store_parks();
  Awaitable<bool> store_checkpoint(std::optional<Group::Checkpoint> checkpoint);
  Awaitable<void> hide_replayed(Truncation when);
  bool replay_is_through() const;
  std::chrono::nanoseconds now() const { return environment_.clock.monotonic(); }

  Environment& environment_;
  const GroupConfig config_;
  boost::asio::any_io_executor executor_;
  std::optional<Group> group_;  ///< once loaded
  std::optional<Feed> feed_;
  std::map<ConsumerId, Connection> connections_;
  Meter meter_;
  Wakeup feed_wakeup_;
  Wakeup upkeep_wakeup_;
  Wakeup replay_wakeup_;
  std::optional<Parking> parking_;
  std::uint64_t replay_next_ = 0;  ///< number in the parked stream
  std::uint64_t replay_stop_ = 0;
  std::uint64_t hidden_below_ = 0;
  bool replaying_ = false;
  bool started_ = false;
  bool stopping_ = false;
  bool save_ = false;
  bool complained_ = false;
  int loops_ = 0;
  std::vector<Completion<Done>> ended_;
};

}  // namespace twinstream::persistent
