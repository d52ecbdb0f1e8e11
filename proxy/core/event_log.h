#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/core/event.h"
#include "proxy/core/result.h"

// EventLog: the one interface that every store implements and every front door speaks to.
//
// Contract (tests/contract runs it against every implementation):
//  - An append is atomic: all its events get consecutive revisions, or nothing is written.
//  - When append answers `Appended`, the events are durable in this log.
//  - Repeating an append with the same ids and the same expectation gives the first answer again and writes nothing.
//  - `unavailable` promises that nothing was written and nothing will be; when that cannot be promised the answer is
//    `unknown_outcome`.
//  - An implementation completes on its own threads and resumes the caller on the caller's executor. Every method may
//    be called from any thread, any number of calls may be in flight; a log is destroyed only when none is.
//  - Appends to one stream that are in flight together are applied in some order, not necessarily the order of calls.
//  - Queues are bounded: a full queue answers `unavailable` at once.

namespace twinstream {

template <class T>
using Awaitable = boost::asio::awaitable<T>;

struct ExpectedRevision {
  enum class Kind { any, no_stream, stream_exists, exact };

  Kind kind = Kind::any;
  std::uint64_t revision = 0;  ///< only for exact

  static ExpectedRevision any() { return {}; }
  static ExpectedRevision no_stream() { return {Kind::no_stream, 0}; }
  static ExpectedRevision stream_exists() { return {Kind::stream_exists, 0}; }
  static ExpectedRevision exact(std::uint64_t revision) { return {Kind::exact, revision}; }
  /// What a writer expects who wants its first event to get `next`.
  static ExpectedRevision before(std::uint64_t next) { return next == 0 ? no_stream() : exact(next - 1); }

  bool operator==(const ExpectedRevision&) const = default;
};

/// How an expectation meets a stream, by its state and kind, is the table of the EventStore reference (section 5.4):
/// soft-deleted streams continue their numbering, `no_stream` fits them, `stream_exists` answers stream_deleted, a
/// tombstoned stream answers stream_deleted to everything.
struct AppendRequest {
  std::string stream;
  ExpectedRevision expected;
  std::vector<Event> events;  ///< may be empty: then only the expectation is checked
};

/// A condition on a stream that an append to several streams depends on. The stream need not be written.
struct StreamCheck {
  enum class State { exact, none, exists, soft_deleted, tombstoned };

  std::string stream;
  State state = State::none;   ///< `none` holds for a soft-deleted stream too, and for a tombstoned one that is not written
  std::uint64_t revision = 0;  ///< only for exact, which holds for a soft-deleted stream too
};

/// Whether an append has reached the follower too. Only the dual log says more than `none`.
enum class MirrorState { none, done, pending };

struct Appended {
  /// Revision of the last event of this append; absent for an empty append to a stream without events.
  std::optional<std::uint64_t> revision;
  Position position;       ///< of the last event; start() when unknown
  bool duplicate = false;  ///< recognised as a repetition: nothing was written by this call
  MirrorState mirror = MirrorState::none;
};

struct Deleted {
  Position position;  ///< of the record that the deletion wrote; start() when unknown
};

struct Head {
  enum class State { none, live, soft_deleted, tombstoned };

  State state = State::none;
  /// Last revision ever written, also of a soft-deleted stream; absent for none, and for tombstoned where unknown.
  std::optional<std::uint64_t> revision;
  std::uint64_t first_visible = 0;  ///< events below it are hidden from ordinary reads

  std::uint64_t next_revision() const { return revision ? *revision + 1 : 0; }
  bool operator==(const Head&) const = default;
};

enum class Direction { forwards, backwards };

struct ReadStream {
  std::string stream;
  Direction direction = Direction::forwards;
  /// First revision to return, inclusive. Backwards, absent means from the head.
  std::optional<std::uint64_t> from;
  std::size_t max_count = 500;
  /// Also return events that a soft delete hides. Logs that cannot see them any more leave them out.
  bool include_hidden = false;
};

struct StreamPage {
  std::vector<RecordedEvent> events;
  Head head;         ///< as of this read
  bool end = false;  ///< nothing follows in this direction
};

struct ReadAll {
  Direction direction = Direction::forwards;
  Position from;  ///< exclusive in both directions
  std::size_t max_count = 1000;
};

struct AllPage {
  std::vector<RecordedEvent> events;
  /// Where to go on (exclusive). Forwards: every event at or before it is final and has been returned.
  Position next;
  bool end = false;  ///< nothing followed when the page was read
};

/// What a subscription delivers next. Pages may be empty: the checkpoint can advance alone, and an idle subscription
/// answers at least about once a second so that its owner can act.
struct SubscriptionPage {
  std::vector<RecordedEvent> events;
  /// Every event at or before it was delivered in this page or earlier: resuming after it loses nothing. Events of
  /// this page may lie beyond it (they are then delivered again after a resume).
  Position checkpoint;
  bool caught_up = false;  ///< at the end of the log when this page was made
};

/// Not thread safe: one caller, one `next` at a time. `close` may be called from any thread and makes a waiting `next`
/// answer `cancelled`. In one stream, events come in revision order; nothing committed is ever left out.
class Subscription {
 public:
  virtual ~Subscription() = default;
  virtual Awaitable<Result<SubscriptionPage>> next() = 0;
  virtual void close() = 0;
};

struct LogTraits {
  std::string name;                  ///< `postgres`, `eventstore`, `embedded`, `memory`: for texts and labels
  bool exact_bytes = true;           ///< false: JSON comes back normalised (jsonb), compare by value
  bool keeps_created = true;         ///< false: stamps its own time (EventStore); $originalCreated carries ours
  bool keeps_event_ids = true;       ///< false: ids are derived from the row and not stored
  bool marks_deletions = false;      ///< deletion state shows in the global order, as `$$...` and `$streamDeleted` events
  bool holds_system_streams = false; ///< whether `$...` streams may be written
  bool appends_in_groups = false;    ///< append_many is one commit: no request in it waits for another's sake
  std::size_t max_append_bytes = 1024 * 1024;   ///< sum over the events of one append
  std::size_t max_stream_name_bytes = 1024;
};

class EventLog {
 public:
  virtual ~EventLog() = default;

  virtual const LogTraits& traits() const = 0;

  /// Whether this log could never hold the request (name, size, encoding), told without asking the store. The dual log
  /// asks both sides, so that the authority accepts nothing that the follower must refuse.
  virtual std::optional<Failure> refuses(const AppendRequest& request) const;

  virtual Awaitable<Result<Appended>> append(AppendRequest request) = 0;
  /// One answer per request, same order; requests are independent of each other. The default runs them concurrently.
  virtual Awaitable<std::vector<Result<Appended>>> append_many(std::vector<AppendRequest> requests);

  /// One atomic append to several streams, each named once: all of it is written, or nothing. One answer per request,
  /// same order. When all of it is a repetition the first answers are given again; when only a part is, that part is a
  /// wrong_expected_revision. A failure names its request where one is to blame. With checks, all of them must hold
  /// unless the whole append is a repetition; those that do not are the failure's violations. The default appends to one
  /// stream, and rejects more streams and checks.
  virtual Awaitable<Result<std::vector<Appended>>> append_together(std::vector<AppendRequest> requests,
                                                                   std::vector<StreamCheck> checks = {});
  /// What no log can hold of such an append, and what this one refuses of it.
  std::optional<Failure> refuses_together(const std::vector<AppendRequest>& requests) const;

  /// stream_not_found when the stream never existed or is soft-deleted (unless include_hidden), stream_deleted when it
  /// is tombstoned.
  virtual Awaitable<Result<StreamPage>> read_stream(ReadStream request) = 0;
  virtual Awaitable<Result<AllPage>> read_all(ReadAll request) = 0;
  virtual Awaitable<Result<Head>> head(std::string stream) = 0;
  /// A position at or after every event that was committed before the call, and final: no event will ever appear at or
  /// before it.
  virtual Awaitable<Result<Position>> tip() = 0;

  /// Soft delete: events become hidden, the stream can be continued or restored.
  virtual Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) = 0;
  /// Hard delete, for ever.
  virtual Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) = 0;
  /// Makes hidden events visible again (those not yet scavenged). stream_not_found when there is nothing to restore.
  virtual Awaitable<Result<Done>> restore(std::string stream) = 0;

  virtual std::unique_ptr<Subscription> subscribe_all(Position after) = 0;
  /// From the revision after `after`; absent means from the first event. Waits for streams that do not exist yet.
  virtual std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) = 0;

  /// Asks the store for a sign of life; answers what it is, for people (`PostgreSQL 15.8`).
  virtual Awaitable<Result<std::string>> ping() = 0;
};

/// What an implementation decides on before it writes: the answers that the requests would get (those that are not
/// repetitions as if written), and the heads of the checked streams. The failure that stands for all of it, if any.
std::optional<Failure> together(const std::vector<AppendRequest>& requests, const std::vector<Result<Appended>>& answers,
                                const std::vector<StreamCheck>& checks, const std::vector<Head>& checked);

}  // namespace twinstream
