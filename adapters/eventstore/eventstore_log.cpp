#include "adapters/eventstore/eventstore_log.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <thread>

#include "adapters/eventstore/appender.h"
#include "adapters/eventstore/catch_up.h"
#include "adapters/eventstore/cluster.h"
#include "adapters/eventstore/reader.h"
#include "adapters/eventstore/session_call.h"
#include "adapters/eventstore/spawn.h"
#include "adapters/eventstore/unary_calls.h"
#include "proxy/core/log.h"
#include "proxy/protocol/completion_thread.h"

namespace twinstream {
namespace {

using namespace eventstore;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds sweep_interval{50};
constexpr milliseconds read_timeout{30'000};
constexpr int most_attempts = 4;
constexpr std::size_t large_append = 256u << 20;

Failure nothing_hidden() { return {FailureCode::stream_not_found, "nothing of the stream is hidden", {}}; }

class EventStoreSubscription final : public Subscription {
 public:
  explicit EventStoreSubscription(std::shared_ptr<CatchUp> reading) : reading_(std::move(reading)) {}
  ~EventStoreSubscription() override { reading_->close(); }

  Awaitable<Result<SubscriptionPage>> next() override { return reading_->next(); }
  void close() override { reading_->close(); }

 private:
  std::shared_ptr<CatchUp> reading_;
};

}  // namespace

/// Members are destroyed in reverse: the context last, because it may still hold coroutines that end with it.
class EventStoreLog::Parts {
 public:
  Parts(std::shared_ptr<const ChannelFactory> factory, const EventStoreConfig& config)
      : timeout_(config.append_timeout),
        delete_timeout_(factory->settings().default_deadline),
        cluster_(io_, std::move(factory), calls_),
        appender_(io_, completions_, cluster_, config.queue_limit, timeout_),
        reader_(cluster_, appender_, timeout_, std::max(read_timeout, delete_timeout_)) {
    spawn(io_, sweep());
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Parts() {
    for_each_subscription([](CatchUp& subscription) { subscription.close(); });
    appender_.close();
    io_.stop();
    thread_.join();
    calls_->cancel_all();
    calls_->wait_until_empty();
    cluster_.close();
  }

  Appender& appender() { return appender_; }
  Reader& reader() { return reader_; }
  std::size_t most_bytes() const { return cluster_.takes_large_appends() ? large_append : traits_.max_append_bytes; }
  const LogTraits& traits() const { return traits_; }

  Awaitable<Result<std::vector<Appended>>> append_session(std::vector<AppendRequest> requests);
  Awaitable<Result<Deleted>> remove(Deletion deletion, std::string stream, ExpectedRevision expected);
  Awaitable<Result<Done>> write_metadata(std::string stream, std::string json);
  Awaitable<Result<std::string>> ping();
  std::unique_ptr<Subscription> subscribe(CatchUp::Start start);

 private:
  Awaitable<void> sweep();
  template <class Action>
  void for_each_subscription(Action action);

  const LogTraits traits_{
      .name = "eventstore", .keeps_created = false, .marks_deletions = true, .holds_system_streams = true};
  const milliseconds timeout_;
  const milliseconds delete_timeout_;
  boost::asio::io_context io_{1};
  CompletionThread completions_;
  const std::shared_ptr<CallRegistry> calls_ = std::make_shared<CallRegistry>();
  Cluster cluster_;
  Appender appender_;
  Reader reader_;
  std::mutex subscriptions_mutex_;
  std::vector<std::weak_ptr<CatchUp>> subscriptions_;
  std::thread thread_;
};

/// Deadlines are kept by looking at them now and then: cheaper than a timer for every append.
Awaitable<void> EventStoreLog::Parts::sweep() {
  boost::asio::steady_timer timer(io_);
  for (;;) {
    timer.expires_after(sweep_interval);
    co_await timer.async_wait(boost::asio::use_awaitable);
    const auto now = Clock::now();
    cluster_.sweep(now);
    appender_.sweep(now);
    for_each_subscription([now](CatchUp& subscription) { subscription.sweep(now); });
  }
}

template <class Action>
void EventStoreLog::Parts::for_each_subscription(Action action) {
  std::vector<std::shared_ptr<CatchUp>> live;
  {
    const std::lock_guard lock(subscriptions_mutex_);
    std::erase_if(subscriptions_, [](const auto& subscription) { return subscription.expired(); });
    for (const auto& subscription : subscriptions_) {
      if (auto held = subscription.lock()) live.push_back(std::move(held));
    }
  }
  for (const auto& subscription : live) action(*subscription);
}

std::unique_ptr<Subscription> EventStoreLog::Parts::subscribe(CatchUp::Start start) {
  auto reading = std::make_shared<CatchUp>(io_, cluster_, std::move(start));
  {
    const std::lock_guard lock(subscriptions_mutex_);
    subscriptions_.push_back(reading);
  }
  reading->begin();
  return std::make_unique<EventStoreSubscription>(std::move(reading));
}

Awaitable<Result<Deleted>> EventStoreLog::Parts::remove(Deletion deletion, std::string stream,
                                                        ExpectedRevision expected) {
  const auto deadline = Clock::now() + timeout_;
  for (int attempt = 1;; ++attempt) {
    const auto connection = co_await cluster_.connection(deadline);
    if (!connection) co_return connection.failure();
    const auto reply = co_await delete_stream(*connection, deletion, stream, expected, delete_timeout_);
    if (reply.status.ok()) co_return reply.value;
    const CallFailure failure = explain(reply.status, Intent::write);
    cluster_.report(*connection, failure);
    const bool again = failure.reconnect && failure.not_executed && attempt < most_attempts;
    if (!again) co_return failure.failure;
  }
}

/// Repetitions are told by the position, as everywhere here: what was there before the call is one.
Awaitable<Result<std::vector<Appended>>> EventStoreLog::Parts::append_session(std::vector<AppendRequest> requests) {
  if (auto refusal = refuse_session(requests)) co_return *refusal;
  const auto shared = std::make_shared<const std::vector<AppendRequest>>(std::move(requests));
  const auto deadline = Clock::now() + timeout_;
  const auto end = co_await reader_.tip();
  for (int attempt = 1;; ++attempt) {
    const auto connection = co_await cluster_.connection(deadline);
    if (!connection) co_return connection.failure();
    if (!(*connection)->features.append_session) {
      co_return Failure{FailureCode::rejected, "this EventStore cannot append to several streams at once (KurrentDB since 25.1 can)", {}};
    }
    auto reply = co_await session_call(*connection, shared, timeout_);
    if (reply.status.ok()) {
      const bool repeated = end && !reply.appended.empty() && reply.appended.back().position <= *end;
      for (Appended& appended : reply.appended) appended.duplicate = repeated;
      co_return std::move(reply.appended);
    }
    const CallFailure failure = reply.refusal ? *reply.refusal : explain(reply.status, Intent::write);
    cluster_.report(*connection, failure);
    const bool again = failure.reconnect && failure.not_executed && attempt < most_attempts;
    if (!again) co_return failure.failure;
  }
}

Awaitable<Result<Done>> EventStoreLog::Parts::write_metadata(std::string stream, std::string json) {
  std::vector<AppendRequest> requests(1);
  requests[0].stream = "$$" + stream;
  requests[0].events.push_back({EventId::random(), "$metadata", std::move(json), {}, ContentType::json, {}});
  const auto answers = co_await appender_.append(std::move(requests), most_bytes());
  if (!answers.front()) co_return answers.front().failure();
  co_return Done{};
}

Awaitable<Result<std::string>> EventStoreLog::Parts::ping() {
  for (int attempt = 1;; ++attempt) {
    const auto connection = co_await cluster_.connection(Clock::now() + timeout_);
    if (!connection) co_return connection.failure();
    const auto reply = co_await fetch_features(*connection, timeout_);
    if (reply.status.ok()) {
      const std::string& version = reply.value.version;
      const bool renamed = !version.empty() && std::atoi(version.c_str()) >= 25;
      const std::string name = renamed ? "KurrentDB " : "EventStoreDB ";
      co_return name + (version.empty() ? "of unknown version" : version);
    }
    const CallFailure failure = explain(reply.status, Intent::read);
    cluster_.report(*connection, failure);
    if (!failure.reconnect || attempt == most_attempts) co_return failure.failure;
  }
}

Result<std::unique_ptr<EventStoreLog>> EventStoreLog::open(const EventStoreConfig& config) {
  auto settings = parse_connection_string(config.url);
  if (!settings) return settings.failure();
  log::info("EventStore configured", {{"url", redacted(*settings)}});
  settings->credentials_file = config.credentials_file;
  auto factory = ChannelFactory::load(std::move(*settings));
  if (!factory) return factory.failure();
  auto parts = std::make_unique<Parts>(std::move(*factory), config);
  return std::unique_ptr<EventStoreLog>(new EventStoreLog(std::move(parts)));
}

EventStoreLog::EventStoreLog(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

EventStoreLog::~EventStoreLog() = default;

const LogTraits& EventStoreLog::traits() const { return parts_->traits(); }

std::optional<Failure> EventStoreLog::refuses(const AppendRequest& request) const {
  return refuse_append(request, parts_->most_bytes());
}

Awaitable<Result<Appended>> EventStoreLog::append(AppendRequest request) {
  std::vector<AppendRequest> requests;
  requests.push_back(std::move(request));
  auto answers = co_await parts_->appender().append(std::move(requests), parts_->most_bytes());
  co_return std::move(answers.front());
}

Awaitable<std::vector<Result<Appended>>> EventStoreLog::append_many(std::vector<AppendRequest> requests) {
  return parts_->appender().append(std::move(requests), parts_->most_bytes());
}

Awaitable<Result<std::vector<Appended>>> EventStoreLog::append_together(std::vector<AppendRequest> requests,
                                                                        std::vector<StreamCheck> checks) {
  if (auto refusal = refuses_together(requests)) co_return *refusal;
  if (requests.size() == 1 || !checks.empty()) {
    co_return co_await EventLog::append_together(std::move(requests), std::move(checks));
  }
  co_return co_await parts_->append_session(std::move(requests));
}

Awaitable<Result<StreamPage>> EventStoreLog::read_stream(ReadStream request) {
  return parts_->reader().read_stream(std::move(request));
}

Awaitable<Result<AllPage>> EventStoreLog::read_all(ReadAll request) { return parts_->reader().read_all(request); }

Awaitable<Result<Head>> EventStoreLog::head(std::string stream) { return parts_->reader().head(std::move(stream)); }

Awaitable<Result<Position>> EventStoreLog::tip() { return parts_->reader().tip(); }

Awaitable<Result<Deleted>> EventStoreLog::soft_delete(std::string stream, ExpectedRevision expected) {
  return parts_->remove(Deletion::soft, std::move(stream), expected);
}

Awaitable<Result<Deleted>> EventStoreLog::tombstone(std::string stream, ExpectedRevision expected) {
  return parts_->remove(Deletion::tombstone, std::move(stream), expected);
}

Awaitable<Result<Done>> EventStoreLog::restore(std::string stream) {
  const auto head = co_await parts_->reader().head(stream);
  if (!head) co_return head.failure();
  if (head->state == Head::State::tombstoned) {
    co_return Failure{FailureCode::stream_deleted, "the stream is deleted in EventStore", {}};
  }
  if (head->state == Head::State::soft_deleted) {
    // Any write of metadata undeletes the stream, but the server answers it with a mark that hides what was there. Only
    // the second write takes that away.
    auto undeleted = co_await parts_->write_metadata(stream, "{}");
    if (!undeleted) co_return undeleted;
    co_return co_await parts_->write_metadata(stream, "{}");
  }
  const auto metadata = co_await parts_->reader().metadata(stream);
  if (!metadata) co_return metadata.failure();
  if (truncated_before(*metadata).value_or(0) == 0) co_return nothing_hidden();
  co_return co_await parts_->write_metadata(stream, without_truncation(*metadata));
}

std::unique_ptr<Subscription> EventStoreLog::subscribe_all(Position after) {
  return parts_->subscribe({std::nullopt, after, std::nullopt});
}

std::unique_ptr<Subscription> EventStoreLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  return parts_->subscribe({std::move(stream), Position::start(), after});
}

Awaitable<Result<std::string>> EventStoreLog::ping() { return parts_->ping(); }

}  // namespace twinstream
