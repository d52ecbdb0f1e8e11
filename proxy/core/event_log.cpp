#include "proxy/core/event_log.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <unordered_set>

#include "proxy/core/append_gathering.h"

namespace twinstream {
namespace {

Awaitable<void> append_one(EventLog& log, AppendRequest request, std::size_t index,
                           std::shared_ptr<AppendGathering> gathering) {
  gathering->answer(index, co_await log.append(std::move(request)));
}

}  // namespace

std::optional<Failure> EventLog::refuses(const AppendRequest& request) const {
  const LogTraits& limits = traits();
  const auto reject = [&](std::string reason) {
    return Failure{FailureCode::rejected, limits.name + " cannot hold this: " + std::move(reason), {}};
  };
  if (request.stream.empty()) return reject("the stream name is empty");
  if (request.stream.size() > limits.max_stream_name_bytes) {
    return reject("the stream name is longer than " + std::to_string(limits.max_stream_name_bytes) + " bytes");
  }
  if (is_system_stream(request.stream) && !limits.holds_system_streams) {
    return reject("stream names that start with $ belong to EventStore itself");
  }
  std::size_t bytes = 0;
  for (const Event& event : request.events) {
    if (event.id.is_nil()) return reject("an event id is all zero");
    if (event.type.empty()) return reject("an event type is empty");
    bytes += event.data.size() + event.metadata.size() + 2 * event.type.size();
  }
  if (bytes > limits.max_append_bytes) {
    return reject("the append has " + std::to_string(bytes) + " bytes, the limit is " +
                  std::to_string(limits.max_append_bytes));
  }
  return std::nullopt;
}

Awaitable<std::vector<Result<Appended>>> EventLog::append_many(std::vector<AppendRequest> requests) {
  if (requests.empty()) co_return AppendAnswers{};
  const auto executor = co_await boost::asio::this_coro::executor;
  auto start = [&](Completion<AppendAnswers> done) {
    // Once the last append is under way the coroutine may be gone, on another thread, and its variables with it.
    const std::size_t count = requests.size();
    auto gathering = std::make_shared<AppendGathering>(count, std::move(done));
    for (std::size_t i = 0; i < count; ++i) {
      boost::asio::co_spawn(executor, append_one(*this, std::move(requests[i]), i, gathering),
                            [](std::exception_ptr) {});
    }
  };
  co_return co_await await_completion<AppendAnswers>(start);
}

Awaitable<Result<std::vector<Appended>>> EventLog::append_together(std::vector<AppendRequest> requests,
                                                                   std::vector<StreamCheck> checks) {
  if (auto refusal = refuses_together(requests)) co_return *refusal;
  if (requests.size() > 1 || !checks.empty()) {
    const std::string what = checks.empty() ? "append to several streams at once" : "append with checks on streams";
    co_return Failure{FailureCode::rejected, traits().name + " cannot " + what, {}};
  }
  auto appended = co_await append(std::move(requests.front()));
  if (!appended) {
    appended.failure().request = 0;
    co_return appended.failure();
  }
  co_return std::vector<Appended>{*appended};
}

std::optional<Failure> EventLog::refuses_together(const std::vector<AppendRequest>& requests) const {
  if (requests.empty()) return Failure{FailureCode::rejected, "the append has no streams", {}};
  const auto refuse = [](FailureCode code, std::string reason, std::size_t request) {
    return Failure{code, std::move(reason), {}, request};
  };
  std::unordered_set<std::string_view> streams;
  std::unordered_set<EventId> ids;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const AppendRequest& request = requests[i];
    if (auto refusal = refuses(request)) return refuse(refusal->code, refusal->reason, i);
    if (!streams.insert(request.stream).second) {
      return refuse(FailureCode::rejected, "stream " + request.stream + " occurs twice in one append", i);
    }
    for (const Event& event : request.events) {
      bytes += event.data.size() + event.metadata.size();
      if (!ids.insert(event.id).second) {
        return refuse(FailureCode::id_conflict, "event id " + event.id.to_string() + " occurs twice in one append", i);
      }
    }
  }
  if (bytes <= traits().max_append_bytes) return std::nullopt;
  return Failure{FailureCode::rejected, "the append has " + std::to_string(bytes) + " bytes, the limit is " +
                                            std::to_string(traits().max_append_bytes), {}};
}

namespace {

using State = StreamCheck::State;

/// Nothing when the check holds (table in section 14.2 of the EventStore reference).
std::optional<std::int64_t> actual_state(const StreamCheck& check, const Head& head, bool written) {
  constexpr std::int64_t no_events = -1, soft_deleted = -5, tombstoned = -6;
  const auto revision = static_cast<std::int64_t>(head.revision.value_or(0));
  switch (head.state) {
    case Head::State::tombstoned:
      if (!written && (check.state == State::none || check.state == State::tombstoned)) return std::nullopt;
      return tombstoned;
    case Head::State::none:
      if (check.state == State::none) return std::nullopt;
      return no_events;
    case Head::State::soft_deleted:
      if (check.state == State::exists) return soft_deleted;
      if (check.state == State::none || check.state == State::soft_deleted) return std::nullopt;
      break;
    case Head::State::live:
      if (check.state == State::exists) return std::nullopt;
      break;
  }
  if (check.state == State::exact && check.revision == head.revision) return std::nullopt;
  return revision;
}

std::optional<Failure> violated(const std::vector<AppendRequest>& requests, const std::vector<StreamCheck>& checks,
                                const std::vector<Head>& checked) {
  Failure failure{FailureCode::wrong_expected_revision, "", {}};
  for (std::size_t i = 0; i < checks.size(); ++i) {
    bool written = false;
    for (const auto& request : requests) written = written || request.stream == checks[i].stream;
    const auto actual = actual_state(checks[i], checked[i], written);
    if (!actual) continue;
    failure.reason += (failure.reason.empty() ? "not as expected: stream " : ", ") + checks[i].stream;
    failure.violations.push_back({i, *actual});
  }
  if (failure.violations.empty()) return std::nullopt;
  return failure;
}

}  // namespace

std::optional<Failure> together(const std::vector<AppendRequest>& requests,
                                const std::vector<Result<Appended>>& answers, const std::vector<StreamCheck>& checks,
                                const std::vector<Head>& checked) {
  const bool all_repeated =
      std::all_of(answers.begin(), answers.end(), [](const auto& answer) { return answer.ok() && answer->duplicate; });
  if (all_repeated) return std::nullopt;
  if (auto failure = violated(requests, checks, checked)) return failure;
  std::optional<std::size_t> repeated;
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok()) {
      Failure failure = answers[i].failure();
      failure.request = i;
      return failure;
    }
    if (answers[i]->duplicate && !repeated) repeated = i;
    if (!answers[i]->duplicate && !requests[i].events.empty()) ++fresh;
  }
  if (!repeated || fresh == 0) return std::nullopt;
  return Failure{FailureCode::wrong_expected_revision,
                 "stream " + requests[*repeated].stream + " has the events of this append already, others have not",
                 answers[*repeated]->revision, repeated};
}

}  // namespace twinstream
