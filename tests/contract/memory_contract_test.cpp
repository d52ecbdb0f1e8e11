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

}  // namespace
}  // namespace twinstream::contract
