#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/engine/control_store.h"
#include "proxy/engine/signal.h"

namespace twinstream {

/// One category at run time: what the file wants, what is in force, and the writes under way. Used on the engine's
/// executor only.
class Category {
 public:
  /// While it lives, a write of the category is under way and its authority cannot change.
  class Permit {
   public:
    Permit(Category& category, std::string stream);
    Permit(Permit&& other) noexcept
        : category_(std::exchange(other.category_, nullptr)), stream_(std::move(other.stream_)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit();

   private:
    Category* category_;
    std::string stream_;  ///< that is written; empty for others
  };

  Category(CategoryConfig config, CategoryState state) : config(std::move(config)), state(state) {}

  CategoryConfig config;
  CategoryState state;
  std::vector<std::string> waiting_for;  ///< why the phase in force is not the wanted one
  std::uint64_t written = 0;
  std::uint64_t mirrored = 0;

  /// PostgreSQL decides and EventStore follows.
  bool mirrored_forward() const { return state.phase >= Phase::dual_write && !state.eventstore_is_authority; }
  /// EventStore decides and PostgreSQL follows: the way back is kept open, or being taken.
  bool mirrored_back() const {
    return state.eventstore_is_authority && (config.rollback || config.phase != Phase::retire);
  }

  /// Waits while writes are held; unavailable when that takes longer than `limit`. `stream` is what the permit is for,
  /// when that is an append.
  Awaitable<Result<Permit>> admit(Clock& clock, std::chrono::nanoseconds limit, std::string stream = {});
  void hold() { held_ = true; }
  void release();
  bool held() const { return held_; }
  /// Waits until no write is under way.
  Awaitable<bool> drained(Clock& clock, std::chrono::nanoseconds limit);
  /// Waits until no append to this stream is under way.
  Awaitable<bool> appends_ended(Clock& clock, std::chrono::nanoseconds limit, std::string stream);

  /// Streams written since the last check began, so that a change of authority proves just these again.
  void note_touched(std::string_view stream);
  void forget_touched();
  void forget_proof() { too_many_touched_ = true; }  ///< the next change of authority needs a check of everything
  /// Nothing when there were too many to remember.
  const std::set<std::string, std::less<>>* touched() const { return too_many_touched_ ? nullptr : &touched_; }

 private:
  std::size_t under_way_ = 0;
  std::unordered_map<std::string, unsigned> writing_;  ///< streams with writes under way, and how many
  bool held_ = false;
  std::set<std::string, std::less<>> touched_;
  bool too_many_touched_ = true;  ///< after a start nothing is known: the next check tells
  Signal changed_;
};

/// Which store answers for the whole log ($all). The rule, for categories in different phases:
///
///   PostgreSQL   while it has everything: it is the authority of every category, or follows those that are in retire
///   EventStore   when it is the authority of everything, the streams of categories without an entry (`*`) included;
///                else when it is the authority or a whole (backfilled) follower of everything
///   neither      when each store lacks something: reading the whole log is refused
///
/// A store that follows shows the events of that category as soon as they are carried.
enum class WholeLog { postgres, eventstore, neither };

/// What any thread may know of a category without asking the engine.
struct CategoryView {
  std::string name;  ///< of the entry in the file, `*` for all that have none of their own
  Phase phase = Phase::observe;
  bool eventstore_is_authority = false;
  bool postgres_follows = false;  ///< EventStore is the authority, and the way back is kept open
  ReadPolicy reads;
};

/// All categories, by configured name.
class Categories {
 public:
  /// What was in force when the program stopped. Before the first `apply`.
  void set_states(std::map<std::string, CategoryState> states) { states_ = std::move(states); }

  /// Takes over a new configuration. Refused, with the reason, when it would change the authority of streams by moving
  /// them to another entry (an entry taken out or put in while `retire` is in force).
  Result<Done> apply(const Config& config);
  /// A metadata stream (`$$x`) belongs to the category of its stream.
  Category& of(std::string_view stream);
  std::map<std::string, std::unique_ptr<Category>>& all() { return by_name_; }

  /// Makes the present state visible to `view`. Called after every change.
  void publish();
  CategoryView view(std::string_view stream) const;  ///< any thread
  WholeLog whole_log() const { return whole_log_; }  ///< any thread

 private:
  Category& entry(std::string_view category);

  std::map<std::string, CategoryState> states_;
  std::map<std::string, std::unique_ptr<Category>> by_name_;
  std::vector<std::unique_ptr<Category>> former_;  ///< taken out of the file; what is under way may still refer to them

  WholeLog find_whole_log() const;

  std::atomic<WholeLog> whole_log_ = WholeLog::postgres;
  mutable std::mutex mutex_;
  std::shared_ptr<const std::map<std::string, CategoryView, std::less<>>> views_;
};

}  // namespace twinstream
