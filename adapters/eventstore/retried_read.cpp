#include "adapters/eventstore/retried_read.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace twinstream::eventstore {
namespace {

constexpr int most_attempts = 4;
constexpr std::chrono::milliseconds read_pause{50};

}  // namespace

Awaitable<Result<ReadAnswer>> retried_read(Cluster& cluster, ReadQuery query, std::uint64_t count, SteadyTime deadline,
                                           std::chrono::milliseconds timeout) {
  for (int attempt = 1;; ++attempt) {
    const auto connection = co_await cluster.connection(deadline);
    if (!connection) co_return connection.failure();
    auto answer = co_await read_call(*connection, query, count, timeout);
    if (answer.status.ok()) co_return answer;
    const CallFailure failure = explain(answer.status, Intent::read);
    cluster.report(*connection, failure);
    if (!failure.reconnect || attempt == most_attempts) co_return failure.failure;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, read_pause * attempt);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

}  // namespace twinstream::eventstore
