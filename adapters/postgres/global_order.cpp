#include "adapters/postgres/global_order.h"

#include <algorithm>
#include <iterator>

#include "adapters/postgres/fence.h"
#include "proxy/core/clock.h"

namespace twinstream::postgres {
namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

/// How long a read at the end waits for writers under way before it answers an empty page.
constexpr Milliseconds wait_at_the_end = 1s;

struct Attempt {
  Fence fence;
  bool closed = false;
};

Failure still_open() {
  return {FailureCode::unavailable,
          "a transaction that writes to the event table stays open, so the end of the log is not final; look for it in "
          "pg_stat_activity and pg_prepared_xacts",
          {}};
}

void raise_to(std::atomic<std::uint64_t>& value, std::uint64_t at_least) {
  std::uint64_t now = value.load();
  while (now < at_least && !value.compare_exchange_weak(now, at_least)) {
  }
}

}  // namespace

Awaitable<Result<std::optional<std::uint64_t>>> GlobalOrder::close_fence(Milliseconds patience) {
  SystemClock clock;
  const auto deadline = clock.monotonic() + patience;
  const std::uint64_t low = final_.load();
  std::function<Result<Attempt>(Connection&)> raise = [table = table_, low](Connection& connection) -> Result<Attempt> {
    Attempt attempt{Fence::raise(connection, table->statements, low), false};
    attempt.closed = attempt.fence.is_closed(connection, table->statements);
    return attempt;
  };
  auto attempt = co_await readers_.repeatable<Attempt>(raise);
  if (!attempt.ok()) co_return attempt.failure();
  for (Milliseconds wait = 2ms; !attempt->closed; wait = std::min(2 * wait, 50ms)) {
    if (clock.monotonic() >= deadline) co_return std::optional<std::uint64_t>();
    co_await clock.sleep(wait);
    std::function<Result<bool>(Connection&)> look = [table = table_, fence = attempt->fence](Connection& connection) {
      return Result<bool>(fence.is_closed(connection, table->statements));
    };
    const auto closed = co_await readers_.repeatable<bool>(look);
    if (!closed.ok()) co_return closed.failure();
    attempt->closed = *closed;
  }
  raise_to(final_, attempt->fence.high);
  co_return std::optional<std::uint64_t>(attempt->fence.high);
}

Awaitable<Result<Position>> GlobalOrder::tip() {
  const auto high = co_await close_fence(patience_);
  if (!high.ok()) co_return high.failure();
  if (!*high) co_return still_open();
  co_return Position{**high, **high};
}

Awaitable<Result<std::vector<RecordedEvent>>> GlobalOrder::events(Direction direction, std::uint64_t from,
                                                                  std::uint64_t to, std::size_t limit) {
  using Events = std::vector<RecordedEvent>;
  std::function<Result<Events>(Connection&)> read = [table = table_, direction, from, to,
                                                     limit](Connection& connection) {
    const bool forwards = direction == Direction::forwards;
    return Result<Events>(forwards ? postgres::read_forwards(connection, *table, from, to, limit)
                                   : postgres::read_backwards(connection, *table, from, to, limit));
  };
  return readers_.repeatable<Events>(read);
}

Awaitable<Result<AllPage>> GlobalOrder::read(ReadAll request) {
  const std::size_t limit = std::clamp<std::size_t>(request.max_count, 1, max_page);
  if (request.direction == Direction::forwards) return read_forwards(request, limit);
  return read_backwards(request, limit);
}

/// First from what is known to be final, which asks no questions; then up to what can be made final now.
Awaitable<Result<AllPage>> GlobalOrder::read_forwards(ReadAll request, std::size_t limit) {
  AllPage page;
  const std::uint64_t known = final_.load();
  std::uint64_t cursor = request.from.commit;
  if (cursor < known) {
    auto first = co_await events(Direction::forwards, cursor, known, limit);
    if (!first.ok()) co_return first.failure();
    page.events = std::move(*first);
    cursor = page.events.size() == limit ? page.events.back().position.commit : known;
    page.next = {cursor, cursor};
    if (page.events.size() == limit) co_return page;
  }
  page.next = {cursor, cursor};
  const auto high = co_await close_fence(page.events.empty() ? wait_at_the_end : 0ms);
  if (!high.ok() && page.events.empty()) co_return high.failure();
  if (!high.ok() || !*high) co_return page;
  page.end = true;
  if (**high <= cursor) co_return page;
  const std::size_t room = limit - page.events.size();
  auto more = co_await events(Direction::forwards, cursor, **high, room);
  if (!more.ok()) co_return more.failure();
  page.end = more->size() < room;
  page.next = page.end ? Position{**high, **high} : more->back().position;
  page.events.insert(page.events.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
  co_return page;
}

Awaitable<Result<AllPage>> GlobalOrder::read_backwards(ReadAll request, std::size_t limit) {
  std::uint64_t final = final_.load();
  if (request.from.commit > final) {
    const auto high = co_await close_fence(wait_at_the_end);
    if (!high.ok()) co_return high.failure();
    if (!*high) co_return still_open();
    final = **high;
  }
  auto found = co_await events(Direction::backwards, request.from.commit, final, limit);
  if (!found.ok()) co_return found.failure();
  AllPage page;
  page.events = std::move(*found);
  page.end = page.events.size() < limit;
  page.next = page.events.empty() ? Position::start() : page.events.back().position;
  co_return page;
}

}  // namespace twinstream::postgres
