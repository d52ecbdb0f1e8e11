#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace twinstream::eventstore {

/// Starts a coroutine on `io`, never inside the call: so it may be started with a lock held that it takes itself.
inline void spawn(boost::asio::io_context& io, boost::asio::awaitable<void> work) {
  boost::asio::post(io, [&io, work = std::move(work)]() mutable {
    boost::asio::co_spawn(io, std::move(work), boost::asio::detached);
  });
}

}  // namespace twinstream::eventstore
