#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapters/postgres/connection.h"
#include "adapters/postgres/name_template.h"
#include "config/config.h"

namespace twinstream::postgres {

/// How a column keeps bytes.
enum class Storage { bytea, jsonb, json, text };

struct Column {
  std::string name;  ///< as it is in the catalogue, unquoted
  std::string type;  ///< for casts, without length: `character varying`, `uuid`
  bool nullable = false;
  std::optional<int> max_characters;  ///< of a varchar(n)
};

/// An event table as the SQL is made from it: the managed one, or somebody's own with its types from the catalogue.
struct Shape {
  bool managed = true;
  std::string control_schema;  ///< quoted
  std::string table;           ///< quoted and schema-qualified where the configuration is
  std::string label;           ///< the table as configured: for texts and derived ids
  std::string where;           ///< may be empty
  NameTemplate name;
  std::vector<Column> stream;
  Column revision;
  int base = 0;
  std::optional<Column> id;
  bool id_indexed = false;  ///< an index starts with the id column: ids can be looked up in the whole table
  Column type;
  Column data;
  Storage data_storage = Storage::bytea;
  std::optional<Column> metadata;
  Storage metadata_storage = Storage::bytea;
  std::optional<Column> content_type;  ///< managed only
  std::optional<Column> created;
  bool created_has_zone = true;
  Column position;
  std::map<std::string, std::string> insert_defaults;
  std::vector<std::string> revision_indexes;  ///< names of the unique indexes over stream and revision
  std::vector<std::string> id_indexes;        ///< names of the unique indexes over the id alone
};

/// Our own table; needs no connection.
Shape managed_shape(const PostgresConfig& config);
/// What the configuration says, checked against the catalogue: rejected when table or columns are missing or of types
/// that cannot hold what they are mapped to. Throws DatabaseError.
Result<Shape> mapped_shape(Connection& connection, const PostgresConfig& config);
Result<Shape> load_shape(Connection& connection, const PostgresConfig& config);

/// SQL over the alias `e`.
std::string column_of_e(const Column& column);
std::string condition_of(const Shape& shape);  ///< ` and (...)` with the where and the columns that must not be NULL
std::string stream_sql(const Shape& shape);    ///< the stream name as text
/// `e."a" = X::type and ...` where X are the given SQL expressions of the column values as text.
std::string same_stream_sql(const Shape& shape, const std::vector<std::string>& values);

bool is_json(Storage storage);

}  // namespace twinstream::postgres
