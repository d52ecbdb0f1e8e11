#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/engine/gateway.h"
#include "proxy/engine/phases.h"

namespace twinstream {

/// What the engine tells about itself, for /status, `twinstream status` and /readyz.
struct EngineStatus {
  struct CategoryStatus {
    std::string name;
    CategoryState state;
    Phase wanted = Phase::observe;
    std::vector<std::string> waiting_for;
    bool held = false;
    std::uint64_t written = 0;
    std::array<std::uint64_t, 3> reads{};  ///< by ReadSource
  };
  struct StoreStatus {
    bool up = false;
    std::string text;  ///< what it is when up, why not when down
  };

  std::vector<CategoryStatus> categories;
  StoreStatus postgres;
  StoreStatus eventstore;
  std::size_t pending_events = 0;
  double lag_seconds = 0;
  bool caught_up = true;
  std::string mirror_trouble;
  std::uint64_t mirrored = 0;
  BackfillProgress backfill;
  std::optional<std::string> last_check;  ///< JSON
  std::vector<Divergence> divergences;    ///< at most 100
};

/// The migration engine: mirrors, tails, backfills, checker, phases and the dual log over two stores, put together.
/// Stores, clock and randomness come from outside, so that the same engine runs in production and in the simulator.
///
/// All work is done on `executor`, which must run on one thread at a time. The Gateway methods may be called from any
/// thread. Everything else is called on the executor.
class Engine final : public Gateway {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    Clock& clock;
    Random random;
    EventLog& postgres;
    EventLog& eventstore;
    ControlStore& control;
    Metrics& metrics;
    MirrorLimits limits = {};
  };

  explicit Engine(Parts parts);
  ~Engine() override;

  /// Loads what is in force, takes over the configuration, and starts what the phases in force need. Then, with
  /// `walk_phases`, walks towards the wanted phases.
  Awaitable<Result<Done>> open(Config config, bool walk_phases);
  /// A new configuration; refused with the reason, then the old one stays.
  Result<Done> apply(const Config& config);
  /// Stops everything in order, giving what is pending `limit` to be carried. What is left is carried after a restart.
  Awaitable<void> close(std::chrono::nanoseconds limit);

  EngineStatus status();

  EventLog& log() override;
  ReadSource read_source(std::string_view stream) override;
  bool compare_this_read(std::string_view stream) override;
  void report_comparison(std::string_view stream, bool equal, std::string_view detail) override;
  EventLog& store(ReadSource source) override;
  Awaitable<Result<std::shared_ptr<void>>> admit_backend_write(std::string category) override;
  Awaitable<MirrorState> carry(std::string stream) override;

  Checker& checker();
  Mirror& forward_mirror();
  Categories& categories();

 private:
  struct Assembly;
  std::unique_ptr<Assembly> assembly_;
};

}  // namespace twinstream
