// What the catalogue says about a mapped table.

#include <algorithm>
#include <set>

#include "adapters/postgres/preflight_checks.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

using enum Finding::Severity;

void check_kind(Connection& connection, const Shape& shape, Findings& findings) {
  const Rows table = connection.query(
      "select relkind, relpersistence, row_security_active(oid) from pg_class where oid = $1::text::regclass",
      {shape.table});
  const std::string_view kind = table.text(0, 0);
  if (kind != "r" && kind != "p") {
    note(findings, refuse, shape.label + " is no ordinary table; map the table that holds the rows");
  }
  if (kind == "p")
    note(findings, warning, shape.label + " is partitioned: moving rows between partitions looks like new events");
  if (table.text(0, 1) == "u") {
    note(findings, warning, shape.label + " is unlogged: a crash empties it; alter table ... set logged");
  }
  if (table.boolean(0, 2)) {
    note(findings, refuse,
         "row-level security hides rows of " + shape.label +
             " from this role; grant it BYPASSRLS or a "
             "policy of its own");
  }
}

void check_rights(Connection& connection, const Shape& shape, Findings& findings) {
  const Rows rights = connection.query(
      "select has_table_privilege($1::text::regclass, 'SELECT'), has_table_privilege($1::text::regclass, 'INSERT')",
      {shape.table});
  if (!rights.boolean(0, 0)) note(findings, refuse, "this role may not SELECT from " + shape.label + "; grant it");
  if (!rights.boolean(0, 1)) {
    note(findings, warning,
         "this role may not INSERT into " + shape.label +
             ": routes with capture: append will be refused; grant it, or use capture: backend");
  }
}

void check_indexes(const Shape& shape, Findings& findings) {
  if (shape.revision_indexes.empty()) {
    note(findings, refuse,
         "no unique index covers exactly the stream columns and \"" + shape.revision.name +
             "\" (in every row, those of child tables too, and with the columns' own collations): two writers could "
             "both get the same revision; create unique index concurrently");
  } else {
    note(findings, ok, "index " + shape.revision_indexes.front() + " keeps revisions unique");
  }
  if (!shape.id) {
    note(findings, warning,
         "there is no id column: ids are derived, and a repeated write is recognised only at an exact "
         "expected revision");
  } else if (!shape.id_indexed) {
    note(findings, warning,
         "no index starts with \"" + shape.id->name +
             "\": ids are unique within a stream only, and "
             "appends read their whole stream; create unique index concurrently on it");
  } else if (shape.id_indexes.empty()) {
    note(findings, warning, "\"" + shape.id->name + "\" has no unique index: other writers may store an id twice");
  }
}

void check_triggers(Connection& connection, const Shape& shape, Findings& findings) {
  const Rows triggers = connection.query(
      "select string_agg(tgname, ', ' order by tgname) from pg_trigger where tgrelid = $1::text::regclass and not "
      "tgisinternal and tgenabled <> 'D'",
      {shape.table});
  if (triggers.is_null(0, 0)) return;
  note(findings, warning,
       "triggers run with every append: " + std::string(triggers.text(0, 0)) +
           "; they must not change, drop or move event rows");
}

std::set<std::string> filled_columns(const Shape& shape) {
  std::set<std::string> filled{shape.revision.name, shape.type.name, shape.data.name};
  for (const auto& column : shape.stream) filled.insert(column.name);
  for (const auto* column : {&shape.id, &shape.metadata, &shape.created}) {
    if (*column) filled.insert((*column)->name);
  }
  for (const auto& [column, value] : shape.insert_defaults) filled.insert(column);
  return filled;
}

void check_required_columns(Connection& connection, const Shape& shape, Findings& findings) {
  const Rows required = connection.query(
      "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and "
      "attnotnull and not atthasdef and attidentity = ''",
      {shape.table});
  const auto filled = filled_columns(shape);
  for (std::size_t i = 0; i < required.size(); ++i) {
    const std::string name(required.text(i, 0));
    if (filled.contains(name) || name == shape.position.name) continue;
    note(findings, warning,
         "column \"" + name +
             "\" must not be NULL and nothing fills it: appends will be refused; add "
             "it to insert_defaults");
  }
}

/// The sequence that the column's default or identity draws from; NULL when there is none.
constexpr const char* position_query = R"(
with c as (
  select attrelid, attnum, attidentity from pg_attribute
  where attrelid = $1::text::regclass and attname = $2::text::name),
 s as (
  select refobjid as oid from pg_depend d join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
   join c on f.adrelid = c.attrelid and f.adnum = c.attnum where d.refclassid = 'pg_class'::regclass
  union select d.objid from pg_depend d join c on d.refobjid = c.attrelid and d.refobjsubid = c.attnum
   where d.classid = 'pg_class'::regclass and d.deptype = 'i' and c.attidentity <> '')
select s.oid::regclass::text, q.seqcache, q.seqincrement, q.seqcycle, has_sequence_privilege(s.oid, 'USAGE'),
       (select attidentity <> '' from c)
from s join pg_sequence q on q.seqrelid = s.oid)";

}  // namespace

void check_table(Connection& connection, const Shape& shape, Findings& findings) {
  check_kind(connection, shape, findings);
  check_rights(connection, shape, findings);
  check_indexes(shape, findings);
  check_triggers(connection, shape, findings);
  check_required_columns(connection, shape, findings);
}

void check_position(Connection& connection, const Shape& shape, Findings& findings) {
  const std::string column = "\"" + shape.position.name + "\"";
  const Rows sequence = connection.query(position_query, {shape.table, shape.position.name});
  if (sequence.empty()) {
    return note(findings, refuse,
                "position column " + column +
                    " is not drawn from a sequence by the INSERT itself (serial, "
                    "identity, default nextval): a reader in its order would lose rows that commit late");
  }
  const std::string name(sequence.text(0, 0));
  const auto cache = sequence.integer(0, 1);
  if (cache > 1) {
    note(findings, refuse,
         "sequence " + name + " has cache " + std::to_string(cache) +
             ": sessions keep numbers back and "
             "use them late; alter sequence " +
             name + " cache 1, and let the writers reconnect");
  }
  if (sequence.integer(0, 2) < 1 || sequence.boolean(0, 3)) {
    note(findings, refuse, "sequence " + name + " does not only grow (negative increment or cycle)");
  }
  if (!sequence.boolean(0, 4) && !sequence.boolean(0, 5)) {
    note(findings, warning, "this role may not use sequence " + name + ": appends will be refused; grant usage on it");
  }
  const Rows index = connection.query(
      "select exists (select 1 from pg_index where indrelid = $1::text::regclass and indisvalid and indpred is null "
      "and "
      "indkey[0] = (select attnum from pg_attribute where attrelid = $1::text::regclass and attname = $2::text::name))",
      {shape.table, shape.position.name});
  if (!index.boolean(0, 0)) {
    note(findings, refuse,
         "no index starts with " + column +
             ": every look for new events would read the whole table; "
             "create index concurrently on it");
  }
  const bool fits = cache == 1 && index.boolean(0, 0);
  if (fits) note(findings, ok, "positions are drawn from sequence " + name + ", cache 1");
}

}  // namespace twinstream::postgres
