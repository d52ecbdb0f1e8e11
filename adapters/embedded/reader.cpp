#include "adapters/embedded/reader.h"

#include <algorithm>

#include "adapters/embedded/visibility.h"

namespace twinstream::embedded {
namespace {

constexpr std::size_t largest_page = 10'000;

/// One state of the database from the first query to the end of the scope.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(database) { database_.execute("BEGIN"); }
  ~Snapshot() {
    try {
      database_.execute("COMMIT");
    } catch (const SqlError&) {
      // Nothing was written; the next BEGIN reports a connection that is beyond use.
    }
  }

 private:
  Database& database_;
};

Failure not_found(const std::string& stream) {
  return {FailureCode::stream_not_found, "stream " + stream + " has no visible events", {}};
}

/// Our positions have equal halves; a foreign one lies just before or after such.
std::uint64_t first_after(Position position) {
  const bool exclusive = position.commit <= position.prepare;
  return std::min(position.commit, tombstone_revision - 1) + (exclusive ? 1 : 0);
}

}  // namespace

Head Reader::head_of(const StreamState& state) {
  Head head{Head::State::live, state.last, 0};
  if (state.tombstoned) {
    head.state = Head::State::tombstoned;
    head.first_visible = state.next();
  } else if (state.metadata.soft_deleted()) {
    head.state = Head::State::soft_deleted;
    head.first_visible = state.next();
  } else if (!state.last) {
    head.state = Head::State::none;
  } else {
    head.first_visible = first_visible(table_, state);
  }
  return head;
}

Head Reader::head(const std::string& stream) {
  const Snapshot snapshot(database_);
  return head_of(table_.state(stream));
}

Result<StreamPage> Reader::read_stream(const ReadStream& request) {
  const Snapshot snapshot(database_);
  const StreamState state = table_.state(request.stream);
  StreamPage page;
  page.head = head_of(state);
  if (state.tombstoned) return stream_deleted(request.stream);
  if (!state.last || (state.metadata.soft_deleted() && !request.include_hidden)) return not_found(request.stream);

  const bool forwards = request.direction == Direction::forwards;
  std::uint64_t low = request.include_hidden ? 0 : page.head.first_visible;
  std::uint64_t high = *state.last;
  if (forwards) low = std::max(low, request.from.value_or(0));
  if (!forwards && request.from) high = std::min(high, *request.from);
  if (low > high) {
    page.end = true;
    return page;
  }
  const std::size_t count = std::min(request.max_count, largest_page);
  page.events = table_.stream_page(request.stream, *state.key, request.direction, low, high, count);
  page.end = ends_with(page.events, request.direction, *state.key, low, high);
  return page;
}

/// Whether nothing follows the page between these revisions. There may be fewer events than revisions.
bool Reader::ends_with(const std::vector<RecordedEvent>& events, Direction direction, StreamKey stream,
                       std::uint64_t low, std::uint64_t high) {
  if (events.size() == high - low + 1) return true;
  if (events.empty()) return table_.first_revision(stream, low).value_or(tombstone_revision) > high;
  const std::uint64_t reached = events.back().revision;
  return direction == Direction::forwards ? reached == high : table_.first_revision(stream, low) == reached;
}

AllPage Reader::read_all(const ReadAll& request) {
  const Snapshot snapshot(database_);
  const std::uint64_t last = table_.last_position();
  const bool forwards = request.direction == Direction::forwards;
  const std::size_t count = std::min(request.max_count, largest_page);
  AllPage page;
  page.next = request.from;
  if (forwards) {
    const std::uint64_t first = first_after(request.from);
    page.events = table_.all_page(request.direction, first, count);
    page.end = first > last || (!page.events.empty() && page.events.back().position.commit == last);
  } else if (request.from.commit > 0) {
    const std::uint64_t first = std::min(request.from.commit - 1, last);
    page.events = table_.all_page(request.direction, first, count);
    page.end = page.events.empty() ? first < table_.first_position() || first == 0
                                   : page.events.back().position.commit == table_.first_position();
  } else {
    page.end = true;
  }
  if (!page.events.empty()) page.next = page.events.back().position;
  return page;
}

Reader::Delivery Reader::deliver(const std::string& stream, std::uint64_t from) {
  const Snapshot snapshot(database_);
  const StreamState state = table_.state(stream);
  const std::uint64_t tip = table_.last_position();
  Delivery delivery{{}, {tip, tip}, true, state.tombstoned};
  if (!state.key || (state.metadata.soft_deleted() && !state.tombstoned)) return delivery;
  const std::uint64_t low = std::max(from, state.last ? first_visible(table_, state) : 0);
  if (low > tombstone_revision) return delivery;
  constexpr std::size_t page_size = 500;
  delivery.events = table_.stream_page(stream, *state.key, Direction::forwards, low, tombstone_revision, page_size);
  const std::uint64_t last = state.tombstoned ? tombstone_revision : state.last.value_or(0);
  delivery.end = delivery.events.empty() || delivery.events.back().revision >= last;
  return delivery;
}

}  // namespace twinstream::embedded
