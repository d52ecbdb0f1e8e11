#include "adapters/postgres/schema.h"

#include <array>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/connection.h"
#include "adapters/postgres/quick_function.h"
#include "adapters/postgres/shape.h"
#include "adapters/postgres/wire.h"

namespace twinstream {
namespace {

using namespace postgres;

/// Step n brings the schema from version n to n + 1. Steps that were released never change; `@` is the schema.
constexpr std::array control_steps{
    R"(
create table @.stream_state (
  stream        text primary key,
  first_visible bigint not null default 0,      -- events below it are hidden
  deleted       boolean not null default false, -- soft-deleted, as long as no event at or after first_visible exists
  tombstoned    boolean not null default false,
  changed       timestamptz not null default now());
create table @.categories (
  name                   text primary key,
  phase                  text not null,
  eventstore_is_authority boolean not null,
  epoch                  bigint not null,
  backfilled             boolean not null,
  checked_equal          boolean not null,
  changed                timestamptz not null default now());
create table @.cursors (
  name             text primary key,
  commit_position  numeric(20) not null,
  prepare_position numeric(20) not null,
  changed          timestamptz not null default now());
create table @.divergences (
  stream   text primary key,
  revision numeric(20) not null,
  reason   text not null,
  found    timestamptz not null);
create index divergences_found on @.divergences (found, stream);
create table @.state_changes (
  stream text primary key,
  noted  timestamptz not null default now());
create table @.checks (
  single boolean primary key default true check (single),
  report text not null,
  taken  timestamptz not null default now());
)",
};

/// The managed event table. `position` is drawn inside the INSERT from a sequence without cache: the tail relies on it.
constexpr const char* managed_table = R"(
create table if not exists @.events (
  position     bigint generated always as identity (cache 1),
  stream       text not null,
  revision     bigint not null check (revision >= 0),
  event_id     uuid not null,
  type         text not null,
  content_type text not null check (content_type in ('json', 'binary')),
  data         bytea not null,
  metadata     bytea not null,
  created      timestamptz not null,
  constraint events_position primary key (position),
  constraint events_stream_revision unique (stream, revision),
  constraint events_event_id unique (event_id));
create or replace function @.readable(bytes bytea) returns text language plpgsql immutable strict parallel safe as $$
begin
  return convert_from(bytes, 'UTF8');
exception when others then
  return null;
end $$;
create or replace view @.events_readable as
  select position, stream, revision, created, type, content_type,
         coalesce(@.readable(data), encode(data, 'base64')) as data,
         coalesce(@.readable(metadata), encode(metadata, 'base64')) as metadata, event_id
  from @.events;
)";

std::string in_schema(std::string text, const std::string& schema) {
  for (auto at = text.find("@."); at != std::string::npos; at = text.find("@.", at + schema.size())) {
    text.replace(at, 1, schema);
  }
  return text;
}

std::int64_t installed_version(Connection& connection, const std::string& schema) {
  connection.script(
      "create table if not exists " + schema +
      ".schema_version (single boolean primary key default true check (single), version integer not null)");
  const Rows rows = connection.script("select version from " + schema + ".schema_version");
  return rows.empty() ? 0 : rows.integer(0, 0);
}

/// `create schema if not exists` asks for the right to create schemas even when there is nothing to create.
void create_schema(Connection& connection, const std::string& name, const std::string& quoted) {
  const Rows there = connection.query("select 1 from pg_namespace where nspname = $1::text::name", {name});
  if (there.empty()) connection.script("create schema " + quoted);
}

Result<Done> migrate(Connection& connection, const PostgresConfig& config) {
  const std::string schema = quote_identifier(config.control_schema);
  Transaction transaction(connection);
  connection.script(
      "set local lock_timeout = 0; select pg_advisory_xact_lock(hashtextextended('twinstream schema ' || " +
      quote_literal(config.control_schema) + ", 0))");
  create_schema(connection, config.control_schema, schema);
  const auto version = static_cast<std::size_t>(installed_version(connection, schema));
  if (version > control_steps.size()) {
    return Failure{FailureCode::rejected,
                   "schema " + config.control_schema + " has version " + std::to_string(version) +
                       " and was made by a newer Twinstream; this one knows version " +
                       std::to_string(control_steps.size()),
                   {}};
  }
  for (std::size_t step = version; step < control_steps.size(); ++step) {
    connection.script(in_schema(control_steps[step], schema));
  }
  connection.script("insert into " + schema + ".schema_version (version) values (" +
                    std::to_string(control_steps.size()) +
                    ") on conflict (single) do update set version = excluded.version");
  if (!config.mapped) connection.script(in_schema(managed_table, schema));
  const auto shape = load_shape(connection, config);
  if (!shape.ok()) return shape.failure();
  connection.script(append_function(*shape).create);
  if (const auto quick = quick_function(*shape)) connection.script(quick->create);
  transaction.commit();
  return Done{};
}

}  // namespace

Result<Done> initialise(const PostgresConfig& config) {
  try {
    Connection connection(config, "set client_min_messages = warning;");
    return migrate(connection, config);
  } catch (const DatabaseError& error) {
    auto failure = to_failure(error);
    failure.reason = "cannot set up schema " + config.control_schema + ": " + failure.reason;
    return failure;
  }
}

}  // namespace twinstream
