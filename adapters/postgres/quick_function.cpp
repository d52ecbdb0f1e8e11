#include "adapters/postgres/quick_function.h"

#include "adapters/postgres/function_text.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

// The heads are asked for with a limit: one look into the index a stream, whatever the planner thinks of the table.
constexpr const char* quick_body = R"(
#variable_conflict use_column
declare
  @key_variables@
  tw_written bigint;
begin
  @lock_streams@;
  if exists (select from @schema@.stream_state s
             where s.stream = any (tw_streams) and (s.deleted or s.tombstoned)) then return; end if;
  if exists (select from unnest(tw_heads, @keys@) k(tw_known, @key_columns@)
             left join lateral (select true as tw_there from @table@ e where @head_of_k@ limit 1) h on true
             where h.tw_there is null) then return; end if;
  return query insert into @table@ (@columns@)
    select @values@
    from unnest(tw_e_stream, tw_e_revision, tw_e_id, tw_e_type, tw_e_content, tw_e_data, tw_e_metadata, tw_e_created)
      with ordinality v(tw_stream, tw_revision, tw_id, tw_type, tw_content, tw_data, tw_metadata, tw_created, tw_ord)
    order by v.tw_ord returning @position@::bigint;
  get diagnostics tw_written = row_count;
  if tw_written <> cardinality(tw_e_stream) then
    raise exception 'the table did not take every row of an insert (a trigger or rule?)';
  end if;
end
)";

/// Whether a row `e` is the known head of `k`.
std::string head_of_k(const Shape& shape) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) keys.push_back("k.tw_k" + std::to_string(i));
  return same_stream_sql(shape, keys) + " and " + column_of_e(shape.revision) + " = (k.tw_known + " +
         std::to_string(shape.base) + ")::" + shape.revision.type;
}

}  // namespace

std::optional<AppendFunction> quick_function(const Shape& shape) {
  if (shape.id_indexes.empty() || shape.revision_indexes.empty() || !shape.where.empty()) return std::nullopt;
  std::string values;
  const std::string columns = insert_columns(shape, "v.tw_stream", "v.tw_revision", values);
  const std::string text = fill(quick_body, {{"key_variables", key_variables(shape)},
                                             {"lock_streams", lock_streams(shape)},
                                             {"keys", key_arrays(shape)},
                                             {"key_columns", key_aliases(shape)},
                                             {"head_of_k", head_of_k(shape)},
                                             {"schema", shape.control_schema},
                                             {"table", shape.table},
                                             {"columns", columns},
                                             {"values", values},
                                             {"position", quote_identifier(shape.position.name)}});
  const std::string parameters = stream_parameters(shape) +
                                 ", tw_heads bigint[], tw_e_stream integer[], tw_e_revision bigint[], " +
                                 event_parameters(shape);
  return made_function(shape, "quick", parameters, "table(pos bigint)", text, "pos");
}

}  // namespace twinstream::postgres
