#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/core/await.h"
#include "proxy/core/event_log.h"

namespace twinstream {

/// Runs `work` for every item, at most `limit` at a time, and resumes when all are done.
template <class Item>
Awaitable<void> for_each_concurrently(boost::asio::any_io_executor executor, std::vector<Item> items, std::size_t limit,
                                      std::function<Awaitable<void>(Item)> work) {
  if (items.empty()) co_return;
  struct Run {
    std::vector<Item> items;
    std::function<Awaitable<void>(Item)> work;
    std::size_t next = 0;
    std::size_t workers = 0;
    std::optional<Completion<Done>> done;

    static Awaitable<void> worker(std::shared_ptr<Run> run) {
      while (run->next < run->items.size()) co_await run->work(run->items[run->next++]);
      if (--run->workers == 0) (*run->done)(Done{});
    }
  };
  auto run = std::make_shared<Run>();
  run->items = std::move(items);
  run->work = std::move(work);
  run->workers = std::min(limit, run->items.size());
  auto start = [&](Completion<Done> done) {
    run->done.emplace(std::move(done));
    for (std::size_t worker = 0, workers = run->workers; worker < workers; ++worker) {
      boost::asio::co_spawn(executor, Run::worker(run), boost::asio::detached);
    }
  };
  co_await await_completion<Done>(start);
}

}  // namespace twinstream
