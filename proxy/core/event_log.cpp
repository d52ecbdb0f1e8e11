#include "proxy/core/event_log.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "proxy/core/await.h"

namespace twinstream {
namespace {

using Answers = std::vector<Result<Appended>>;

/// Collects the answers of concurrent appends; the last one to finish completes the caller.
struct Gathering {
  Answers answers;
  std::size_t missing;
  Completion<Answers> done;
};

Awaitable<void> append_one(EventLog& log, AppendRequest request, std::size_t index,
                           std::shared_ptr<Gathering> gathering) {
  gathering->answers[index] = co_await log.append(std::move(request));
  if (--gathering->missing == 0) gathering->done(std::move(gathering->answers));
}

}  // namespace

Awaitable<std::vector<Result<Appended>>> EventLog::append_many(std::vector<AppendRequest> requests) {
  if (requests.empty()) co_return Answers{};
  const auto executor = co_await boost::asio::this_coro::executor;
  auto start = [&](Completion<Answers> done) {
    Answers empty(requests.size(), Failure{FailureCode::cancelled, "not answered", {}});
    auto gathering = std::make_shared<Gathering>(Gathering{std::move(empty), requests.size(), std::move(done)});
    for (std::size_t i = 0; i < requests.size(); ++i) {
      boost::asio::co_spawn(executor, append_one(*this, std::move(requests[i]), i, gathering),
                            [](std::exception_ptr) {});
    }
  };
  co_return co_await await_completion<Answers>(start);
}

}  // namespace twinstream
