#include "config/read.h"
#include "config/route_values.h"

namespace twinstream {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr Duration store_timeout{milliseconds(1), minutes(10)};
constexpr Count queue{1, 10'000'000};

Problem check_schema(std::string_view text, std::string& schema) {
  if (text.starts_with("pg_")) return "must not begin with pg_, which belongs to PostgreSQL";
  return check_identifier(text, schema);
}

/// An optional column is switched off by leaving it out or by an empty text.
Problem check_optional_column(std::string_view text, std::string& column) {
  return text.empty() ? accept_text(text, column) : check_identifier(text, column);
}

void check_stream_name(Section& section, const MappedTable& mapped) {
  const bool has_template = section.has("stream_template") && !mapped.stream_template.empty();
  if (mapped.stream_columns.empty()) {
    section.fail("stream_columns", "is missing: name the column or columns that tell the stream of a row");
  } else if (has_template) {
    if (auto problem = check_stream_template(mapped.stream_template, mapped.stream_columns)) {
      section.fail("stream_template", *problem);
    }
  } else if (mapped.stream_columns.size() > 1) {
    section.fail("stream_template",
                 "is missing: with several stream_columns it says how a stream name is made of them");
  }
}

void read_mapped(Section& postgres, std::optional<MappedTable>& target) {
  const DocumentNode* node = postgres.child("mapped");
  if (node == nullptr || node->kind == DocumentNode::Kind::nothing) return;
  Section section(*node, postgres.path_of("mapped"), postgres.findings());
  MappedTable& mapped = target.emplace();
  section.read("table", mapped.table, check_table_name);
  section.read("where", mapped.where, accept_text);
  section.read_list("stream_columns", mapped.stream_columns);
  section.read("stream_template", mapped.stream_template, accept_text);
  section.read("revision_column", mapped.revision_column, check_identifier);
  section.read("revision_base", mapped.revision_base, Count{0, 1});
  section.read("id_column", mapped.id_column, check_optional_column);
  section.read("type_column", mapped.type_column, check_identifier);
  section.read("data_column", mapped.data_column, check_identifier);
  section.read("metadata_column", mapped.metadata_column, check_optional_column);
  section.read("created_column", mapped.created_column, check_optional_column);
  section.read("position_column", mapped.position_column, check_identifier);
  section.read_map("insert_defaults", mapped.insert_defaults);
  section.require("table", "name the table that holds the events");
  section.require("revision_column", "name the column that numbers the events of a stream");
  section.require("type_column", "name the column that holds the event type");
  section.require("data_column", "name the column that holds the event's data");
  section.require("position_column", "name the column that orders all events, drawn from a sequence");
  check_stream_name(section, mapped);
  section.finish();
}

}  // namespace

void read_postgres(Section& root, PostgresConfig& postgres) {
  root.require("postgres", "say where the events are now");
  const DocumentNode* node = root.child("postgres");
  if (node == nullptr) return;
  Section section(*node, "postgres", root.findings());
  section.read("url", postgres.url, check_postgres_url, Shown::never);
  section.require("url",
                  "postgresql://user:password@host:port/database; keep the password in ${VARIABLE} or ${file:/path}");
  section.read("control_schema", postgres.control_schema, check_schema);
  section.read("lanes", postgres.lanes, Count{1, 64});
  section.read("readers", postgres.readers, Count{1, 64});
  section.read("queue_limit", postgres.queue_limit, queue);
  section.read("batch_limit", postgres.batch_limit, Count{1, 10'000});
  section.read("connect_timeout", postgres.connect_timeout, store_timeout);
  section.read("statement_timeout", postgres.statement_timeout, store_timeout);
  section.read("poll_interval", postgres.poll_interval, Duration{milliseconds(1), minutes(1)});
  section.read("audit_interval", postgres.audit_interval, Duration{std::chrono::seconds(1), hours(24)});
  read_mapped(section, postgres.mapped);
  section.finish();
}

void read_eventstore(Section& root, EventStoreConfig& eventstore) {
  const DocumentNode* node = root.child("eventstore");
  if (node == nullptr) return;
  Section section(*node, "eventstore", root.findings());
  section.read("url", eventstore.url, check_eventstore_url, Shown::never);
  section.read("credentials_file", eventstore.credentials_file, accept_text);
  section.read("queue_limit", eventstore.queue_limit, queue);
  section.read("append_timeout", eventstore.append_timeout, store_timeout);
  section.finish();
}

}  // namespace twinstream
