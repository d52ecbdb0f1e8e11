#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "adapters/memory/memory_control_store.h"
#include "adapters/memory/memory_log.h"
#include "proxy/engine/engine.h"

namespace twinstream {

/// Two stores in memory that differ as PostgreSQL and EventStore do, and an engine over them.
class EngineFixture : public ::testing::Test {
 protected:
  EngineFixture() : postgres(postgres_options()), eventstore(eventstore_options()) {}
  ~EngineFixture() override {
    if (engine) run(close());
  }

  static MemoryLogOptions postgres_options() {
    MemoryLogOptions options;
    options.traits.name = "postgres";
    options.global_unique_ids = true;
    return options;
  }

  static MemoryLogOptions eventstore_options() {
    MemoryLogOptions options;
    options.traits.name = "eventstore";
    options.traits.keeps_created = false;
    options.traits.holds_system_streams = true;
    return options;
  }

  template <class T>
  static Awaitable<void> keep(Awaitable<T> operation, std::optional<T>& answer) {
    answer.emplace(co_await std::move(operation));
  }

  template <class T>
  T run(Awaitable<T> operation) {
    std::optional<T> answer;
    boost::asio::co_spawn(context, keep(std::move(operation), answer), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    context.restart();
    while (!answer && context.run_one_for(std::chrono::seconds(30)) > 0) {
    }
    if (!answer) throw std::runtime_error("no answer within 30 s");
    return std::move(*answer);
  }

  /// Runs the engine until `condition` holds; false when it does not within 20 s.
  bool eventually(std::function<bool()> condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      context.restart();
      context.run_one_for(std::chrono::milliseconds(100));
    }
    return true;
  }

  static CategoryConfig category(std::string name, Phase phase) {
    CategoryConfig config;
    config.name = std::move(name);
    config.phase = phase;
    return config;
  }

  void open(CategoryConfig config) {
    Config whole;
    whole.categories.push_back(std::move(config));
    engine = std::make_unique<Engine>(Engine::Parts{context.get_executor(), clock, system_random(), postgres,
                                                    eventstore, control, metrics, {}});
    ASSERT_TRUE(run(engine->open(whole, true)).ok());
  }

  void wish(CategoryConfig config) {
    Config whole;
    whole.categories.push_back(std::move(config));
    ASSERT_TRUE(engine->apply(whole).ok());
  }

  bool reaches(Phase phase) {
    return eventually([&] { return engine->status().categories.front().state.phase == phase; });
  }

  void restart(CategoryConfig config) {
    run(close());
    engine.reset();
    open(std::move(config));
  }

  Event event(std::string type = "happened") {
    Event result;
    result.id = EventId::random();
    result.type = std::move(type);
    result.data = "{\"n\": " + std::to_string(++numbers) + "}";
    return result;
  }

  /// Straight into a store, past the proxy.
  void write(EventLog& log, const std::string& stream, int count = 1) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(run(log.append({stream, ExpectedRevision::any(), {event()}})).ok());
  }

  std::vector<EventId> ids(EventLog& log, const std::string& stream) {
    auto page = run(log.read_stream({stream, Direction::forwards, 0, 1000, true}));
    std::vector<EventId> result;
    if (!page) return result;
    for (const RecordedEvent& recorded : page->events) result.push_back(recorded.event.id);
    return result;
  }

  bool same(const std::string& stream) { return ids(postgres, stream) == ids(eventstore, stream); }

  Awaitable<Done> close() {
    co_await engine->close(std::chrono::milliseconds(500));
    co_return Done{};
  }

  boost::asio::io_context context;
  SystemClock clock;
  Metrics metrics;
  MemoryLog postgres;
  MemoryLog eventstore;
  MemoryControlStore control;
  std::unique_ptr<Engine> engine;
  int numbers = 0;
};

}  // namespace twinstream
