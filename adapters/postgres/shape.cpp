#include "adapters/postgres/shape.h"

#include <algorithm>

#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

Failure bad_table(const std::string& table, const std::string& why) {
  return {FailureCode::rejected, "mapped table " + table + ": " + why, {}};
}

/// The columns of the table, by name.
class Catalogue {
 public:
  static Result<Catalogue> read(Connection& connection, const MappedTable& mapped) {
    const Rows found = connection.query("select to_regclass($1::text)::oid::bigint", {quote_table(mapped.table)});
    if (found.is_null(0, 0)) return bad_table(mapped.table, "there is no such table (or no right to see its schema)");
    Catalogue catalogue;
    catalogue.table_ = mapped.table;
    const Rows rows = connection.query(
        "select attname, format_type(atttypid, null), attnotnull, "
        "case when atttypid in ('varchar'::regtype, 'bpchar'::regtype) and atttypmod > 4 then atttypmod - 4 end "
        "from pg_attribute where attrelid = $1::bigint::oid and attnum > 0 and not attisdropped",
        {binary_integer(found.integer(0, 0))});
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Column column{std::string(rows.text(i, 0)), std::string(rows.text(i, 1)), !rows.boolean(i, 2), {}};
      if (const auto limit = rows.optional_integer(i, 3)) column.max_characters = static_cast<int>(*limit);
      catalogue.columns_.emplace(column.name, column);
    }
    return catalogue;
  }

  Result<Column> column(const std::string& name, std::string_view key,
                        const std::vector<std::string>& types = {}) const {
    if (name.empty()) return bad_table(table_, std::string(key) + " is not set");
    const auto found = columns_.find(name);
    if (found == columns_.end())
      return bad_table(table_, "there is no column \"" + name + "\" (" + std::string(key) + ")");
    const auto& type = found->second.type;
    if (types.empty() || std::find(types.begin(), types.end(), type) != types.end()) return found->second;
    std::string expected;
    for (const auto& one : types) expected += (expected.empty() ? "" : ", ") + one;
    return bad_table(
        table_, "column \"" + name + "\" (" + std::string(key) + ") is " + type + "; it must be one of " + expected);
  }

 private:
  std::string table_;
  std::map<std::string, Column> columns_;
};

const std::vector<std::string> integers{"bigint", "integer", "smallint"};
const std::vector<std::string> payloads{"jsonb", "json", "text", "character varying", "bytea"};

Storage storage_of(const std::string& type) {
  if (type == "jsonb") return Storage::jsonb;
  if (type == "json") return Storage::json;
  return type == "bytea" ? Storage::bytea : Storage::text;
}

/// Collects the first failure, so that the columns can be listed one below the other.
class Resolver {
 public:
  explicit Resolver(const Catalogue& catalogue) : catalogue_(catalogue) {}

  Column column(const std::string& name, std::string_view key, const std::vector<std::string>& types = {}) {
    auto found = catalogue_.column(name, key, types);
    if (found.ok()) return *found;
    if (!failure_) failure_ = found.failure();
    return {};
  }
  std::optional<Column> optional(const std::string& name, std::string_view key, const std::vector<std::string>& types) {
    if (name.empty()) return std::nullopt;
    return column(name, key, types);
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  const Catalogue& catalogue_;
  std::optional<Failure> failure_;
};

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> stream_and_revision(const Shape& shape) {
  std::vector<std::string> names{shape.revision.name};
  for (const auto& column : shape.stream) names.push_back(column.name);
  return sorted(std::move(names));
}

/// Partial indexes do not count: they leave rows out, as those of a table with children leave out the children's rows.
/// Nor does an index that takes names apart which its column takes for equal.
void load_indexes(Connection& connection, Shape& shape) {
  const Rows rows = connection.query(
      "select c.relname, i.indisunique, string_agg(a.attname, chr(1) order by k.place) "
      "from pg_index i join pg_class c on c.oid = i.indexrelid "
      "cross join lateral unnest(i.indkey[0:i.indnkeyatts - 1], i.indcollation[0:i.indnkeyatts - 1]) with ordinality "
      "k(number, sorting, place) "
      "join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number "
      "left join pg_collation l on l.oid = a.attcollation "
      "where i.indrelid = $1::text::regclass and i.indpred is null and i.indisvalid and not 0 = any (i.indkey) "
      "and (c.relkind = 'I' or not exists (select from pg_inherits where inhparent = i.indrelid)) "
      "group by 1, 2 having bool_and(k.sorting = a.attcollation or coalesce(l.collisdeterministic, true))",
      {shape.table});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::string> columns(1);
    for (const char c : rows.text(i, 2)) {
      if (c == '\x01')
        columns.emplace_back();
      else
        columns.back() += c;
    }
    const bool unique = rows.boolean(i, 1);
    const std::string index(rows.text(i, 0));
    if (shape.id && columns.front() == shape.id->name) shape.id_indexed = true;
    if (unique && shape.id && columns == std::vector{shape.id->name}) shape.id_indexes.push_back(index);
    if (unique && sorted(columns) == stream_and_revision(shape)) shape.revision_indexes.push_back(index);
  }
}

}  // namespace

Shape managed_shape(const PostgresConfig& config) {
  Shape shape;
  shape.control_schema = quote_identifier(config.control_schema);
  shape.table = shape.control_schema + ".\"events\"";
  shape.label = config.control_schema + ".events";
  shape.name = NameTemplate::make("", {"stream"}).value();
  shape.stream = {{"stream", "text", false, {}}};
  shape.revision = {"revision", "bigint", false, {}};
  shape.id = Column{"event_id", "uuid", false, {}};
  shape.id_indexed = true;
  shape.type = {"type", "text", false, {}};
  shape.data = {"data", "bytea", false, {}};
  shape.metadata = Column{"metadata", "bytea", false, {}};
  shape.content_type = Column{"content_type", "text", false, {}};
  shape.created = Column{"created", "timestamp with time zone", false, {}};
  shape.position = {"position", "bigint", false, {}};
  shape.revision_indexes = {"events_stream_revision"};
  shape.id_indexes = {"events_event_id"};
  return shape;
}

Result<Shape> mapped_shape(Connection& connection, const PostgresConfig& config) {
  const MappedTable& mapped = *config.mapped;
  auto name = NameTemplate::make(mapped.stream_template, mapped.stream_columns);
  if (!name.ok()) return name.failure();
  auto catalogue = Catalogue::read(connection, mapped);
  if (!catalogue.ok()) return catalogue.failure();
  Resolver find(*catalogue);
  Shape shape;
  shape.managed = false;
  shape.control_schema = quote_identifier(config.control_schema);
  shape.table = quote_table(mapped.table);
  shape.label = mapped.table;
  shape.where = mapped.where;
  shape.name = *name;
  for (const auto& column : mapped.stream_columns) shape.stream.push_back(find.column(column, "stream_columns"));
  shape.revision = find.column(mapped.revision_column, "revision_column", integers);
  shape.base = mapped.revision_base;
  shape.id = find.optional(mapped.id_column, "id_column", {"uuid", "text", "character varying"});
  shape.type = find.column(mapped.type_column, "type_column");
  shape.data = find.column(mapped.data_column, "data_column", payloads);
  shape.data_storage = storage_of(shape.data.type);
  shape.metadata = find.optional(mapped.metadata_column, "metadata_column", payloads);
  if (shape.metadata) shape.metadata_storage = storage_of(shape.metadata->type);
  shape.created = find.optional(mapped.created_column, "created_column",
                                {"timestamp with time zone", "timestamp without time zone"});
  shape.created_has_zone = !shape.created || shape.created->type == "timestamp with time zone";
  shape.position = find.column(mapped.position_column, "position_column", integers);
  shape.insert_defaults = mapped.insert_defaults;
  for (const auto& [column, value] : mapped.insert_defaults) find.column(column, "insert_defaults");
  if (find.failure()) return *find.failure();
  load_indexes(connection, shape);
  return shape;
}

Result<Shape> load_shape(Connection& connection, const PostgresConfig& config) {
  if (config.mapped) return mapped_shape(connection, config);
  return managed_shape(config);
}

std::string column_of_e(const Column& column) { return "e." + quote_identifier(column.name); }

std::string condition_of(const Shape& shape) {
  std::string condition;
  const auto need = [&](const Column& column) {
    if (column.nullable) condition += " and " + column_of_e(column) + " is not null";
  };
  for (const auto& column : shape.stream) need(column);
  need(shape.revision);
  need(shape.position);
  if (!shape.where.empty()) condition += " and (" + shape.where + ")";
  return condition;
}

std::string stream_sql(const Shape& shape) {
  std::vector<std::string> columns;
  for (const auto& column : shape.stream) columns.push_back(column_of_e(column) + "::text");
  return shape.name.sql(columns);
}

std::string same_stream_sql(const Shape& shape, const std::vector<std::string>& values) {
  std::string condition;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    condition +=
        (i == 0 ? "" : " and ") + column_of_e(shape.stream[i]) + " = " + values[i] + "::" + shape.stream[i].type;
  }
  return condition;
}

bool is_json(Storage storage) { return storage == Storage::jsonb || storage == Storage::json; }

}  // namespace twinstream::postgres
