#include "proxy/persistent/groups.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <random>

#include "adapters/memory/faulty_log.h"
#include "proxy/core/links.h"
#include "proxy/core/run_on.h"
#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream::persistent {
namespace {

using namespace std::chrono_literals;

/// The system's clock, hurrying: what waits a second waits 5 ms.
class HurryingClock final : public Clock {
 public:
  Timestamp now() const override { return system_.now(); }
  std::chrono::nanoseconds monotonic() const override { return system_.monotonic() * speed; }
  std::unique_ptr<Timer> after(boost::asio::any_io_executor executor, std::chrono::nanoseconds delay,
                               std::function<void()> callback) override {
    return system_.after(std::move(executor), delay / speed, std::move(callback));
  }

 private:
  static constexpr int speed = 200;
  SystemClock system_;
};

struct Sink : Consumer {
  std::deque<Delivery> got;
  int confirmed = 0;
  void confirm() override { ++confirmed; }
  void deliver(const Delivery& delivery) override { got.push_back(delivery); }
  void drop(const Drop&) override {}
};

/// A stream of its own and a state of its own, both in stores that fail now and then, on one thread.
class Scenario {
 public:
  explicit Scenario(std::uint64_t seed) : random_(seed) {}

  void play() {
    boost::asio::co_spawn(context_, play_through(), contract::rethrow);
    context_.run_for(2min);
    ASSERT_TRUE(ended_) << "it did not come to an end";
  }

 private:
  static constexpr std::uint64_t event_count = 120;

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  InjectedFault inject() {
    if (!faults_ || below(8) > 0) return {};
    constexpr Fault some[] = {Fault::refused, Fault::unanswered, Fault::answer_lost};
    return {some[below(3)], {}, {}};
  }

  Environment environment() {
    return {source_, StateStore(state_, "t-"), clock_, context_.get_executor(),
            [](const auto& executor, Awaitable<void> task) {
              boost::asio::co_spawn(executor, std::move(task), contract::rethrow);
            },
            [](const Filter&) { return Result<Environment::Matches>(Failure{FailureCode::rejected, "none", {}}); },
            [](std::string_view) { return false; }};
  }

  Awaitable<void> play_through() {
    for (std::uint64_t i = 0; i < event_count; ++i) {
      (void)co_await log_->append({"s", ExpectedRevision::any(), {json_event()}});
    }
    for (bool created = false; !created;) {
      Groups groups(environment());
      GroupConfig config;
      config.name = name_;
      config.settings.max_retry_count = 2;
      config.settings.message_timeout = 3s;
      config.settings.max_checkpoint_count = 7;
      config.settings.live_buffer_size = 30;
      config.settings.history_buffer_size = 30;
      config.settings.read_batch_size = 10;
      config.start.kind = Start::Kind::beginning;
      const auto answer = co_await groups.create(config);
      // When its answer was lost it exists already.
      created = answer.ok();
    }
    while (!co_await live_and_die()) continue;
    faults_ = false;
    co_await check();
    ended_ = true;
  }

  /// From a start to a crash or an end; true when everything is finished.
  Awaitable<bool> live_and_die() {
    Groups groups(environment());
    std::shared_ptr<Runner> runner;
    while (!runner) {
      const auto found = co_await groups.find(name_);
      if (found.ok()) runner = std::get<std::shared_ptr<Runner>>(*found);
    }
    std::vector<std::shared_ptr<Sink>> sinks{std::make_shared<Sink>(), std::make_shared<Sink>()};
    std::vector<ConsumerId> ids;
    while (ids.size() < sinks.size()) {
      const auto connected = co_await run_on(runner->executor(), runner->connect(sinks[ids.size()], {}, 5));
      if (connected.ok()) ids.push_back(std::get<ConsumerId>(*connected));
    }
    const bool crashes = below(3) > 0;
    const auto life = 1 + below(60);
    bool through = false;
    for (std::uint64_t step = 0; !through && (!crashes || step < life); ++step) {
      co_await clock_.sleep(200ms);
      for (std::size_t i = 0; i < sinks.size(); ++i) co_await run_on(runner->executor(), answer(*runner, ids[i], *sinks[i]));
      const auto info = co_await run_on(runner->executor(), runner->info());
      through = info.ok() && info->state.outstanding == 0 && info->state.seen.next_revision == event_count;
    }
    if (through) faults_ = false;
    co_await run_on(runner->executor(), runner->stop({}, through));
    co_return through;
  }

  Awaitable<Done> answer(Runner& runner, ConsumerId id, Sink& sink) {
    while (!sink.got.empty()) {
      const Delivery delivery = std::move(sink.got.front());
      sink.got.pop_front();
      const auto revision = delivery.payload->original.revision;
      const EventId& event = delivery.payload->id();
      runner.written(id);
      const auto how = below(10);
      if (how == 0) continue;  // it times out
      if (how == 1) runner.refuse(id, {event}, Refusal::park, "no");
      if (how == 2) runner.refuse(id, {event}, Refusal::retry, "again");
      if (how < 3) continue;
      runner.acknowledge(id, {event});
      acknowledged_.insert(revision);
    }
    co_return Done{};
  }

  Awaitable<void> check() {
    StateStore store(*log_, "t-");
    const auto checkpoint = co_await store.load_checkpoint(name_);
    EXPECT_TRUE(checkpoint.ok() && *checkpoint && (*checkpoint)->next_revision == event_count);
    auto finished = acknowledged_;
    const auto parked = co_await store.read_parked(name_, 0, 10'000);
    for (const auto& link : *parked) finished.insert(parse_link(link.event.data)->revision);
    for (std::uint64_t revision = 0; revision < event_count; ++revision) {
      EXPECT_TRUE(finished.contains(revision)) << revision << " is neither acknowledged nor parked";
    }
    EXPECT_FALSE(parked->empty());
  }

  std::mt19937_64 random_;
  TemporaryDirectory directory_;
  std::unique_ptr<EmbeddedLog> log_ = open_log(directory_.path());
  boost::asio::io_context context_;
  HurryingClock clock_;
  FaultyLog source_{*log_, clock_, clock_, context_.get_executor(), [this](const FaultPoint&) { return inject(); }};
  FaultyLog state_{*log_, clock_, clock_, context_.get_executor(), [this](const FaultPoint&) { return inject(); }};
  const GroupName name_{"s", "g"};
  std::set<std::uint64_t> acknowledged_;
  bool faults_ = true;
  bool ended_ = false;
};

TEST(GroupsUnderFaults, every_event_is_acknowledged_or_parked_whatever_the_stores_do_and_however_often_it_crashes) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scenario(seed).play();
  }
}

TEST(ConfigurationJson, comes_back_as_it_was) {
  GroupConfig stream;
  stream.name = {"a \"name\"", "g"};
  stream.start = {Start::Kind::at, 5, {}};
  stream.begin = {5, {}};
  stream.settings.strategy = Strategy::pinned_by_correlation;
  stream.settings.message_timeout = 1'234us;
  GroupConfig all;
  all.name = {"$all", "h"};
  all.start = {Start::Kind::end, 0, {}};
  all.begin = {0, {(1ull << 62) + 7, (1ull << 62) + 7}};
  all.filter = Filter{true, "^a+$", {"x-", "y-"}};
  all.settings.resolve_links = true;
  const std::vector<GroupConfig> groups{stream, all};
  EXPECT_EQ(parse_configuration(to_json(groups, Timestamp{})), groups);
  for (const auto* text : {"", "{}", "[]", R"({"entries":[{}]})", R"({"entries":[1]})"}) {
    EXPECT_FALSE(parse_configuration(text)) << text;
  }
}

}  // namespace
}  // namespace twinstream::persistent
