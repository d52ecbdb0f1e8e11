#include "proxy/engine/shown_position.h"

namespace twinstream {
namespace {

constexpr std::uint64_t postgres_mark = std::uint64_t{1} << 62;

bool is_edge(Position position) { return position == Position::start() || position == Position::end(); }

Failure reject(std::string reason) { return {FailureCode::rejected, std::move(reason), {}}; }

}  // namespace

Position shown_position(WholeLog whole, bool in_eventstore, Position position) {
  const bool answers = whole == (in_eventstore ? WholeLog::eventstore : WholeLog::postgres);
  if (!answers) return Position::start();
  if (in_eventstore || is_edge(position)) return position;
  return {position.commit | postgres_mark, position.prepare | postgres_mark};
}

Result<Position> stored_position(WholeLog whole, Position shown) {
  if (whole == WholeLog::neither) {
    return reject(
        "the whole log cannot be read now: some categories are in retire without rollback, and EventStore does not have "
        "everything of the others yet (categories without an entry count too, see \"*\"). Read by stream");
  }
  if (is_edge(shown)) return shown;
  const bool of_postgres = (shown.commit & postgres_mark) != 0;
  if (of_postgres != (whole == WholeLog::postgres)) {
    const std::string own = of_postgres ? "PostgreSQL" : "EventStore", now = of_postgres ? "EventStore" : "PostgreSQL";
    return reject("this position is one of " + own + ", and the whole log is now read from " + now +
                  ", which has another order: read from the start, or by stream");
  }
  if (!of_postgres) return shown;
  return Position{shown.commit & ~postgres_mark, shown.prepare & ~postgres_mark};
}

}  // namespace twinstream
