#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adapters/memory/faulty_log.h"
#include "adapters/memory/memory_control_store.h"
#include "adapters/memory/memory_log.h"
#include "config/config.h"
#include "proxy/core/await.h"
#include "proxy/engine/engine.h"
#include "tests/simulation/sim_executor.h"
#include "tests/simulation/timeline.h"

// A world in one thread: two stores and a control store that survive everything, one process of Twinstream that can be
// killed between any two steps, and clients around it. Nothing in it depends on anything but the seed.

namespace twinstream::simulation {

/// What kind of stores the world has.
struct StoreKinds {
  bool postgres_keeps_bytes = true;  ///< false: jsonb
};

/// Decides what goes wrong. Asked for every operation of the process on a store.
class Weather {
 public:
  virtual ~Weather() = default;
  virtual InjectedFault store_operation(const std::string& store, const FaultPoint& point) = 0;
  /// Time that an operation on the control store takes, and whether it fails at this point.
  virtual std::chrono::nanoseconds control_time() = 0;
  virtual bool control_fails() = 0;
};

/// Everything that survives a crash, and the outside of the process.
class World {
 public:
  World(std::uint64_t seed, bool print, StoreKinds kinds);
  ~World();

  boost::asio::any_io_executor outside() { return SimExecutor(outside_); }
  void note(std::string_view what, std::string_view subject = {}, std::uint64_t number = 0) {
    trace.note(timeline->now(), what, subject, number);
  }

  /// Runs one piece of work that is ready, of whichever queue; when there is none, lets time pass. False when nothing
  /// will ever happen again.
  bool step(ReadyQueue* process);

  Dice dice;
  Trace trace;
  std::shared_ptr<Timeline> timeline;
  SimClock clock;
  MemoryLog postgres;
  MemoryLog eventstore;
  std::shared_ptr<ControlMemory> control;

 private:
  ReadyQueue outside_;
};

/// One life of Twinstream in the world. Destroying it is the crash: nothing that it had under way goes on.
class Process {
 public:
  Process(World& world, Weather& weather, Config config);
  ~Process();

  bool serving() const { return serving_; }
  bool failed() const { return failed_; }  ///< could not open; it ends like a process that exits
  bool closed() const { return closed_; }
  Engine& engine() { return *engine_; }
  ReadyQueue& queue() { return queue_; }
  boost::asio::any_io_executor executor() { return SimExecutor(queue_); }
  void close(std::chrono::nanoseconds limit);

 private:
  Awaitable<void> open(Config config);
  Awaitable<void> close_engine(std::chrono::nanoseconds limit);
  FaultyLog faulty(MemoryLog& log, const char* name);
  Awaitable<Result<Done>> control_hook();

  World& world_;
  Weather& weather_;
  ReadyQueue queue_;
  SimClock clock_;
  Metrics metrics_;
  FaultyLog postgres_;
  FaultyLog eventstore_;
  MemoryControlStore control_;
  std::unique_ptr<Engine> engine_;
  bool serving_ = false;
  bool failed_ = false;
  bool closed_ = false;
};

/// The answer that a client of the process waits for. When the process dies first, the connection breaks.
template <class T>
class Reply {
 public:
  explicit Reply(Completion<Result<T>> done) : done_(std::move(done)) {}
  Reply(Reply&& other) noexcept : done_(std::exchange(other.done_, std::nullopt)) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (done_) (*done_)(Failure{FailureCode::unknown_outcome, "the connection broke", {}});
  }

  void answer(Result<T> result) {
    auto done = std::exchange(done_, std::nullopt);
    (*done)(std::move(result));
  }

 private:
  std::optional<Completion<Result<T>>> done_;
};

template <class T>
using Request = std::function<Awaitable<Result<T>>(Engine& engine)>;

template <class T>
Awaitable<void> serve(Process* process, Request<T> request, Reply<T> reply) {
  auto result = co_await request(process->engine());
  reply.answer(std::move(result));
}

/// A request over the network to the process, from a coroutine outside.
template <class T>
Awaitable<Result<T>> send(Process* process, Request<T> request) {
  if (process == nullptr || !process->serving()) {
    co_return Failure{FailureCode::unavailable, "connection refused", {}};
  }
  auto start = [&](Completion<Result<T>> done) {
    boost::asio::co_spawn(process->executor(), serve<T>(process, std::move(request), Reply<T>(std::move(done))),
                          boost::asio::detached);
  };
  co_return co_await await_completion<Result<T>>(start);
}

}  // namespace twinstream::simulation
