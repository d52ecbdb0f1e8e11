#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/core/await.h"
#include "proxy/core/clock.h"
#include "proxy/core/event_log.h"
#include "proxy/core/metrics.h"
#include "proxy/core/random.h"
#include "proxy/engine/control_store.h"
#include "proxy/engine/signal.h"

namespace twinstream {

/// How a carry ended for the one who asked for it.
enum class Carried {
  done,       ///< the follower has everything that was asked for
  set_aside,  ///< the stream has diverged; it is recorded and not carried any more
  dropped,    ///< no room now: the caller must offer it again or leave it to the tail
};

/// What an event of `authority` looks like at `follower`. `$originalCreated` goes in or comes out of the metadata as the
/// two logs keep times or not.
struct Translation {
  bool from_keeps_created = true;
  bool to_keeps_created = false;
  bool exact_bytes = true;   ///< both sides give back the bytes they got
  bool same_ids = true;      ///< both sides keep event ids
  /// Whether `$originalCreated` is wanted for this stream.
  std::function<bool(std::string_view stream)> original_created = [](std::string_view) { return true; };

  Event translate(const RecordedEvent& event) const;
};
Translation translation_between(const EventLog& from, const EventLog& to);

struct MirrorLimits {
  std::size_t streams = 100'000;          ///< remembered streams; the least recently used idle ones are forgotten
  std::size_t concurrency = 256;          ///< streams being carried at once
  std::size_t buffered_events = 50'000;   ///< offered events kept in memory; beyond it they are read again
  std::size_t page_events = 500;          ///< events per append at the follower
  std::size_t page_bytes = 768 * 1024;    ///< and their size; one larger event goes alone
};

/// Brings streams of the follower to the state of the authority. The one operation is "carry stream S up to revision
/// R": every append at the follower has the event's own id and an exact expected revision, so repeating it, racing
/// another worker and losing an answer are all harmless. It also carries soft deletes, restores and tombstones.
///
/// A follower that cannot be reached is retried for ever with growing pauses. A follower that refuses what the authority
/// accepted is a divergence: recorded in the control store, the stream set aside, all others go on.
///
/// Runs on one executor; every method is called there. Must not be destroyed while `idle()` is false, unless the
/// executor never runs again.
class Mirror {
 public:
  using Done = std::function<void(Carried)>;

  Mirror(boost::asio::any_io_executor executor, Clock& clock, Random random, EventLog& authority, EventLog& follower,
         Translation translation, ControlStore& control, Metrics& metrics, MirrorLimits limits = {});
  ~Mirror();

  /// Loads what was set aside and the changes of deletion state that a crash interrupted. Before anything else.
  Awaitable<Result<twinstream::Done>> open();

  /// Brings the follower's `stream` to at least `up_to`. `events` may hold events that were just written or read, in
  /// revision order; they save reading them. `done` runs once, later or at once; it may be empty.
  void carry(std::string stream, std::uint64_t up_to, std::vector<RecordedEvent> events, Done done);

  /// The same for the whole stream including its deletion state, as it is at the authority when this runs.
  void carry_state(std::string stream, Done done);

  /// Somebody waits for what was asked to be carried: the next burst does not wait for more, and for slow streams of the
  /// last one only shortly.
  void hurry();

  /// What is known of these streams may have become wrong, because they were written while this mirror did not carry
  /// them: both sides are asked again when they are next touched.
  void forget(const std::function<bool(std::string_view stream)>& which);

  /// Whether the follower is known to have `revision` of `stream`.
  bool has(const std::string& stream, std::uint64_t revision) const;
  /// Nothing known of this stream is still to be carried.
  bool settled(const std::string& stream) const;
  bool is_set_aside(const std::string& stream) const { return set_aside_.contains(stream); }

  /// Waits until `settled`; false after `limit`.
  Awaitable<bool> settle(std::string stream, std::chrono::nanoseconds limit);
  /// The same for all of these streams; nothing new may be asked for meanwhile.
  Awaitable<bool> settle_all(std::function<bool(std::string_view stream)> which, std::chrono::nanoseconds limit);
  /// Waits until the whole of the mirror is idle; false after `limit`.
  Awaitable<bool> drain(std::chrono::nanoseconds limit);

  const std::map<std::string, Divergence>& set_aside() const { return set_aside_; }
  std::size_t pending_events() const { return pending_events_; }
  std::uint64_t mirrored_events() const { return mirrored_events_; }  ///< since the start
  bool idle() const { return running_ == 0 && waiting_.empty() && !burst_posted_; }
  /// Age of the oldest event that waits to be carried; zero when none does.
  std::chrono::nanoseconds lag() const;
  /// Says why the follower is not being reached, empty when it is.
  const std::string& trouble() const { return trouble_; }

 private:
  struct Stream;
  using Streams = std::unordered_map<std::string, std::unique_ptr<Stream>>;
  enum class Step { more, settled, diverged };
  struct Outgoing {
    AppendRequest request;
    Completion<Result<Appended>> done;
  };
  using Group = std::vector<Outgoing>;

  Stream* find_or_add(const std::string& name);
  void touch(Stream& stream);
  void make_room();
  void buffer(Stream& stream, std::vector<RecordedEvent> events);
  void raise_target(Stream& stream, std::uint64_t next);
  void start(Stream& stream);
  void start_waiting();
  void start_burst();
  void set_pace();
  void answer_reached(Stream& stream);
  void answer_all(Stream& stream, Carried carried);
  void advance(Stream& stream, std::uint64_t next);

  Awaitable<void> run(Stream* stream, std::uint64_t burst);
  Awaitable<Step> step(Stream& stream);
  Awaitable<Step> locate(Stream& stream);
  Awaitable<Step> compare_last_event(Stream& stream, Head authority, Head follower);
  Awaitable<Step> carry_tombstone(Stream& stream);
  Awaitable<Step> carry_hidden(Stream& stream, std::uint64_t hidden);
  Awaitable<Step> carry_page(Stream& stream, std::uint64_t end);
  Awaitable<Result<Appended>> append_with_others(AppendRequest request);
  Awaitable<void> send(std::shared_ptr<Group> group);
  Awaitable<Step> fill(Stream& stream);
  Awaitable<Step> refused(Stream& stream, Failure failure);
  Awaitable<Step> diverge(Stream& stream, std::string reason);
  Awaitable<void> pause(std::string reason);
  std::vector<Event> next_page(Stream& stream, std::uint64_t end);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  Random random_;
  EventLog& authority_;
  EventLog& follower_;
  Translation translation_;
  ControlStore& control_;
  Metrics& metrics_;
  MirrorLimits limits_;

  Streams streams_;
  std::list<Stream*> recent_;   ///< front: most recently used
  std::list<Stream*> waiting_;  ///< have work, wait for a free place
  std::map<std::string, Divergence> set_aside_;
  struct Burst {
    std::uint64_t number = 0;
    std::size_t size = 0;
    std::size_t running = 0;
    std::chrono::nanoseconds began{0};  ///< that of the first, of several in a row of which none took all that waited
    bool nearly_done() const { return running <= size / 8; }
  };

  std::size_t running_ = 0;
  Burst burst_;                                  ///< the last one; streams of earlier ones may be running too
  std::chrono::nanoseconds pace_;                ///< from the beginning of a burst to that of the next
  bool hurried_ = false;
  bool draining_ = false;                        ///< the last burst could not take all that waited
  bool burst_posted_ = false;                    ///< the next one starts as soon as the executor gets to it
  std::unique_ptr<Clock::Timer> burst_overdue_;  ///< set while something waits for the next burst
  std::shared_ptr<Group> outgoing_;              ///< leaves as soon as the executor gets to it; absent: none
  std::size_t pending_events_ = 0;
  std::uint64_t mirrored_events_ = 0;
  std::size_t buffered_ = 0;
  unsigned failures_in_a_row_ = 0;
  std::string trouble_;
  Signal changed_;
};

}  // namespace twinstream
