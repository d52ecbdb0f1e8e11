#include "adapters/postgres/tail.h"

#include <algorithm>
#include <limits>

#include "adapters/postgres/validate.h"
#include "adapters/postgres/wire.h"
#include "proxy/core/log.h"

namespace twinstream::postgres {
namespace {

constexpr std::size_t max_intervals = 100'000;
constexpr std::size_t max_walk_back = 10'000;
constexpr std::int64_t walk_step = 200;
constexpr std::size_t page_bytes = 8 * 1024 * 1024;
constexpr std::size_t smallest_page = 8;

std::size_t bytes_of(const std::vector<RecordedEvent>& events) {
  std::size_t bytes = 0;
  for (const auto& recorded : events) bytes += recorded.event.data.size() + recorded.event.metadata.size() + 200;
  return bytes;
}

/// The column values that make a name; a row's own name always fits the template.
std::vector<std::string> key_of(const Table& table, const std::string& stream) {
  return table.shape.name.values(stream).value_or(std::vector<std::string>(table.shape.stream.size()));
}

}  // namespace

Tail::Tail(std::shared_ptr<const Table> table, std::shared_ptr<TailCounters> counters, TailSettings settings,
           Position after)
    : table_(std::move(table)),
      counters_(std::move(counters)),
      settings_(settings),
      low_(after == Position::end() ? 0 : after.commit),
      edge_(low_),
      started_(after != Position::end()),
      heads_(settings.remembered_streams),
      page_events_(settings.page_events) {}

SubscriptionPage Tail::poll(Connection& connection) {
  if (!started_ && !find_start(connection)) return {{}, Position::end(), false};
  advance_fence(connection);
  const bool exhausted = scan(connection);
  audit(connection);
  return {std::exchange(page_, {}), {low_, low_}, exhausted};
}

/// Whoever starts at the end gets what commits from now on, also below positions that are visible already.
bool Tail::find_start(Connection& connection) {
  advance_fence(connection);
  if (fence_ && !closed_) return false;
  if (fence_) low_ = edge_ = fence_->high;
  fence_.reset();
  closed_ = false;
  return started_ = true;
}

void Tail::advance_fence(Connection& connection) {
  const auto now = Clock::now();
  if (closed_ || now < next_fence_) return;
  next_fence_ = now + settings_.fence_interval;
  if (fence_) {
    closed_ = fence_->is_closed(connection, table_->statements);
    return;
  }
  Fence fence = Fence::raise(connection, table_->statements, low_);
  if (fence.high <= low_) return;
  closed_ = fence.holders.empty();
  fence_ = std::move(fence);
}

/// Reads what is visible. Afterwards, when the fence had been closed before, all of it up to there is delivered and the
/// low mark moves. Answers whether nothing more is there.
bool Tail::scan(Connection& connection) {
  const bool looked_back = look_back(connection);
  if (is_stalled()) return false;
  constexpr auto everything = std::numeric_limits<std::uint64_t>::max();
  auto fresh = read_forwards(connection, *table_, edge_, everything, page_events_);
  const bool exhausted = fresh.size() < page_events_;
  const std::uint64_t edge = fresh.empty() ? edge_ : fresh.back().position.commit;
  fit_page(fresh);
  offer_all(connection, std::move(fresh));
  edge_ = edge;
  if (closed_ && looked_back && (exhausted || edge_ >= fence_->high)) {
    low_ = fence_->high;
    edge_ = std::max(edge_, low_);
    seen_.drop_up_to(low_);
    fence_.reset();
    closed_ = false;
  }
  return looked_back && exhausted;
}

/// Looks for rows that became visible below `edge_`. It must be done once after the fence has closed; before that it
/// only makes late rows arrive sooner, so it gets a tenth of the time at most.
bool Tail::look_back(Connection& connection) {
  const auto start = Clock::now();
  if (edge_ == low_ || (!closed_ && start < next_look_back_)) return true;
  const auto holes = seen_.holes(low_, edge_);
  if (holes.empty()) return true;
  BinaryArray low(BinaryArray::Type::int8);
  BinaryArray high(BinaryArray::Type::int8);
  for (const auto& [from, to] : holes) {
    low.add(as_bigint(from));
    high.add(as_bigint(to));
  }
  const std::size_t limit = page_events_;
  auto late = decode_events(
      table_->shape, connection.query(table_->statements.in_ranges,
                                      {low.take(), high.take(), binary_integer(static_cast<std::int64_t>(limit))}));
  const bool complete = late.size() < limit;
  fit_page(late);
  offer_all(connection, std::move(late));
  next_look_back_ = Clock::now() + 10 * (Clock::now() - start);
  return complete;
}

/// While somebody keeps a transaction open, what was delivered above the low mark has to be remembered. When that grows
/// out of bounds, the tail waits for the transaction.
bool Tail::is_stalled() {
  const bool stalled = !closed_ && seen_.intervals() > max_intervals;
  if (stalled && !warned_stall_) {
    log::warning("the tail of PostgreSQL waits for an open transaction on the event table",
                 {{"table", table_->shape.label}, {"holder", fence_ ? fence_->oldest : "unknown"}});
  }
  warned_stall_ = stalled;
  return stalled;
}

void Tail::fit_page(const Events& events) {
  const std::size_t bytes = bytes_of(events);
  if (bytes > page_bytes) page_events_ = std::max(smallest_page, page_events_ / 2);
  if (bytes < page_bytes / 4) page_events_ = std::min(settings_.page_events, page_events_ * 2);
}

/// For streams that memory does not know: one query tells whether the predecessors of these events were delivered.
void Tail::learn_heads(Connection& connection, const Events& events) {
  std::unordered_map<std::string_view, std::uint64_t> first;
  for (const auto& event : events) {
    if (heads_.get(event.stream)) continue;
    const auto [known, fresh] = first.emplace(event.stream, event.revision);
    if (!fresh) known->second = std::min(known->second, event.revision);
  }
  std::vector<std::pair<std::string_view, std::uint64_t>> wanted;
  std::vector<BinaryArray> keys(table_->shape.stream.size(), BinaryArray(BinaryArray::Type::text));
  BinaryArray revisions(BinaryArray::Type::int8);
  for (const auto& [stream, revision] : first) {
    if (revision == 0) continue;
    const auto key = key_of(*table_, std::string(stream));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i].add(std::string_view(key[i]));
    revisions.add(as_bigint(revision - 1));
    wanted.emplace_back(stream, revision - 1);
  }
  if (wanted.empty()) return;
  std::vector<std::string> parameters;
  for (auto& key : keys) parameters.push_back(key.take());
  parameters.push_back(revisions.take());
  const Rows rows = connection.query(table_->statements.places, parameters);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& [stream, revision] = wanted[static_cast<std::size_t>(rows.integer(i, 0) - 1)];
    const auto position = static_cast<std::uint64_t>(rows.integer(i, 1));
    if (was_delivered({position, position})) heads_.set(stream, revision);
  }
}

void Tail::offer_all(Connection& connection, Events events) {
  learn_heads(connection, events);
  for (auto& event : events) offer(connection, std::move(event));
}

void Tail::offer(Connection& connection, RecordedEvent event) {
  if (was_delivered(event.position)) return;
  const auto known = heads_.get(event.stream);
  if (event.revision == 0 || (known && *known + 1 >= event.revision)) return deliver(std::move(event));
  auto before = undelivered_before(connection, event);
  if (!before && !is_final(event.position)) return;  // it stays a hole and is offered again
  if (!before) {
    counters_->gaps++;
    log::warning(
        "a revision is missing in the event table",
        {{"table", table_->shape.label}, {"stream", event.stream}, {"before", std::to_string(event.revision)}});
    return deliver(std::move(event));
  }
  for (auto missing = before->rbegin(); missing != before->rend(); ++missing) {
    (missing->position.commit > low_ ? counters_->filled : counters_->recovered)++;
    deliver(std::move(*missing));
  }
  deliver(std::move(event));
}

/// A revision above the last one delivered from its stream was not delivered, wherever its position lies: that is what
/// catches rows which slipped under the low mark.
std::optional<Tail::Events> Tail::undelivered_before(Connection& connection, const RecordedEvent& event) const {
  const auto known = heads_.get(event.stream);
  const auto key = key_of(*table_, event.stream);
  Events missing;
  std::uint64_t next = event.revision;  // everything from here up is accounted for
  while (next > 0 && !(known && next == *known + 1)) {
    auto parameters = key;
    parameters.push_back(binary_integer(as_bigint(next)));
    parameters.push_back(binary_integer(walk_step));
    const Rows rows = connection.query(table_->statements.predecessors, parameters);
    if (rows.empty() || missing.size() > max_walk_back) return std::nullopt;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto before = decode_event(table_->shape, rows, i);
      if (before.revision + 1 != next) return std::nullopt;
      const bool reached = known ? before.revision <= *known : before.position.commit <= low_;
      if (reached || seen_.contains(before.position.commit)) return missing;
      next = before.revision;
      missing.push_back(std::move(before));
    }
  }
  return missing;
}

void Tail::deliver(RecordedEvent event) {
  if (event.position.commit > low_) seen_.add(event.position.commit);
  const auto known = heads_.get(event.stream);
  heads_.set(event.stream, std::max(known.value_or(0), event.revision));
  page_.push_back(std::move(event));
}

}  // namespace twinstream::postgres
