#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/memory/memory_log.h"
#include "proxy/engine/gateway.h"
#include "proxy/http/capture.h"
#include "proxy/http/message.h"
#include "proxy/http/upstream.h"

// What the tests of the HTTP door share: a log that can be told what to answer, an engine and a backend of a few lines.

namespace twinstream::http::door_test {

/// Runs one handler to its end.
inline Response run(Awaitable<Response> handler) {
  boost::asio::io_context io;
  std::optional<Response> answer;
  std::exception_ptr error;
  boost::asio::co_spawn(io, std::move(handler), [&](std::exception_ptr thrown, Response response) {
    error = thrown;
    answer = std::move(response);
  });
  io.run();
  if (error) std::rethrow_exception(error);
  return answer.value();
}

/// A log in memory whose next answer to an append, delete or read can be set.
class ScriptedLog final : public EventLog {
 public:
  explicit ScriptedLog(LogTraits traits = LogTraits{.name = "memory", .max_append_bytes = 64 * 1024 * 1024})
      : memory_(MemoryLogOptions{.traits = std::move(traits)}) {}

  std::optional<Failure> next_failure;
  MirrorState mirror = MirrorState::none;
  std::vector<AppendRequest> appends;

  MemoryStore& store() { return memory_.store(); }
  std::vector<RecordedEvent> events(const std::string& stream) {
    ReadStream read;
    read.stream = stream;
    read.max_count = 100'000;
    auto page = store().read_stream(read);
    return page.ok() ? page->events : std::vector<RecordedEvent>{};
  }
  void add(const std::string& stream, Event event) {
    ASSERT_TRUE(store().append({stream, ExpectedRevision::any(), {std::move(event)}}, Timestamp{}).ok());
  }

  const LogTraits& traits() const override { return memory_.traits(); }
  Awaitable<Result<Appended>> append(AppendRequest request) override {
    appends.push_back(request);
    if (next_failure) co_return *std::exchange(next_failure, {});
    auto appended = co_await memory_.append(std::move(request));
    if (appended.ok()) appended->mirror = mirror;
    co_return appended;
  }
  Awaitable<Result<StreamPage>> read_stream(ReadStream request) override {
    if (next_failure) co_return *std::exchange(next_failure, {});
    co_return co_await memory_.read_stream(std::move(request));
  }
  Awaitable<Result<AllPage>> read_all(ReadAll request) override { return memory_.read_all(request); }
  Awaitable<Result<Head>> head(std::string stream) override { return memory_.head(std::move(stream)); }
  Awaitable<Result<Position>> tip() override { return memory_.tip(); }
  Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) override {
    if (next_failure) co_return *std::exchange(next_failure, {});
    co_return co_await memory_.soft_delete(std::move(stream), expected);
  }
  Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) override {
    return memory_.tombstone(std::move(stream), expected);
  }
  Awaitable<Result<Done>> restore(std::string stream) override { return memory_.restore(std::move(stream)); }
  std::unique_ptr<Subscription> subscribe_all(Position after) override { return memory_.subscribe_all(after); }
  std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) override {
    return memory_.subscribe_stream(std::move(stream), after);
  }
  Awaitable<Result<std::string>> ping() override { return memory_.ping(); }

 private:
  MemoryLog memory_;
};

class FakeGateway final : public Gateway {
 public:
  ScriptedLog chosen;    ///< what `log()` is
  ScriptedLog postgres;  ///< what `store(postgres)` is
  ReadSource source = ReadSource::backend;
  bool compare = false;
  std::optional<Failure> admission;
  MirrorState carried_state = MirrorState::done;
  std::vector<std::string> admitted;
  std::vector<std::string> carried;
  int permits = 0;            ///< held now
  int permits_at_carry = -1;  ///< held while `carry` ran
  struct Comparison {
    std::string stream;
    bool equal;
    std::string detail;
  };
  std::vector<Comparison> comparisons;

  EventLog& log() override { return chosen; }
  ReadSource read_source(std::string_view) override { return source; }
  bool compare_this_read(std::string_view) override { return compare; }
  void report_comparison(std::string_view stream, bool equal, std::string_view detail) override {
    comparisons.push_back({std::string(stream), equal, std::string(detail)});
  }
  EventLog& store(ReadSource which) override { return which == ReadSource::postgres ? postgres : chosen; }
  Awaitable<Result<std::shared_ptr<void>>> admit_backend_write(std::string category) override {
    admitted.push_back(category);
    if (admission) co_return *admission;
    ++permits;
    std::shared_ptr<void> permit(nullptr, [this](void*) { --permits; });
    co_return permit;
  }
  Awaitable<MirrorState> carry(std::string stream) override {
    carried.push_back(stream);
    permits_at_carry = permits;
    co_return carried_state;
  }
};

class FakeUpstream final : public Upstream {
 public:
  std::function<Result<Response>(const Request&)> answer;
  std::vector<Request> requests;

  Awaitable<Result<Response>> fetch(Request request) override {
    requests.push_back(request);
    co_return answer(request);
  }
};

inline Response plain_response(int status, std::string body = {}) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

inline Request make_request(std::string method, std::string target, Headers headers = {}, std::string body = {}) {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers.add("Host", "db.example:2113");
  for (auto& [name, value] : headers) request.headers.add(name, value);
  request.body = std::move(body);
  return request;
}

inline std::string header(const Response& response, std::string_view name) {
  return std::string(response.headers.get(name).value_or("(none)"));
}

inline Event json_event(int number, std::string type = "Happened") {
  Event event;
  event.id = EventId::derive(type + std::to_string(number));
  event.type = std::move(type);
  event.data = R"({"n":)" + std::to_string(number) + "}";
  event.created = Timestamp{std::chrono::seconds{1709294400 + number}};
  return event;
}

}  // namespace twinstream::http::door_test
