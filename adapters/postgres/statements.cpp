#include "adapters/postgres/statements.h"

#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

std::string parameter(std::size_t number) { return "$" + std::to_string(number); }

std::vector<std::string> key_parameters(const Shape& shape, std::size_t first) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) values.push_back(parameter(first + i) + "::text");
  return values;
}

std::string revision_sql(const Shape& shape) {
  return column_of_e(shape.revision) + "::bigint - " + std::to_string(shape.base);
}

std::string payload_sql(const Column& column, Storage storage) {
  return column_of_e(column) + (storage == Storage::bytea ? "" : "::text");
}

std::string created_sql(const Shape& shape) {
  if (!shape.created) return "null::timestamptz";
  const std::string column = column_of_e(*shape.created);
  return shape.created_has_zone ? column : "(" + column + " at time zone 'UTC')";
}

/// In the order that decode_event expects.
std::string event_columns(const Shape& shape) {
  return stream_sql(shape) + ", " + revision_sql(shape) + ", " + column_of_e(shape.position) + "::bigint, " +
         (shape.id ? column_of_e(*shape.id) + "::text" : "null::text") + ", " + column_of_e(shape.type) + "::text, " +
         payload_sql(shape.data, shape.data_storage) + ", " +
         (shape.metadata ? payload_sql(*shape.metadata, shape.metadata_storage) : "null::text") + ", " +
         (shape.content_type ? column_of_e(*shape.content_type) : "null::text") + ", " + created_sql(shape);
}

std::string source(const Shape& shape) { return " from " + shape.table + " e where "; }

std::string in_stream(const Shape& shape, std::size_t first_key) {
  return source(shape) + same_stream_sql(shape, key_parameters(shape, first_key)) + condition_of(shape);
}

std::string head_sql(const Shape& shape) {
  return "(select (select " + revision_sql(shape) + in_stream(shape, 2) + " order by " + column_of_e(shape.revision) +
         " desc limit 1) as head) h left join " + shape.control_schema + ".stream_state s on s.stream = $1::text";
}

std::string places_sql(const Shape& shape) {
  std::string arrays, columns;
  std::vector<std::string> values;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    const std::string name = "k" + std::to_string(i);
    arrays += parameter(i + 1) + "::text[], ";
    columns += name + ", ";
    values.push_back("k." + name);
  }
  return "select k.number, " + column_of_e(shape.position) + "::bigint from unnest(" + arrays +
         parameter(shape.stream.size() + 1) + "::bigint[]) with ordinality k(" + columns + "revision, number) join " +
         shape.table + " e on " + same_stream_sql(shape, values) + " and " + column_of_e(shape.revision) +
         " = k.revision + " + std::to_string(shape.base) + condition_of(shape);
}

constexpr const char* head_columns =
    "select h.head, coalesce(s.first_visible, 0), coalesce(s.deleted, false), coalesce(s.tombstoned, false)";

std::string stream_page(const Shape& shape, bool forwards) {
  const std::size_t next = 2 + shape.stream.size();
  const std::string from = parameter(next) + "::bigint";
  const std::string lowest =
      "case when " + parameter(next + 1) + "::bigint = 1 then 0 else coalesce(s.first_visible, 0) end";
  const std::string base = " + " + std::to_string(shape.base);
  const std::string revision = column_of_e(shape.revision);
  const std::string order = forwards ? "" : " desc";
  std::string bounds = " and " + revision + " >= greatest(" + lowest + (forwards ? ", " + from : "") + ")" + base;
  if (!forwards) bounds += " and " + revision + " <= " + from + base;
  // Nothing above the head that is reported with the page: both belong to one snapshot.
  return std::string(head_columns) + ", v.* from " + head_sql(shape) + " left join lateral (select " +
         event_columns(shape) + in_stream(shape, 2) + bounds + " order by " + revision + order + " limit " +
         parameter(next + 2) +
         "::bigint) v(stream, revision, position, id, type, data, metadata, content, created) on true"
         " order by v.revision" +
         order;
}

std::string all_page(const Shape& shape, const char* bound, const char* order) {
  const std::string position = column_of_e(shape.position);
  return "select " + event_columns(shape) + source(shape) + position + bound + " $1::bigint and " + position +
         " <= $2::bigint" + condition_of(shape) + " order by " + position + order + " limit $3::bigint";
}

std::string ranges_sql(const Shape& shape) {
  const std::string position = column_of_e(shape.position);
  return "select v.* from unnest($1::bigint[], $2::bigint[]) r(low, high) cross join lateral (select " +
         event_columns(shape) + source(shape) + position + " > r.low and " + position + " < r.high" +
         condition_of(shape) + " order by " + position +
         " limit $3::bigint)"
         " v(stream, revision, position, id, type, data, metadata, content, created) order by v.position limit "
         "$3::bigint";
}

std::string relations(const Shape& shape) {
  const std::string table = quote_literal(shape.table) + "::regclass";
  return "relation in (select " + table + "::oid union all select relid::oid from pg_partition_tree(" + table + "))";
}

std::string heads_page(const Shape& shape, bool first) {
  std::string columns, names, texts, match, keys, parameters;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    const std::string comma = i == 0 ? "" : ", ";
    const std::string name = "k" + std::to_string(i);
    columns += comma + column_of_e(shape.stream[i]) + " as " + name;
    keys += comma + column_of_e(shape.stream[i]);
    names += comma + name;
    texts += comma + "g." + name + "::text";
    match += (i == 0 ? "" : " and ") + column_of_e(shape.stream[i]) + " = g." + name;
    parameters += comma + parameter(i + 1) + "::text::" + shape.stream[i].type;
  }
  const std::string bound = first ? "true" : "(" + keys + ") > (" + parameters + ")";
  const std::string limit = parameter(first ? 1 : shape.stream.size() + 1) + "::bigint";
  std::vector<std::string> values;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) values.push_back("g.k" + std::to_string(i) + "::text");
  return "select " + texts + ", " + shape.name.sql(values) + ", h.revision, h.position from (select " + columns +
         source(shape) + bound + condition_of(shape) + " group by " + keys + " order by " + keys + " limit " + limit +
         ") g cross join lateral (select " + revision_sql(shape) + " as revision, " + column_of_e(shape.position) +
         "::bigint as position" + source(shape) + match + condition_of(shape) + " order by " +
         column_of_e(shape.revision) + " desc limit 1) h";
}

}  // namespace

Statements::Statements(const Shape& shape) {
  const std::string revision = column_of_e(shape.revision);
  const std::string base = " + " + std::to_string(shape.base);
  const std::size_t next = shape.stream.size() + 1;
  const std::string a = parameter(next) + "::bigint";
  const std::string b = parameter(next + 1) + "::bigint";
  const std::string c = parameter(next + 2) + "::bigint";

  head = std::string(head_columns) + " from " + head_sql(shape);
  forwards = stream_page(shape, true);
  backwards = stream_page(shape, false);
  predecessors = "select " + event_columns(shape) + in_stream(shape, 1) + " and " + revision + " < " + a + base +
                 " order by " + revision + " desc limit " + b;
  stream_range = "select " + event_columns(shape) + in_stream(shape, 1) + " and " + revision + " >= " + a + base +
                 " and " + revision + " <= " + b + base + " order by " + revision + " limit " + c;

  places = places_sql(shape);

  all_forwards = all_page(shape, " >", "");
  all_backwards = all_page(shape, " <", " desc");
  in_ranges = ranges_sql(shape);

  const std::string position = column_of_e(shape.position);
  highest = "select coalesce(max(" + position + ")::bigint, $1::bigint), pg_is_in_recovery()" + source(shape) +
            position + " > $1::bigint";
  holders =
      "select distinct virtualtransaction, coalesce(pid, 0) from pg_locks where locktype = 'relation' and granted "
      "and mode = 'RowExclusiveLock' and database = (select oid from pg_database where datname = current_database()) "
      "and " +
      relations(shape);
  any_of_them =
      "select exists (select 1 from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock' "
      "and virtualtransaction = any ($1::text[]) and " +
      relations(shape) + ")";

  heads_first = heads_page(shape, true);
  heads_after = heads_page(shape, false);
}

}  // namespace twinstream::postgres
