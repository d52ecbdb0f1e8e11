#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "adapters/eventstore/eventstore_log.h"
#include "tests/integration/eventstore_fake.h"

namespace twinstream::testing {

/// The answer of an operation under way.
template <class T>
class Pending {
 public:
  explicit Pending(std::future<T> answer) : answer_(std::move(answer)) {}

  bool ready() const { return answer_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

  T get() {
    if (answer_.wait_for(std::chrono::minutes(1)) == std::future_status::ready) return answer_.get();
    std::cerr << "an operation was not answered within a minute\n";
    std::abort();
  }

 private:
  std::future<T> answer_;
};

template <class T>
Awaitable<void> keep_promise(Awaitable<T> operation, std::shared_ptr<std::promise<T>> promise) {
  promise->set_value(co_await std::move(operation));
}

/// Runs operations on a thread of its own.
class Caller {
 public:
  Caller() : work_(boost::asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~Caller() {
    work_.reset();
    thread_.join();
  }

  template <class T>
  Pending<T> start(Awaitable<T> operation) {
    auto promise = std::make_shared<std::promise<T>>();
    auto answer = promise->get_future();
    boost::asio::co_spawn(io_, keep_promise(std::move(operation), std::move(promise)), rethrow);
    return Pending<T>(std::move(answer));
  }

  template <class T>
  T run(Awaitable<T> operation) {
    return start(std::move(operation)).get();
  }

 private:
  static void rethrow(std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  }

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

inline const auto any = ExpectedRevision::any();

inline Event an_event(std::size_t bytes = 10) {
  return {EventId::random(), "Tested", std::string(bytes, 'x'), R"({"a":1})", ContentType::json, {}};
}

inline ReadStream forwards(std::string stream) { return {std::move(stream), Direction::forwards, {}, 500, false}; }

inline std::unique_ptr<EventStoreLog> open_log(const std::string& url, std::chrono::milliseconds timeout,
                                               std::size_t queue_limit = 1000) {
  auto log = EventStoreLog::open({url, queue_limit, timeout});
  if (!log) {
    std::cerr << log.failure().reason << '\n';
    std::abort();
  }
  return std::move(*log);
}

/// What a subscription delivers next; fewer when the subscription fails or nothing comes for long.
inline std::vector<RecordedEvent> next_events(Caller& caller, Subscription& subscription, std::size_t count) {
  std::vector<RecordedEvent> events;
  for (int idle = 0; events.size() < count && idle < 30; ++idle) {
    auto page = caller.run(subscription.next());
    if (!page.ok()) break;
    if (!page->events.empty()) idle = 0;
    for (auto& recorded : page->events) events.push_back(std::move(recorded));
  }
  return events;
}

/// One server, one log.
class WithEventStore : public ::testing::Test {
 protected:
  static constexpr std::chrono::milliseconds patient{20'000};

  void connect(std::chrono::milliseconds timeout = patient, std::size_t queue_limit = 1000) {
    log = open_log(server.url(), timeout, queue_limit);
  }

  Pending<Result<Appended>> start_append(std::string stream, ExpectedRevision expected, std::vector<Event> events) {
    return caller.start(log->append({std::move(stream), expected, std::move(events)}));
  }

  Result<Appended> append(std::string stream, ExpectedRevision expected, std::vector<Event> events) {
    return start_append(std::move(stream), expected, std::move(events)).get();
  }

  /// Makes every shared call answer once: from then on it is pipelined.
  void warm_up() {
    for (int i = 0; i < 16; ++i) {
      ASSERT_TRUE(append("warm-" + std::to_string(i), ExpectedRevision::any(), {an_event()}).ok());
    }
  }

  /// How many appends to this stream the server has seen.
  std::size_t seen(const std::string& stream) const {
    std::size_t found = 0;
    for (const auto& each : server.appends()) found += each.stream == stream;
    return found;
  }

  FakeEventStore server;
  Caller caller;
  std::unique_ptr<EventStoreLog> log;
};

}  // namespace twinstream::testing
