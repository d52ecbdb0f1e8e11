#include "adapters/postgres/append_function.h"

#include "adapters/postgres/function_text.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

/// What is stored as jsonb is compared as the text that jsonb prints, all else byte for byte.
std::string same(const Column& column, Storage storage, const std::string& passed, bool empty_is_null) {
  const std::string have = column_of_e(column);
  std::string mine = passed;
  if (storage == Storage::jsonb) mine = "(nullif(" + passed + ", '')::jsonb)::text";
  if (is_bytea(storage)) return "coalesce(" + have + ", '') = " + mine;
  const std::string absent = empty_is_null && is_json(storage) ? "'{}'" : "''";
  return "coalesce(nullif(" + have + "::text, " + absent + "), '') = coalesce(nullif(" + mine + ", " + absent +
         "), '')";
}

std::string same_content(const Shape& shape) {
  std::string condition = column_of_e(shape.type) + "::text = tw_e_type[i.tw_ord]";
  condition += " and " + same(shape.data, shape.data_storage, "tw_e_data[i.tw_ord]", false);
  if (shape.metadata)
    condition += " and " + same(*shape.metadata, shape.metadata_storage, "tw_e_metadata[i.tw_ord]", true);
  if (shape.content_type) condition += " and " + column_of_e(*shape.content_type) + " = tw_e_content[i.tw_ord]";
  return condition;
}

std::string revision_of_e(const Shape& shape) {
  const std::string column = column_of_e(shape.revision) + "::bigint";
  return shape.base == 0 ? column : "(" + column + " - " + std::to_string(shape.base) + ")";
}

std::string stream_of_request(const Shape& shape, const std::string& request) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) {
    values.push_back(key_parameter(i) + "s[tw_r_stream[" + request + "]]");
  }
  return same_stream_sql(shape, values);
}

std::string facts(const Shape& shape) {
  return "select i.tw_ord as ord, " + revision_of_e(shape) + " as revision, " + column_of_e(shape.position) +
         "::bigint as pos, (" + same_content(shape) + ") as same";
}

/// The index over the ids finds them in the whole table.
std::string find_by_id(const Shape& shape) {
  return facts(shape) + ", (" + stream_of_request(shape, "tw_e_request[i.tw_ord]") + condition_of(shape) +
         ") as here from unnest(tw_e_id) with ordinality i(tw_id, tw_ord) join " + shape.table + " e on " +
         column_of_e(*shape.id) + " = i.tw_id::" + shape.id->type;
}

/// Looks at the places where a repetition at an expected revision would have put the events.
std::string find_by_place(const Shape& shape) {
  const std::string match = shape.id ? "lower(" + column_of_e(*shape.id) + "::text) = tw_e_id[i.tw_ord]::text"
                                     : "(" + same_content(shape) + ")";
  return facts(shape) +
         ", true as here from unnest(tw_e_request, tw_e_place) with ordinality i(tw_request, tw_place, tw_ord) join " +
         shape.table + " e on " + stream_of_request(shape, "i.tw_request") + " and " + column_of_e(shape.revision) +
         " = tw_r_expected[i.tw_request] + 1 + i.tw_place + " + std::to_string(shape.base) + condition_of(shape) +
         " where tw_r_kind[i.tw_request] in (1, 3) and tw_r_expected[i.tw_request] < "
         "tw_heads[tw_r_stream[i.tw_request]]"
         " and " +
         match;
}

/// Without an index over the ids, other expectations cost a look through the whole stream.
std::string find_in_stream(const Shape& shape) {
  return facts(shape) + ", true as here from unnest(tw_e_request) with ordinality i(tw_request, tw_ord) join " +
         shape.table + " e on " + stream_of_request(shape, "i.tw_request") + " and lower(" + column_of_e(*shape.id) +
         "::text) = tw_e_id[i.tw_ord]::text" + condition_of(shape) + " where tw_r_kind[i.tw_request] in (0, 2)";
}

/// Which of the batch's events are stored already.
std::string find_stored(const Shape& shape) {
  if (shape.id && shape.id_indexed) return find_by_id(shape);
  if (!shape.id) return find_by_place(shape);
  return find_by_place(shape) + " union all " + find_in_stream(shape);
}

std::string insert_statement(const Shape& shape) {
  std::string values;
  const std::string columns =
      insert_columns(shape, "tw_r_stream[v.tw_request]", "tw_first[v.tw_request] + v.tw_place", values);
  const std::string fits = shape.where.empty() ? "true" : "coalesce((" + shape.where + "), false)";
  return "with tw_written as (insert into " + shape.table + " (" + columns + ")\n    select " + values +
         "\n    from unnest(tw_e_request, tw_e_place, tw_e_id, tw_e_type, tw_e_content, tw_e_data, tw_e_metadata, "
         "tw_e_created)"
         " with ordinality\n      v(tw_request, tw_place, tw_id, tw_type, tw_content, tw_data, tw_metadata, "
         "tw_created, tw_ord)"
         "\n    where tw_first[v.tw_request] is not null order by v.tw_ord\n    returning " +
         quote_identifier(shape.position.name) + "::bigint as tw_position, " + fits +
         " as tw_fits)\n"
         "    select array_agg(tw_position order by tw_position), bool_and(tw_fits) into tw_positions, tw_fit from "
         "tw_written";
}

std::string lateral_head(const Shape& shape) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < shape.stream.size(); ++i) values.push_back("k.tw_k" + std::to_string(i));
  return "left join lateral (select " + revision_of_e(shape) + " as tw_head from " + shape.table + " e where " +
         same_stream_sql(shape, values) + condition_of(shape) + " order by " + column_of_e(shape.revision) +
         " desc limit 1) h on true";
}

// tw_first: where the events of an accepted request begin; NULL for all others.
constexpr const char* body = R"(
#variable_conflict use_column
declare
  @key_variables@
  tw_heads bigint[]; tw_visible bigint[]; tw_hidden boolean[]; tw_dead boolean[];
  tw_at bigint[]; tw_at_position bigint[]; tw_same boolean[]; tw_hit record; tw_any boolean := false;
  tw_outcome integer[]; tw_revision bigint[]; tw_first bigint[]; tw_last bigint[]; tw_known bigint[];
  tw_positions bigint[]; tw_fit boolean; tw_writes integer := 0; tw_event integer := 1;
  tw_s integer; tw_n integer; tw_k integer; tw_x bigint; tw_h bigint; tw_soft boolean;
  tw_taken boolean; tw_equal boolean; tw_placed integer; tw_here integer; tw_repeated boolean; tw_o integer;
begin
  @lock_streams@;

  select array_agg(coalesce(h.tw_head, -1) order by k.tw_ord),
         array_agg(coalesce(s.first_visible, 0) order by k.tw_ord),
         array_agg(coalesce(s.deleted, false) order by k.tw_ord),
         array_agg(coalesce(s.tombstoned, false) order by k.tw_ord)
    into tw_heads, tw_visible, tw_hidden, tw_dead
  from unnest(tw_streams, @keys@) with ordinality k(tw_name, @key_columns@, tw_ord)
  @lateral_head@
  left join @schema@.stream_state s on s.stream = k.tw_name;

  for tw_hit in @find_stored@ loop
    if not tw_any then
      tw_at := array_fill(null::bigint, array[cardinality(tw_e_request)]);
      tw_at_position := tw_at;
      tw_same := array_fill(true, array[cardinality(tw_e_request)]);
      tw_any := true;
    end if;
    if coalesce(tw_at[tw_hit.ord], -1) < 0 then
      tw_at[tw_hit.ord] := case when tw_hit.here then tw_hit.revision else -1 end;
      tw_at_position[tw_hit.ord] := tw_hit.pos;
      tw_same[tw_hit.ord] := tw_hit.same;
    end if;
  end loop;

  tw_first := array_fill(null::bigint, array[cardinality(tw_r_stream)]);
  tw_last := tw_first; tw_known := tw_first; tw_revision := tw_first;
  tw_outcome := array_fill(0, array[cardinality(tw_r_stream)]);
  for tw_i in 1 .. cardinality(tw_r_stream) loop
    tw_s := tw_r_stream[tw_i]; tw_n := tw_r_count[tw_i]; tw_k := tw_r_kind[tw_i]; tw_x := tw_r_expected[tw_i];
    tw_h := tw_heads[tw_s];
    tw_soft := tw_hidden[tw_s] and tw_visible[tw_s] > tw_h;
    tw_taken := false; tw_equal := true; tw_placed := 0; tw_here := 0;
    if tw_any then
      for tw_j in 0 .. tw_n - 1 loop
        tw_taken := tw_taken or tw_at[tw_event + tw_j] is not null;
        tw_equal := tw_equal and tw_same[tw_event + tw_j];
        if tw_here = tw_j and tw_at[tw_event + tw_j] >= 0 then tw_here := tw_j + 1; end if;
        if tw_placed = tw_j and tw_at[tw_event + tw_j] = tw_x + 1 + tw_j then tw_placed := tw_j + 1; end if;
      end loop;
    end if;
    tw_repeated := tw_n > 0 and case when tw_k in (0, 2) then tw_here = tw_n else tw_x < tw_h and tw_placed = tw_n end;

    tw_o := case
      when tw_dead[tw_s] then 3
      when tw_k = 2 and tw_soft then 3
      when tw_k = 2 and tw_h < 0 then 2
      when tw_k in (1, 3) and tw_x > tw_h then 2
      when tw_repeated and tw_equal then 1
      when tw_repeated then 4
      when tw_k in (1, 3) and tw_x < tw_h and not (tw_k = 1 and tw_soft and tw_placed = 0) then 2
      when tw_k in (0, 2) and tw_here > 0 then 2
      when tw_taken then 4
      else 0 end;
    if tw_o = 0 then
      if tw_n > 0 then
        tw_first[tw_i] := tw_h + 1;
        tw_heads[tw_s] := tw_h + tw_n;
        tw_writes := tw_writes + tw_n;
        tw_last[tw_i] := tw_writes;
      elsif tw_soft then
        update @schema@.stream_state set deleted = false where stream = tw_streams[tw_s];
        tw_hidden[tw_s] := false;
      end if;
      tw_revision[tw_i] := nullif(tw_heads[tw_s], -1);
    elsif tw_o = 1 then
      tw_revision[tw_i] := tw_at[tw_event + tw_n - 1];
      tw_known[tw_i] := tw_at_position[tw_event + tw_n - 1];
    else
      tw_revision[tw_i] := nullif(tw_h, -1);
    end if;
    tw_outcome[tw_i] := tw_o;
    tw_event := tw_event + tw_n;
  end loop;

  if tw_writes > 0 then
    @insert@;
    if coalesce(cardinality(tw_positions), 0) <> tw_writes then
      raise exception 'the table did not take every row of an insert (a trigger or rule?)';
    elsif not tw_fit then
      raise exception 'the row would not fit the configured where: set insert_defaults so that it does';
    end if;
  end if;
  return query select o.tw_a, o.tw_b, coalesce(tw_positions[o.tw_c], o.tw_d)
    from unnest(tw_outcome, tw_revision, tw_last, tw_known) with ordinality o(tw_a, tw_b, tw_c, tw_d, tw_ord)
    order by o.tw_ord;
end
)";

std::string parameters(const Shape& shape) {
  return stream_parameters(shape) +
         ", tw_r_stream integer[], tw_r_kind integer[], tw_r_expected bigint[], tw_r_count integer[], "
         "tw_e_request integer[], tw_e_place integer[], " +
         event_parameters(shape);
}

Words words_of(const Shape& shape) {
  return {{"key_variables", key_variables(shape)},
          {"lock_streams", lock_streams(shape)},
          {"keys", key_arrays(shape)},
          {"key_columns", key_aliases(shape)},
          {"lateral_head", lateral_head(shape)},
          {"find_stored", find_stored(shape)},
          {"insert", insert_statement(shape)},
          {"schema", shape.control_schema}};
}

}  // namespace

AppendFunction append_function(const Shape& shape) {
  return made_function(shape, "append", parameters(shape), "table(outcome integer, revision bigint, pos bigint)",
                       fill(body, words_of(shape)), "outcome, revision, pos");
}

}  // namespace twinstream::postgres
