#include "adapters/postgres/function_text.h"

#include <algorithm>

#include "adapters/postgres/wire.h"
#include "proxy/core/event.h"

namespace twinstream::postgres {
namespace {

/// The value of an event as it is stored, from the text or bytea that was passed.
std::string stored(const std::string& value, const Column& column, Storage storage) {
  return is_bytea(storage) ? value : value + "::" + column.type;
}

std::string stored_metadata(const Shape& shape) {
  const std::string value = "v.tw_metadata";
  if (shape.managed) return value;
  const std::string given = stored("nullif(" + value + ", '')", *shape.metadata, shape.metadata_storage);
  if (shape.metadata->nullable) return given;
  if (is_json(shape.metadata_storage)) return "coalesce(" + given + ", '{}')";
  return stored(value, *shape.metadata, shape.metadata_storage);
}

}  // namespace

std::string fill(std::string text, const Words& words) {
  for (const auto& [word, value] : words) {
    const std::string mark = "@" + word + "@";
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size())) {
      text.replace(at, mark.size(), value);
    }
  }
  return text;
}

std::string key_parameter(std::size_t i) { return "tw_key" + std::to_string(i); }

bool is_bytea(Storage storage) { return storage == Storage::bytea; }

std::string stream_parameters(const Shape& shape) {
  std::string list = "tw_streams text[]";
  for (std::size_t i = 0; i < shape.stream.size(); ++i) list += ", " + key_parameter(i) + " text[]";
  return list;
}

std::string event_parameters(const Shape& shape) {
  const auto payload = [](Storage storage) { return std::string(is_bytea(storage) ? "bytea[]" : "text[]"); };
  return "tw_e_id uuid[], tw_e_type text[], tw_e_content text[], tw_e_data " + payload(shape.data_storage) +
         ", tw_e_metadata " + payload(shape.metadata_storage) + ", tw_e_created timestamptz[]";
}

std::string key_variables(const Shape& shape) {
  std::string variables;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    variables += key_parameter(i) + "s text[] := " + key_parameter(i) + "; ";
  }
  return variables;
}

std::string key_arrays(const Shape& shape) {
  std::string list;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) list += (i == 0 ? "" : ", ") + key_parameter(i) + "s";
  return list;
}

std::string key_aliases(const Shape& shape) {
  std::string list;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) list += (i == 0 ? "tw_k" : ", tw_k") + std::to_string(i);
  return list;
}

std::string lock_streams(const Shape& shape) {
  return "perform pg_advisory_xact_lock(q.tw_lock) from (select distinct hashtextextended(n.tw_name, " +
         lock_seed(shape) + ") as tw_lock from unnest(tw_streams) n(tw_name) order by 1) q";
}

std::string insert_columns(const Shape& shape, const std::string& stream, const std::string& revision,
                           std::string& values) {
  std::string columns;
  const auto add = [&](const Column& column, const std::string& value) {
    columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name);
    values += (values.empty() ? "" : ", ") + value;
  };
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    add(shape.stream[i], key_parameter(i) + "s[" + stream + "]::" + shape.stream[i].type);
  }
  add(shape.revision, "(" + revision + " + " + std::to_string(shape.base) + ")::" + shape.revision.type);
  if (shape.id) add(*shape.id, "v.tw_id::" + shape.id->type);
  add(shape.type, "v.tw_type::" + shape.type.type);
  if (shape.content_type) add(*shape.content_type, "v.tw_content");
  add(shape.data, stored("v.tw_data", shape.data, shape.data_storage));
  if (shape.metadata) add(*shape.metadata, stored_metadata(shape));
  const std::string created = "coalesce(v.tw_created, clock_timestamp())";
  if (shape.created) add(*shape.created, shape.created_has_zone ? created : "(" + created + " at time zone 'UTC')");
  for (const auto& [column, value] : shape.insert_defaults) add({column, "", false, {}}, "(" + value + ")");
  return columns;
}

AppendFunction made_function(const Shape& shape, const std::string& kind, const std::string& parameters,
                             const std::string& returns, const std::string& body, const std::string& columns) {
  const std::string signature = "(" + parameters + ") returns " + returns;
  std::string digest = EventId::derive(kind + " function" + signature + body).to_string();
  digest.erase(std::remove(digest.begin(), digest.end(), '-'), digest.end());
  AppendFunction function;
  function.name = shape.control_schema + ".\"" + kind + "_" + digest.substr(0, 16) + "\"";
  function.create = "create or replace function " + function.name + signature + " language plpgsql as $twinstream$" +
                    body + "$twinstream$";
  std::string arguments;
  const auto count = 1 + std::count(parameters.begin(), parameters.end(), ',');
  for (long i = 1; i <= count; ++i) arguments += (i == 1 ? "$" : ", $") + std::to_string(i);
  function.call = "select " + columns + " from " + function.name + "(" + arguments + ")";
  return function;
}

std::string lock_seed(const Shape& shape) { return "hashtext(" + quote_literal(shape.label) + ")"; }

}  // namespace twinstream::postgres
