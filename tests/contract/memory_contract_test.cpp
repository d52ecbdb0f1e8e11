#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>

#include "adapters/memory/memory_log.h"
#include "tests/contract/event_log_contract.h"

namespace twinstream::contract {
namespace {

class MemoryFixture final : public LogFixture {
 public:
  explicit MemoryFixture(MemoryLogOptions options) : options_(options), log_(std::move(options)) {}

  EventLog& log() override { return log_; }

  Abilities abilities() const override {
    Abilities abilities;
    abilities.unique_ids = options_.global_unique_ids;
    abilities.sees_hidden = options_.shows_hidden;
    return abilities;
  }

 private:
  MemoryLogOptions options_;
  MemoryLog log_;
};

LogUnderTest like_postgres() {
  return {"LikePostgres", [] {
            return std::make_unique<MemoryFixture>(
                MemoryLogOptions{.traits = {.name = "memory"}, .global_unique_ids = true});
          }};
}

LogUnderTest like_jsonb_table() {
  return {"LikeJsonbTable", [] {
            return std::make_unique<MemoryFixture>(
                MemoryLogOptions{.traits = {.name = "memory", .exact_bytes = false}, .global_unique_ids = true});
          }};
}

LogUnderTest like_eventstore() {
  return {
      "LikeEventStore", [] {
        return std::make_unique<MemoryFixture>(MemoryLogOptions{
            .traits = {.name = "memory", .keeps_created = false, .holds_system_streams = true}, .shows_hidden = false});
      }};
}

INSTANTIATE_TEST_SUITE_P(Memory, EventLogContract,
                         ::testing::Values(like_postgres(), like_jsonb_table(), like_eventstore()), log_name);

// The answers may be there, on another thread, before the last append has been begun.
TEST(AppendMany, MayBeAskedOnSeveralThreads) {
  MemoryLog log;
  boost::asio::thread_pool pool(4);
  std::atomic<int> answered = 0;
  const auto ask = [&](int caller) -> Awaitable<void> {
    for (int round = 0; round < 500; ++round) {
      std::vector<AppendRequest> requests;
      for (int i = 0; i <= caller % 3; ++i) {
        const Event event{EventId::random(), "happened", "{}", {}, ContentType::json, {}};
        requests.push_back({"s-" + std::to_string(caller) + "-" + std::to_string(i), ExpectedRevision::any(), {event}});
      }
      for (const auto& answer : co_await log.append_many(std::move(requests))) answered += answer.ok();
    }
  };
  for (int caller = 0; caller < 60; ++caller) {
    boost::asio::co_spawn(pool, ask(caller), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }
  pool.join();
  EXPECT_EQ(answered, 60 * 500 * 2);
}

}  // namespace
}  // namespace twinstream::contract
