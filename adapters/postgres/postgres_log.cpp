#include "adapters/postgres/postgres_log.h"

#include <functional>
#include <vector>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/deletion.h"
#include "adapters/postgres/global_order.h"
#include "adapters/postgres/lane.h"
#include "adapters/postgres/multi_append.h"
#include "adapters/postgres/preflight.h"
#include "adapters/postgres/quick_function.h"
#include "adapters/postgres/reading.h"
#include "adapters/postgres/subscription.h"
#include "adapters/postgres/validate.h"
#include "adapters/postgres/workers.h"

namespace twinstream {

using namespace postgres;

namespace {

constexpr std::size_t waiting_reads = 10'000;

// Keyset reads must not turn into scans on a table without statistics.
constexpr const char* reader_setup = "set enable_seqscan = off;";

LogTraits traits_of(const Shape& shape) {
  LogTraits traits;
  traits.name = "postgres";
  traits.exact_bytes =
      shape.data_storage != Storage::jsonb && (!shape.metadata || shape.metadata_storage != Storage::jsonb);
  traits.keeps_created = shape.created.has_value();
  traits.keeps_event_ids = shape.id.has_value();
  return traits;
}

std::optional<Failure> missing_schema(Connection& connection, const Shape& shape, const std::string& schema) {
  const auto quick = quick_function(shape);
  const std::string append = append_function(shape).name;
  const Rows found = connection.query(
      "select to_regclass($1::text) is not null and to_regproc($2::text) is not null and to_regproc($3::text) is not "
      "null",
      {shape.control_schema + ".stream_state", append, quick ? quick->name : append});
  if (found.boolean(0, 0)) return std::nullopt;
  return Failure{
      FailureCode::rejected, "schema " + schema + " is not set up for this configuration; run twinstream init", {}};
}

Result<Shape> checked_shape(const PostgresConfig& config) {
  try {
    Connection connection(config, "");
    auto shape = load_shape(connection, config);
    if (!shape.ok()) return shape;
    if (auto missing = missing_schema(connection, *shape, config.control_schema)) return *missing;
    return shape;
  } catch (const DatabaseError& error) {
    return to_failure(error);
  }
}

}  // namespace

struct PostgresLog::Implementation {
  Implementation(const PostgresConfig& config_, Shape shape)
      : config(config_),
        log_traits(traits_of(shape)),
        table(std::make_shared<Table>(std::move(shape))),
        counters(std::make_shared<TailCounters>()),
        readers(config, reader_setup, config.readers, waiting_reads),
        global(readers, table, config.statement_timeout) {
    const std::shared_ptr<const Shape> shared(table, &table->shape);
    for (unsigned i = 0; i < std::max(1U, config.lanes); ++i) lanes.push_back(std::make_unique<Lane>(config, shared));
  }

  Lane& lane_of(const std::string& stream) { return *lanes[std::hash<std::string>{}(stream) % lanes.size()]; }

  template <class T>
  Awaitable<Result<T>> read(std::function<Result<T>(Connection&, const Table&)> work) {
    std::function<Result<T>(Connection&)> job = [table = table, work = std::move(work)](Connection& connection) {
      return work(connection, *table);
    };
    return readers.repeatable<T>(std::move(job));
  }

  template <class T>
  Awaitable<Result<T>> change(std::function<Result<T>(Connection&, const Table&)> work) {
    std::function<Result<T>(Connection&)> job = [table = table, work = std::move(work)](Connection& connection) {
      return work(connection, *table);
    };
    return readers.once<T>(std::move(job));
  }

  Awaitable<Result<Deleted>> remove(Removal removal, std::string stream, ExpectedRevision expected) {
    return change<Deleted>([=](Connection& connection, const Table& table_) {
      return remove_stream(connection, table_, removal, stream, expected);
    });
  }

  const PostgresConfig config;
  const LogTraits log_traits;
  const std::shared_ptr<const Table> table;
  const std::shared_ptr<TailCounters> counters;
  Workers readers;
  GlobalOrder global;
  std::vector<std::unique_ptr<Lane>> lanes;
};

Result<std::unique_ptr<PostgresLog>> PostgresLog::open(const PostgresConfig& config) {
  auto shape = checked_shape(config);
  if (!shape.ok()) return shape.failure();
  const auto report = preflight(config);
  if (!report.ok()) return report.failure();
  if (auto reason = report->refusal()) return Failure{FailureCode::rejected, *reason, {}};
  auto implementation = std::make_unique<Implementation>(config, std::move(*shape));
  return std::unique_ptr<PostgresLog>(new PostgresLog(std::move(implementation)));
}

PostgresLog::PostgresLog(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}

PostgresLog::~PostgresLog() = default;

const LogTraits& PostgresLog::traits() const { return implementation_->log_traits; }

std::optional<Failure> PostgresLog::refuses(const AppendRequest& request) const {
  if (auto failure = EventLog::refuses(request)) return failure;
  return unfit(implementation_->table->shape, request);
}

Awaitable<Result<Appended>> PostgresLog::append(AppendRequest request) {
  if (auto failure = refuses(request)) co_return *failure;
  Lane& lane = implementation_->lane_of(request.stream);
  auto start = [&](Completion<Result<Appended>> done) { lane.append(std::move(request), std::move(done)); };
  co_return co_await await_completion<Result<Appended>>(start);
}

Awaitable<Result<std::vector<Appended>>> PostgresLog::append_together(std::vector<AppendRequest> requests,
                                                                      std::vector<StreamCheck> checks) {
  using Answers = std::vector<Appended>;
  if (auto failure = refuses_together(requests)) co_return *failure;
  co_return co_await implementation_->change<Answers>(
      [requests = std::move(requests), checks = std::move(checks)](Connection& connection, const Table& table) {
        return append_to_streams(connection, table, requests, checks);
      });
}

Awaitable<Result<StreamPage>> PostgresLog::read_stream(ReadStream request) {
  return implementation_->read<StreamPage>([request = std::move(request)](Connection& connection, const Table& table) {
    return read_stream_page(connection, table, request);
  });
}

Awaitable<Result<AllPage>> PostgresLog::read_all(ReadAll request) { return implementation_->global.read(request); }

Awaitable<Result<Head>> PostgresLog::head(std::string stream) {
  return implementation_->read<Head>([stream = std::move(stream)](Connection& connection, const Table& table) {
    return read_head(connection, table, stream);
  });
}

Awaitable<Result<Position>> PostgresLog::tip() { return implementation_->global.tip(); }

Awaitable<Result<Deleted>> PostgresLog::soft_delete(std::string stream, ExpectedRevision expected) {
  return implementation_->remove(Removal::soft_delete, std::move(stream), expected);
}

Awaitable<Result<Deleted>> PostgresLog::tombstone(std::string stream, ExpectedRevision expected) {
  return implementation_->remove(Removal::tombstone, std::move(stream), expected);
}

Awaitable<Result<Done>> PostgresLog::restore(std::string stream) {
  return implementation_->change<Done>([stream = std::move(stream)](Connection& connection, const Table& table) {
    return restore_stream(connection, table, stream);
  });
}

std::unique_ptr<Subscription> PostgresLog::subscribe_all(Position after) {
  TailSettings settings;
  settings.audit_interval = implementation_->config.audit_interval;
  auto tail = std::make_unique<Tail>(implementation_->table, implementation_->counters, settings, after);
  return subscribe_to_all(implementation_->readers, std::move(tail), implementation_->config.poll_interval);
}

std::unique_ptr<Subscription> PostgresLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  return subscribe_to_stream(implementation_->readers, implementation_->table, std::move(stream), after,
                             implementation_->config.poll_interval);
}

Awaitable<Result<std::string>> PostgresLog::ping() {
  return implementation_->read<std::string>([](Connection& connection, const Table&) {
    const Rows version = connection.query("select current_setting('server_version')");
    const auto number = version.text(0, 0);
    return Result<std::string>("PostgreSQL " + std::string(number.substr(0, number.find(' '))));
  });
}

PostgresLog::TailReport PostgresLog::tail_report() const {
  const auto& counters = *implementation_->counters;
  return {counters.filled, counters.recovered, counters.gaps};
}

}  // namespace twinstream
