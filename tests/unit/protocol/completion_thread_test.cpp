#include "proxy/protocol/completion_thread.h"

#include <grpcpp/alarm.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

namespace twinstream {
namespace {

/// A call whose operations are alarms that are due: each is ready when it has been started.
class Alarms : public std::enable_shared_from_this<Alarms> {
 public:
  using Ran = std::function<void(Alarms& self)>;

  Alarms(CompletionThread& thread, Ran ran) : thread_(thread), ran_(std::move(ran)) {}

  void start() {
    alarm_.emplace();
    alarm_->Set(&thread_.queue(), gpr_time_0(GPR_CLOCK_MONOTONIC), operation_.of(shared_from_this()));
  }
  void have_run(bool) { ran_(*this); }

 private:
  CompletionThread& thread_;
  Ran ran_;
  std::optional<grpc::Alarm> alarm_;
  Operation<Alarms> operation_{&Alarms::have_run};
};

TEST(CompletionThread, IdleWorkWaitsForTheStepsThatAreReady) {
  CompletionThread thread;
  std::promise<int> idle;
  int steps = 0;
  const auto run = [&](Alarms& alarms) {
    if (++steps == 1) thread.when_idle([&] { idle.set_value(steps); });
    if (steps < 10) alarms.start();
  };
  std::make_shared<Alarms>(thread, run)->start();
  EXPECT_EQ(idle.get_future().get(), 10);
}

TEST(CompletionThread, IdleWorkIsDoneAlthoughStepsFollowWithoutEnd) {
  CompletionThread thread;
  std::promise<bool> idle_between;
  bool idle = false;
  int steps = 0;
  const auto run = [&](Alarms& alarms) {
    if (++steps == 1) thread.when_idle([&] { idle = true; });
    if (!idle && steps < 100'000) return alarms.start();
    idle_between.set_value(idle);
  };
  std::make_shared<Alarms>(thread, run)->start();
  EXPECT_TRUE(idle_between.get_future().get());
}

TEST(CompletionThread, AnOperationKeepsItsCallUntilItHasEnded) {
  std::optional<CompletionThread> thread(std::in_place);
  std::promise<void> ran;
  auto call = std::make_shared<Alarms>(*thread, [&](Alarms&) { ran.set_value(); });
  const std::weak_ptr<Alarms> watched = call;
  call->start();
  call.reset();
  ran.get_future().wait();
  thread.reset();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace twinstream
