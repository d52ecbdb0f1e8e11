#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "proxy/core/clock.h"
#include "proxy/core/event_log.h"
#include "proxy/core/metrics.h"
#include "proxy/engine/fold.h"
#include "proxy/engine/signal.h"

namespace twinstream {

struct CheckOptions {
  std::function<bool(std::string_view stream)> wants = [](std::string_view) { return true; };
  std::size_t max_differences = 20;  ///< described in detail; all are counted
  /// How long a stream that differs is looked at again before it counts as different: live writes are on their way.
  std::chrono::milliseconds patience{10'000};
  std::size_t streams_in_memory = 1'000'000;  ///< beyond it the streams are compared in several passes
};

struct CheckDifference {
  std::string stream;
  std::uint64_t revision = 0;
  std::string what;
};

/// The balanced account of a check: streams = equal + different + missing + extra + unknown.
struct CheckReport {
  std::uint64_t streams = 0;
  std::uint64_t equal = 0;
  std::uint64_t different = 0;
  std::uint64_t missing = 0;  ///< streams in PostgreSQL only
  std::uint64_t extra = 0;    ///< streams in EventStore only
  std::uint64_t unknown = 0;  ///< could not be read to the end
  std::uint64_t rechecked = 0;  ///< differed at first sight, because of live writes or for good
  std::uint64_t postgres_events = 0;
  std::uint64_t eventstore_events = 0;
  std::map<std::string, std::uint64_t> skipped;  ///< events not compared, by reason
  std::vector<CheckDifference> differences;
  double seconds = 0;
  std::string finished;  ///< RFC 3339
  std::string trouble;   ///< why it could not be finished; empty otherwise

  bool complete() const { return trouble.empty() && unknown == 0; }
  bool all_equal() const { return complete() && different + missing + extra == 0; }
  /// 0 equal, 1 different, 2 could not check.
  int exit_code() const { return different + missing + extra > 0 ? 1 : (complete() ? 0 : 2); }
  std::string to_text() const;
  std::string to_json() const;
};

/// Compares the two stores: reads both in their global order, folds every stream, and reads again, stream by stream,
/// what differs. Works under live writes: a difference counts when it is still there after `patience`.
class Checker {
 public:
  Checker(boost::asio::any_io_executor executor, Clock& clock, EventLog& postgres, EventLog& eventstore,
          Comparison comparison);

  Awaitable<CheckReport> run(CheckOptions options);

 private:
  struct Pair {
    Fold postgres;
    Fold eventstore;
  };
  using Folds = std::unordered_map<std::string, Pair>;
  enum class Verdict { equal, different, missing, extra, unknown };
  struct Look {
    Verdict verdict;
    CheckDifference difference;
    bool hides_events = false;  ///< some events could only be compared by the fold
  };
  using Part = std::function<bool(std::string_view stream)>;

  Awaitable<Result<Done>> fold_both(Folds& folds, const Part& part, const CheckOptions& options, CheckReport& report);
  Awaitable<Result<Done>> fold(EventLog& log, Side side, Folds& folds, const Part& part, const CheckOptions& options,
                               CheckReport& report);
  Awaitable<bool> check_part(const CheckOptions& options, unsigned pass, unsigned passes, CheckReport& report);
  Awaitable<void> look_for_deletions(const Folds& folds);
  Awaitable<void> look_at_state(EventLog& log, std::string stream);
  Awaitable<void> recheck(std::vector<std::string> suspects, const Folds& folds, const CheckOptions& options,
                          CheckReport& report);
  Awaitable<void> recheck_one(std::string stream, std::chrono::nanoseconds deadline, const Folds& folds,
                              const CheckOptions& options, CheckReport& report);
  Awaitable<void> recheck_hidden(const CheckOptions& options, CheckReport& report);
  Awaitable<Look> look(std::string stream);
  Awaitable<Look> compare_events(std::string stream, std::uint64_t first, std::uint64_t count);
  void count(const Look& look, const CheckOptions& options, CheckReport& report);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  EventLog& postgres_;
  EventLog& eventstore_;
  Comparison comparison_;
  bool too_many_ = false;
  std::unordered_set<std::string> hidden_;    ///< equal as far as can be read, but the fold differed
  std::unordered_set<std::string> stateful_;  ///< streams whose deletion state must be compared
};

}  // namespace twinstream
