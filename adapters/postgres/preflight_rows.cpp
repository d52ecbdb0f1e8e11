// What a sample of the newest rows says about a mapped table.

#include "adapters/postgres/preflight_checks.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

using enum Finding::Severity;

constexpr const char* sample_rows = "10000";
constexpr const char* sample_streams = "500";

std::string newest(const Shape& shape, const std::string& columns) {
  return "select " + columns + " from " + shape.table + " e where true" + condition_of(shape) + " order by " +
         column_of_e(shape.position) + " desc limit " + sample_rows;
}

std::string count_of(std::int64_t count, const char* what) { return std::to_string(count) + " " + what; }

void check_ids(Connection& connection, const Shape& shape, Findings& findings) {
  if (!shape.id) return;
  const Rows ids = connection.script(
      "select count(*) filter (where id is null or id !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'), "
      "count(*) filter (where id <> lower(id)), count(id) - count(distinct id) from (" +
      newest(shape, column_of_e(*shape.id) + "::text as id") + ") s");
  const std::string column = "\"" + shape.id->name + "\"";
  if (const auto count = ids.integer(0, 0)) {
    note(findings, warning,
         count_of(count, "of the newest ids are no UUIDs") + " (" + column + "): such events get a UUIDv5 of their id");
  }
  if (const auto count = ids.integer(0, 1)) {
    note(findings, warning,
         count_of(count, "of the newest ids are in upper case") + " (" + column +
             "): a repeated write of these events is not recognised");
  }
  if (const auto count = ids.integer(0, 2)) {
    note(findings, warning,
         count_of(count, "of the newest ids occur more than once") + " (" + column +
             "): EventStore will take the copies for repetitions of other events");
  }
}

void check_order(Connection& connection, const Shape& shape, Findings& findings) {
  const Rows order = connection.script(
      "select count(*), count(*) filter (where revision > before + 1), count(*) filter (where revision = before), "
      "count(*) filter (where position < position_before), min(position) from (select revision, position, "
      "lag(revision) over w as before, lag(position) over w as position_before from (" +
      newest(shape, stream_sql(shape) + " as stream, " + column_of_e(shape.revision) + "::bigint as revision, " +
                        column_of_e(shape.position) + "::bigint as position") +
      ") s window w as (partition by stream order by revision)) t");
  if (order.integer(0, 0) == 0) return note(findings, ok, "there are no rows yet");
  if (const auto count = order.integer(0, 1)) {
    note(findings, warning,
         count_of(count, "gaps between revisions of one stream among the newest rows") +
             ": EventStore numbers without gaps, so these streams cannot be carried as they are");
  }
  if (order.integer(0, 2)) note(findings, refuse, "a stream has the same revision twice");
  if (const auto count = order.integer(0, 3)) {
    note(findings, warning,
         count_of(count, "of the newest rows have a lower position than the revision before them") +
             ": some writer draws positions before its INSERT, and the tail relies on its audit there");
  }
}

/// The stream columns as k0, k1, ...
std::string key_columns(const Shape& shape) {
  std::string columns;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    columns += (i == 0 ? "" : ", ") + column_of_e(shape.stream[i]) + " as k" + std::to_string(i);
  }
  return columns;
}

std::string same_key(const Shape& shape) {
  std::string match;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    match += (i == 0 ? "" : " and ") + column_of_e(shape.stream[i]) + " = s.k" + std::to_string(i);
  }
  return match;
}

void check_base(Connection& connection, const Shape& shape, Findings& findings) {
  const std::string streams_of_sample =
      "select distinct * from (" + newest(shape, key_columns(shape)) + ") n limit " + sample_streams;
  const std::string first_of_stream = "select min(" + column_of_e(shape.revision) + ") from " + shape.table +
                                      " e where " + same_key(shape) + condition_of(shape);
  const Rows base = connection.script("select count(*), count(*) filter (where first <> " + std::to_string(shape.base) +
                                      "), min(first) from (select (" + first_of_stream + ") as first from (" +
                                      streams_of_sample + ") s) f");
  const auto streams = base.integer(0, 0);
  const auto others = base.integer(0, 1);
  if (streams == 0 || others == 0) return;
  const std::string first = std::to_string(base.integer(0, 2));
  if (others == streams && base.integer(0, 2) == 1 - shape.base) {
    return note(findings, refuse,
                "streams begin at revision " + first + ", but revision_base is " + std::to_string(shape.base));
  }
  note(findings, warning,
       count_of(others, "of ") + std::to_string(streams) + " streams looked at do not begin at revision " +
           std::to_string(shape.base) + " (the lowest begins at " + first + ")");
}

void check_names(Connection& connection, const Shape& shape, Findings& findings) {
  std::string columns;
  for (const auto& column : shape.stream) columns += column_of_e(column) + "::text, ";
  const Rows rows =
      connection.script("select distinct * from (" + newest(shape, columns + stream_sql(shape) + " as name") + ") s");
  std::size_t ambiguous = 0, unusual = 0;
  std::string example;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::string> values;
    for (std::size_t k = 0; k < shape.stream.size(); ++k) values.emplace_back(rows.text(i, k));
    const std::string name(rows.text(i, shape.stream.size()));
    if (shape.name.values(name) != values) {
      ++ambiguous;
      example = name;
    }
    unusual += name.starts_with('$') || name.size() > 1024;
  }
  if (ambiguous > 0) {
    note(findings, refuse,
         "stream names cannot be read back into their columns, for example \"" + example +
             "\": choose a stream_template whose separators do not occur in the values");
  }
  if (unusual > 0) {
    note(findings, warning,
         std::to_string(unusual) + " stream names start with $ or are longer than 1024 bytes; they are not carried");
  }
}

void check_lowest_position(Connection& connection, const Shape& shape, Findings& findings) {
  const Rows lowest =
      connection.script("select min(" + column_of_e(shape.position) + ") < 1 from " + shape.table + " e");
  if (lowest.boolean(0, 0)) {
    note(findings, refuse, "there are rows at position 0 or below; reading everything starts behind position 0");
  }
}

}  // namespace

void check_rows(Connection& connection, const Shape& shape, Findings& findings) {
  check_ids(connection, shape, findings);
  check_order(connection, shape, findings);
  check_base(connection, shape, findings);
  check_names(connection, shape, findings);
  check_lowest_position(connection, shape, findings);
}

}  // namespace twinstream::postgres
