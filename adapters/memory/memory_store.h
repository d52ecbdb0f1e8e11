#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/core/event_log.h"

namespace twinstream {

/// The events behind MemoryLog: what a disk is to a server. Plain synchronous operations with the semantics of
/// EventLog. Thread safe. Several MemoryLogs may share one store, and it outlives them in a simulated restart.
class MemoryStore {
 public:
  struct Rules {
    /// Without exact_bytes, JSON is kept in its canonical form.
    LogTraits traits;
    /// True: an id is stored once in the whole store, anything else is id_conflict (as PostgreSQL does it). False: ids
    /// only serve to recognise repetitions in one stream (as EventStore does it).
    bool global_unique_ids = false;
    /// Whether include_hidden gives back what a soft delete hides. EventStore's interface does not.
    bool shows_hidden = true;
  };
  /// Called after every change, without the lock.
  using Watcher = std::function<void()>;

  explicit MemoryStore(Rules rules) : rules_(std::move(rules)) {}

  const LogTraits& traits() const { return rules_.traits; }

  /// The request must be one that the log does not refuse.
  Result<Appended> append(AppendRequest request, Timestamp now);
  Result<std::vector<Appended>> append_together(std::vector<AppendRequest> requests,
                                                const std::vector<StreamCheck>& checks, Timestamp now);
  Result<StreamPage> read_stream(const ReadStream& request) const;
  Result<AllPage> read_all(const ReadAll& request) const;
  Head head(const std::string& stream) const;
  Position tip() const;
  Result<Deleted> soft_delete(const std::string& stream, ExpectedRevision expected);
  Result<Deleted> tombstone(const std::string& stream, ExpectedRevision expected);
  Result<Done> restore(const std::string& stream);

  /// Every event ever written, in global order, hidden and tombstoned ones too.
  std::vector<RecordedEvent> all_events() const;

  /// Grows with every change, before the watchers are called.
  std::uint64_t changes() const;
  std::uint64_t watch(Watcher watcher);
  void unwatch(std::uint64_t watch);

 private:
  struct Stream {
    Head::State state = Head::State::none;
    std::uint64_t first_visible = 0;
    std::vector<std::size_t> events;                            ///< by revision, index into events_
    std::unordered_map<EventId, std::uint64_t> first_revision;  ///< where an id was first written in this stream

    Head head() const;
  };
  /// What the expectation makes of an append: write it, or answer this.
  using Decision = std::optional<Result<Appended>>;

  Decision decide(const AppendRequest& request, const Stream& stream) const;
  Decision repeated_by_id(const AppendRequest& request, const Stream& stream) const;
  Decision repeated_at(std::uint64_t first, const AppendRequest& request, const Stream& stream) const;
  Result<Appended> duplicate(const AppendRequest& request, const Stream& stream,
                             const std::vector<std::uint64_t>& revisions) const;
  std::optional<Failure> taken_id(const AppendRequest& request) const;
  std::optional<Failure> refuse_delete(const std::string& name, const Stream& stream, ExpectedRevision expected) const;
  Appended write(const AppendRequest& request, Stream& stream, Timestamp now);
  const Stream& find(const std::string& name) const;
  bool has_metadata(const std::string& name) const;
  void changed();

  const Rules rules_;
  mutable std::mutex mutex_;
  std::vector<RecordedEvent> events_;
  std::map<std::string, Stream> streams_;
  std::unordered_map<EventId, std::size_t> ids_;  ///< first event with this id, index into events_
  std::uint64_t last_position_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t last_watch_ = 0;
  std::map<std::uint64_t, Watcher> watchers_;
};

}  // namespace twinstream
