#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <map>
#include <set>

#include "proxy/engine/category.h"
#include "proxy/engine/gateway.h"
#include "proxy/engine/mirror.h"
#include "proxy/engine/tail.h"

namespace twinstream {

/// Both stores with the mirrors between them, as the engine's parts share them.
struct Stores {
  EventLog& postgres;
  EventLog& eventstore;
  Mirror& forward;  ///< postgres -> eventstore
  Mirror& back;     ///< eventstore -> postgres
  Tail& forward_tail;
  Tail& back_tail;

  EventLog& authority(const Category& category) { return category.state.eventstore_is_authority ? eventstore : postgres; }
  EventLog& follower(const Category& category) { return category.state.eventstore_is_authority ? postgres : eventstore; }
  /// The mirror that carries this category now; nothing when it is not mirrored.
  Mirror* mirror(const Category& category) {
    if (category.mirrored_forward()) return &forward;
    return category.mirrored_back() ? &back : nullptr;
  }
  Tail& tail(const Category& category) { return category.state.eventstore_is_authority ? back_tail : forward_tail; }
};

/// The two stores as one EventLog. A write is decided by the authority of its stream's category and acknowledged when
/// the authority has it (`ack: authority`) or when the follower has it too (`ack: both`, within a bound; then it is
/// acknowledged as pending, never failed). Reads come from the store that the policy chooses and never go back in time.
///
/// The whole log (read_all, tip, subscribe_all) comes from the store that WholeLog names; positions are shown as in
/// shown_position.h, and are start(), unknown, in answers of the other store. A subscription to a stream goes on through
/// a change of authority.
///
/// System streams (`$...`, the metadata streams `$$x` among them) live in EventStore only: PostgreSQL has no place for
/// them, and limits such as $maxCount would hide events at the follower alone, so that the stores were not equal. They
/// are written and read there once the category of their stream is in retire without rollback; read there in retire
/// with rollback too; until then writing and deleting them is `rejected` and they are read as not existing.
///
/// An append to several streams needs one authority for all of their categories; that one writes it atomically, then each
/// stream is mirrored by itself: the follower may for a moment have a part of it.
///
/// Every method may be called from any thread; the work is done on the engine's executor.
class DualLog final : public EventLog {
 public:
  DualLog(boost::asio::any_io_executor engine, Clock& clock, Random random, Stores stores, Categories& categories,
          ControlStore& control, Metrics& metrics);

  const LogTraits& traits() const override { return traits_; }
  std::optional<Failure> refuses(const AppendRequest& request) const override;
  Awaitable<Result<Appended>> append(AppendRequest request) override;
  Awaitable<Result<std::vector<Appended>>> append_together(std::vector<AppendRequest> requests,
                                                           std::vector<StreamCheck> checks) override;
  Awaitable<Result<StreamPage>> read_stream(ReadStream request) override;
  Awaitable<Result<AllPage>> read_all(ReadAll request) override;
  Awaitable<Result<Head>> head(std::string stream) override;
  Awaitable<Result<Position>> tip() override;
  Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Done>> restore(std::string stream) override;
  std::unique_ptr<Subscription> subscribe_all(Position after) override;
  std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) override;
  Awaitable<Result<std::string>> ping() override;

  /// Brings the follower up to what the backend wrote to this stream (Gateway::carry). Any thread.
  Awaitable<MirrorState> carry(std::string stream);
  /// See Gateway::admit_backend_write. Any thread.
  Awaitable<Result<std::shared_ptr<void>>> admit_backend_write(std::string category);
  /// Carries the deletion states that a crash interrupted. Engine's executor, before serving.
  Awaitable<Result<Done>> finish_state_changes();

 private:
  enum class Change { soft_delete, tombstone, restore };

  Awaitable<Result<Appended>> append_here(AppendRequest request);
  Awaitable<Result<std::vector<Appended>>> append_together_here(std::vector<AppendRequest> requests,
                                                                std::vector<StreamCheck> checks);
  Awaitable<void> mirror_together(std::vector<AppendRequest> written, std::vector<Appended>& appended);
  Awaitable<Result<std::vector<Category::Permit>>> admit_together(const std::vector<AppendRequest>& requests,
                                                                   const std::vector<StreamCheck>& checks);
  void count_failure(const EventLog& authority, const Failure& failure);
  void note_written(Category& category, const EventLog& authority, std::string_view stream, std::size_t events);
  void set_times(const Category& category, const EventLog& authority, AppendRequest& request) const;
  std::optional<Failure> refuses_with_time(const Category& category, const EventLog& authority,
                                           const AppendRequest& request) const;
  static bool waits_for_mirror(const Category& category);
  Awaitable<MirrorState> mirror_written(Category& category, Mirror& mirror, std::string stream,
                                        std::uint64_t revision, std::vector<RecordedEvent> events);
  Awaitable<MirrorState> carry_here(std::string stream);
  Awaitable<Result<std::shared_ptr<void>>> admit_backend_write_here(std::string category);
  Awaitable<Result<StreamPage>> read_stream_here(ReadStream request);
  std::optional<Failure> refuses_system_stream(std::string_view stream) const;
  Awaitable<Result<AllPage>> read_all_here(ReadAll request);
  Awaitable<Result<Position>> tip_here();
  Position shown(const EventLog& log, Position position) const;
  void show(const EventLog& log, std::vector<RecordedEvent>& events) const;
  bool follower_is_whole(const Category& category) const;
  void note_shown(Category& category, const std::string& stream, const Result<StreamPage>& page);
  Awaitable<Result<StreamPage>> read_store(EventLog& log, ReadStream request);
  Awaitable<Result<StreamPage>> read_follower(Category& category, ReadStream request);
  Awaitable<Result<StreamPage>> read_and_compare(Category& category, ReadStream request);
  Awaitable<bool> follower_is_current(Category& category, const std::string& stream);
  Awaitable<Result<Head>> head_here(std::string stream);
  Awaitable<Result<Deleted>> change_state(std::string stream, Change change, ExpectedRevision expected);
  /// Waits for a change of deletion state that is under way; false when it does not end.
  Awaitable<bool> state_is_settled(const std::string& stream);
  Awaitable<Result<Deleted>> change_at_both(Category& category, Mirror& mirror, std::string stream, Change change,
                                            ExpectedRevision expected);
  Awaitable<Result<Deleted>> change_at_authority(EventLog& authority, std::string stream, Change change,
                                                 ExpectedRevision expected);
  void carry_noted_state(Mirror& mirror, const std::string& stream, std::uint64_t number);
  Awaitable<void> carry_noted_state_later(std::string stream, std::uint64_t number);
  bool is_latest_change(const std::string& stream, std::uint64_t number) const;
  Awaitable<void> forget_state_change(std::string stream);
  Awaitable<Result<Category::Permit>> admit(Category& category, std::string stream);
  bool reads_follower(const Category& category, const std::string& stream) const;

  boost::asio::any_io_executor engine_;
  Clock& clock_;
  Random random_;
  Stores stores_;
  Categories& categories_;
  ControlStore& control_;
  Metrics& metrics_;
  LogTraits traits_;
  Translation from_eventstore_;  ///< so that a reader sees the same event whichever store it came from
  Translation to_eventstore_;
  std::set<std::string> changing_;  ///< streams whose deletion state is being changed: their writes wait
  Signal changed_;
  std::map<std::string, std::uint64_t> noted_;  ///< the number of a stream's latest change that is noted
  std::uint64_t changes_ = 0;
};

/// Which share of streams a percentage means: the same stream always falls on the same side.
bool in_percentage(std::string_view stream, unsigned percent);

}  // namespace twinstream
