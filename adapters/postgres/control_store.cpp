#include "adapters/postgres/control_store.h"

#include <charconv>

#include "adapters/postgres/wire.h"

namespace twinstream {
namespace {

using namespace postgres;
using Categories = std::map<std::string, CategoryState>;
using Parameters = std::vector<std::string>;

constexpr std::size_t waiting_requests = 10'000;
constexpr std::size_t max_state_changes = 100'000;

std::uint64_t unsigned_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw DatabaseError("22000", "a control table holds a number that is none", false);
  }
  return number;
}

std::string flag(bool value) { return std::string(1, value ? '\1' : '\0'); }

CategoryState decode_category(const Rows& rows, std::size_t row) {
  const auto phase = parse_phase(rows.text(row, 1));
  if (!phase) throw DatabaseError("22000", "the control tables hold a phase that this release does not know", false);
  return {*phase, rows.boolean(row, 2), static_cast<std::uint64_t>(rows.integer(row, 3)), rows.boolean(row, 4),
          rows.boolean(row, 5)};
}

constexpr const char* category_columns =
    "select name, phase, eventstore_is_authority, epoch, backfilled, checked_equal from @.categories";

constexpr const char* save_category_sql = R"(
insert into @.categories as c (name, phase, eventstore_is_authority, epoch, backfilled, checked_equal)
select $1::text, $2::text, $3::boolean, $4::bigint, $5::boolean, $6::boolean
where $7::bigint = 0 or exists (select 1 from @.categories where name = $1::text)
on conflict (name) do update set phase = excluded.phase, eventstore_is_authority = excluded.eventstore_is_authority,
  epoch = excluded.epoch, backfilled = excluded.backfilled, checked_equal = excluded.checked_equal, changed = now()
where c.epoch = $7::bigint
returning 1)";

Failure wrong_epoch(const std::string& category, std::uint64_t actual, std::uint64_t expected) {
  return {FailureCode::wrong_expected_revision,
          "category " + category + " is at epoch " + std::to_string(actual) + ", not " + std::to_string(expected),
          actual};
}

/// A lost answer and a full outage are the same to the engine: it asks again.
template <class T>
Result<T> plain(Result<T> result) {
  if (!result.ok() && result.failure().code == FailureCode::unknown_outcome) {
    result.failure().code = FailureCode::unavailable;
  }
  return result;
}

}  // namespace

PgControlStore::PgControlStore(const PostgresConfig& config)
    : schema_(quote_identifier(config.control_schema)), worker_(config, "", 1, waiting_requests) {}

std::string PgControlStore::in_schema(std::string_view sql) const {
  std::string text;
  for (const char c : sql) {
    if (c == '@')
      text += schema_;
    else
      text += c;
  }
  return text;
}

Awaitable<Result<Done>> PgControlStore::change(std::string sql, std::vector<std::string> parameters) {
  std::function<Result<Done>(Connection&)> work = [sql = in_schema(sql), parameters](Connection& connection) {
    connection.query(sql, parameters);
    return Result<Done>(Done{});
  };
  co_return co_await worker_.repeatable<Done>(work);
}

Awaitable<Result<Categories>> PgControlStore::load_categories() {
  std::function<Result<Categories>(Connection&)> work = [sql = in_schema(category_columns)](Connection& connection) {
    const Rows rows = connection.query(sql);
    Categories categories;
    for (std::size_t i = 0; i < rows.size(); ++i) categories.emplace(rows.text(i, 0), decode_category(rows, i));
    return Result<Categories>(std::move(categories));
  };
  co_return co_await worker_.repeatable<Categories>(work);
}

/// When the answer is lost, what is stored tells whether this very write took place.
Awaitable<Result<Done>> PgControlStore::save_category(std::string category, CategoryState state,
                                                      std::uint64_t expected_epoch) {
  const Parameters parameters{category,
                              std::string(to_string(state.phase)),
                              flag(state.eventstore_is_authority),
                              binary_integer(static_cast<std::int64_t>(state.epoch)),
                              flag(state.backfilled),
                              flag(state.checked_equal),
                              binary_integer(static_cast<std::int64_t>(expected_epoch))};
  bool repeated = false;
  while (true) {
    std::function<Result<Done>(Connection&)> work =
        [=, save = in_schema(save_category_sql),
         look = in_schema(std::string(category_columns) + " where name = $1::text")](
            Connection& connection) -> Result<Done> {
      if (!connection.query(save, parameters).empty()) return Done{};
      const Rows rows = connection.query(look, {category});
      const CategoryState stored = rows.empty() ? CategoryState{} : decode_category(rows, 0);
      if (repeated && stored == state) return Done{};
      return wrong_epoch(category, stored.epoch, expected_epoch);
    };
    auto saved = co_await worker_.once<Done>(work);
    if (repeated || !saved.failed_with(FailureCode::unknown_outcome)) co_return plain(std::move(saved));
    repeated = true;
  }
}

Awaitable<Result<std::optional<Position>>> PgControlStore::load_cursor(std::string name) {
  using Cursor = std::optional<Position>;
  std::function<Result<Cursor>(Connection&)> work =
      [name, sql = in_schema("select commit_position, prepare_position from @.cursors where name = $1::text")](
          Connection& connection) -> Result<Cursor> {
    const Rows rows = connection.query(sql, {name});
    if (rows.empty()) return Cursor{};
    return Cursor(Position{unsigned_of(rows.text(0, 0)), unsigned_of(rows.text(0, 1))});
  };
  co_return co_await worker_.repeatable<Cursor>(work);
}

Awaitable<Result<Done>> PgControlStore::save_cursor(std::string name, Position position) {
  return change(
      "insert into @.cursors (name, commit_position, prepare_position) values ($1::text, $2::text::numeric, "
      "$3::text::numeric) on conflict (name) do update set commit_position = excluded.commit_position, "
      "prepare_position = excluded.prepare_position, changed = now()",
      {std::move(name), std::to_string(position.commit), std::to_string(position.prepare)});
}

Awaitable<Result<Done>> PgControlStore::clear_cursor(std::string name) {
  return change("delete from @.cursors where name = $1::text", {std::move(name)});
}

Awaitable<Result<std::vector<Divergence>>> PgControlStore::load_divergences(std::size_t limit) {
  using Divergences = std::vector<Divergence>;
  const auto bound = static_cast<std::int64_t>(std::min<std::size_t>(limit, 1'000'000));
  std::function<Result<Divergences>(Connection&)> work =
      [bound, sql = in_schema("select stream, revision, reason, found from @.divergences order by found, stream "
                              "limit $1::bigint")](Connection& connection) {
        const Rows rows = connection.query(sql, {binary_integer(bound)});
        Divergences divergences;
        for (std::size_t i = 0; i < rows.size(); ++i) {
          divergences.push_back({std::string(rows.text(i, 0)), unsigned_of(rows.text(i, 1)),
                                 std::string(rows.text(i, 2)), parse_timestamp(rows.text(i, 3)).value_or(Timestamp{})});
        }
        return Result<Divergences>(std::move(divergences));
      };
  co_return co_await worker_.repeatable<Divergences>(work);
}

Awaitable<Result<Done>> PgControlStore::save_divergence(Divergence divergence) {
  return change(
      "insert into @.divergences (stream, revision, reason, found) values ($1::text, $2::text::numeric, $3::text, "
      "$4::timestamptz) on conflict (stream) do nothing",
      {std::move(divergence.stream), std::to_string(divergence.revision), std::move(divergence.reason),
       binary_timestamp(divergence.found)});
}

Awaitable<Result<Done>> PgControlStore::clear_divergence(std::string stream) {
  return change("delete from @.divergences where stream = $1::text", {std::move(stream)});
}

Awaitable<Result<std::vector<std::string>>> PgControlStore::load_state_changes() {
  using Streams = std::vector<std::string>;
  std::function<Result<Streams>(Connection&)> work =
      [sql = in_schema("select stream from @.state_changes order by noted, stream limit " +
                       std::to_string(max_state_changes))](Connection& connection) {
        const Rows rows = connection.query(sql);
        Streams streams;
        for (std::size_t i = 0; i < rows.size(); ++i) streams.emplace_back(rows.text(i, 0));
        return Result<Streams>(std::move(streams));
      };
  co_return co_await worker_.repeatable<Streams>(work);
}

Awaitable<Result<Done>> PgControlStore::note_state_change(std::string stream) {
  return change("insert into @.state_changes (stream) values ($1::text) on conflict (stream) do nothing",
                {std::move(stream)});
}

Awaitable<Result<Done>> PgControlStore::forget_state_change(std::string stream) {
  return change("delete from @.state_changes where stream = $1::text", {std::move(stream)});
}

Awaitable<Result<Done>> PgControlStore::save_check(std::string report_json) {
  return change(
      "insert into @.checks (report) values ($1::text) on conflict (single) do update set report = excluded.report, "
      "taken = now()",
      {std::move(report_json)});
}

Awaitable<Result<std::optional<std::string>>> PgControlStore::load_check() {
  using Report = std::optional<std::string>;
  std::function<Result<Report>(Connection&)> work =
      [sql = in_schema("select report from @.checks")](Connection& connection) -> Result<Report> {
    const Rows rows = connection.query(sql);
    if (rows.empty()) return Report{};
    return Report(rows.text(0, 0));
  };
  co_return co_await worker_.repeatable<Report>(work);
}

}  // namespace twinstream
