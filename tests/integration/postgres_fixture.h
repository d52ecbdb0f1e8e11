#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "adapters/postgres/connection.h"
#include "adapters/postgres/postgres_log.h"
#include "adapters/postgres/schema.h"
#include "config/config.h"
#include "proxy/core/event_log.h"

namespace twinstream::test {

/// The cluster that tests/support/with-postgres.sh started.
inline std::string cluster_url() {
  const char* url = std::getenv("TWINSTREAM_TEST_POSTGRES");
  if (url == nullptr) throw std::runtime_error("run this through tests/support/with-postgres.sh");
  return url;
}

inline std::string unique_name(const std::string& prefix) {
  return prefix + "_" + EventId::random().to_string().substr(0, 13);
}

/// A configuration with a control schema of its own.
inline PostgresConfig fresh_config(const std::string& url = cluster_url()) {
  PostgresConfig config;
  config.url = url;
  config.control_schema = unique_name("control");
  return config;
}

inline postgres::Connection connect(const PostgresConfig& config) { return postgres::Connection(config, ""); }

inline std::string in_quotes(const std::string& name) { return "\"" + name + "\""; }

template <class T>
T value_of(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.failure().reason);
  return std::move(*result);
}

inline std::unique_ptr<PostgresLog> open_log(const PostgresConfig& config) {
  value_of(initialise(config));
  return value_of(PostgresLog::open(config));
}

/// Drops the schemas of a configuration and its mapped table at the end of a test.
class Cleanup {
 public:
  explicit Cleanup(PostgresConfig config) : config_(std::move(config)) {}
  ~Cleanup() {
    try {
      auto connection = connect(config_);
      std::string schemas = in_quotes(config_.control_schema);
      if (config_.mapped) schemas += ", " + in_quotes(config_.mapped->table.substr(0, config_.mapped->table.find('.')));
      connection.script("set client_min_messages = warning; drop schema if exists " + schemas + " cascade");
    } catch (const postgres::DatabaseError&) {  // the cluster is thrown away anyway
    }
  }
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;

 private:
  PostgresConfig config_;
};

/// A table as a backend would have made it: two key columns, versions from 1, jsonb.
inline PostgresConfig mapped_config(
    const std::string& columns =
        "seq bigserial primary key, aggregate_type text not null, aggregate_id text not "
        "null, version integer not null, event_id uuid not null unique, kind text not "
        "null, payload jsonb not null, meta jsonb, at timestamptz not null default now(), "
        "unique (aggregate_type, aggregate_id, version)") {
  PostgresConfig config = fresh_config();
  const std::string schema = unique_name("backend");
  auto connection = connect(config);
  connection.script("create schema " + in_quotes(schema) + "; create table " + in_quotes(schema) + ".events (" +
                    columns + ")");
  MappedTable mapped;
  mapped.table = schema + ".events";
  mapped.stream_columns = {"aggregate_type", "aggregate_id"};
  mapped.stream_template = "{aggregate_type}-{aggregate_id}";
  mapped.revision_column = "version";
  mapped.revision_base = 1;
  mapped.id_column = "event_id";
  mapped.type_column = "kind";
  mapped.data_column = "payload";
  mapped.metadata_column = "meta";
  mapped.created_column = "at";
  mapped.position_column = "seq";
  config.mapped = mapped;
  return config;
}

inline std::string table_of(const PostgresConfig& config) {
  if (!config.mapped) return in_quotes(config.control_schema) + ".events";
  const auto dot = config.mapped->table.find('.');
  return in_quotes(config.mapped->table.substr(0, dot)) + "." + config.mapped->table.substr(dot + 1);
}

template <class T>
Awaitable<void> keep(Awaitable<T> operation, std::optional<T>* answer) {
  answer->emplace(co_await std::move(operation));
}

inline void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

/// One for each thread that ever ran a test, kept to the end: a thread that has handed over an answer may still be
/// about to signal the context when the answer was already taken.
inline boost::asio::io_context& context_of_this_thread() {
  static std::mutex mutex;
  static std::deque<boost::asio::io_context> contexts;
  thread_local boost::asio::io_context* mine = [] {
    std::scoped_lock lock(mutex);
    return &contexts.emplace_back();
  }();
  return *mine;
}

/// Runs operations together until all have answered.
template <class T>
std::vector<T> run_together(std::vector<Awaitable<T>> operations) {
  auto& context = context_of_this_thread();
  context.restart();
  std::vector<std::optional<T>> answers(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    boost::asio::co_spawn(context, keep(std::move(operations[i]), &answers[i]), rethrow);
  }
  context.run();
  std::vector<T> complete;
  for (auto& answer : answers) complete.push_back(std::move(answer.value()));
  return complete;
}

template <class T>
T run(Awaitable<T> operation) {
  std::vector<Awaitable<T>> operations;
  operations.push_back(std::move(operation));
  return std::move(run_together(std::move(operations)).front());
}

inline Event event(std::string data = R"({"n": 1})", std::string type = "happened") {
  Event made;
  made.id = EventId::random();
  made.type = std::move(type);
  made.data = std::move(data);
  made.metadata = R"({"by": "test"})";
  return made;
}

inline std::vector<RecordedEvent> all_of(EventLog& log, const std::string& stream) {
  return value_of(run(log.read_stream({stream, Direction::forwards, 0, 4000, false}))).events;
}

}  // namespace twinstream::test
