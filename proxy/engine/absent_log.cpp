#include "proxy/engine/absent_log.h"

namespace twinstream {
namespace {

class AbsentSubscription final : public Subscription {
 public:
  explicit AbsentSubscription(Failure failure) : failure_(std::move(failure)) {}
  Awaitable<Result<SubscriptionPage>> next() override { co_return failure_; }
  void close() override {}

 private:
  Failure failure_;
};

class AbsentLog final : public EventLog {
 public:
  AbsentLog(std::string name, std::string reason) : failure_{FailureCode::unavailable, std::move(reason), {}} {
    traits_.name = std::move(name);
    traits_.keeps_created = false;
    traits_.holds_system_streams = true;
  }

  const LogTraits& traits() const override { return traits_; }
  Awaitable<Result<Appended>> append(AppendRequest) override { co_return failure_; }
  Awaitable<Result<StreamPage>> read_stream(ReadStream) override { co_return failure_; }
  Awaitable<Result<AllPage>> read_all(ReadAll) override { co_return failure_; }
  Awaitable<Result<Head>> head(std::string) override { co_return failure_; }
  Awaitable<Result<Position>> tip() override { co_return failure_; }
  Awaitable<Result<Deleted>> soft_delete(std::string, ExpectedRevision) override { co_return failure_; }
  Awaitable<Result<Deleted>> tombstone(std::string, ExpectedRevision) override { co_return failure_; }
  Awaitable<Result<Done>> restore(std::string) override { co_return failure_; }
  std::unique_ptr<Subscription> subscribe_all(Position) override { return absent(); }
  std::unique_ptr<Subscription> subscribe_stream(std::string, std::optional<std::uint64_t>) override { return absent(); }
  Awaitable<Result<std::string>> ping() override { co_return failure_; }

 private:
  std::unique_ptr<Subscription> absent() const { return std::make_unique<AbsentSubscription>(failure_); }

  Failure failure_;
  LogTraits traits_;
};

}  // namespace

std::unique_ptr<EventLog> absent_log(std::string name, std::string reason) {
  return std::make_unique<AbsentLog>(std::move(name), std::move(reason));
}

}  // namespace twinstream
