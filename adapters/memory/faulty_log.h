#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/core/clock.h"
#include "proxy/core/event_log.h"

namespace twinstream {

enum class Fault {
  none,
  refused,      ///< not done: unavailable
  unanswered,   ///< not done, but nobody can know: unknown_outcome
  answer_lost,  ///< done: unknown_outcome all the same
  late,         ///< answered unknown_outcome, and done some time after that
  twice,        ///< done, then done again as if the network had repeated it; the answer is the second one
};

struct InjectedFault {
  Fault fault = Fault::none;
  std::chrono::nanoseconds before{0};  ///< pause before the operation is done
  std::chrono::nanoseconds after{0};   ///< pause before the answer; for `late`, before it is done after all
};

/// What is about to be done. Operations are named like the methods of EventLog; `subscription` is a subscription's
/// next.
struct FaultPoint {
  std::string_view operation;
  std::string_view stream;                ///< empty for operations on the whole log
  const AppendRequest* append = nullptr;  ///< only for append
};

/// An event log that fails on purpose, within what the contract of EventLog allows: whatever is injected, the answers
/// are honest. Reads have no unknown outcome: whatever befalls them is `unavailable`. A subscription that is `refused`
/// is broken and must be made anew; when its answer is lost, it delivers its page with the checkpoint held back, so
/// that the page comes again after a resume.
class FaultyLog : public EventLog {
 public:
  /// Asked once for every operation; decides everything, so that a seeded test repeats.
  using Inject = std::function<InjectedFault(const FaultPoint& point)>;

  /// `late` operations run on `network`, which may outlive this object; `log` and `clock` must outlive both.
  FaultyLog(EventLog& log, Clock& clock, Clock& network_clock, boost::asio::any_io_executor network, Inject inject);

  const LogTraits& traits() const override { return log_.traits(); }
  std::optional<Failure> refuses(const AppendRequest& request) const override { return log_.refuses(request); }
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

 private:
  class FaultySubscription;

  template <class T>
  using Operation = std::function<Awaitable<Result<T>>()>;
  template <class T>
  Awaitable<Result<T>> read(std::string_view name, std::string stream, Operation<T> operation);
  template <class T>
  Awaitable<Result<T>> write(InjectedFault injected, Operation<T> operation);
  template <class T>
  static Awaitable<void> do_late(Clock* clock, std::chrono::nanoseconds delay, Operation<T> operation);

  EventLog& log_;
  Clock& clock_;
  Clock& network_clock_;
  boost::asio::any_io_executor network_;
  Inject inject_;
};

}  // namespace twinstream
