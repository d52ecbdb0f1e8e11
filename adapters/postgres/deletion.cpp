#include "adapters/postgres/deletion.h"

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/validate.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

Failure wrong_revision(const std::string& stream, const Head& head) {
  const std::string actual = head.revision ? "at revision " + std::to_string(*head.revision) : "without events";
  return {FailureCode::wrong_expected_revision, "stream " + stream + " is " + actual, head.revision};
}

Failure deleted(const std::string& stream) {
  return {FailureCode::stream_deleted, "stream " + stream + " is deleted", {}};
}

void lock_stream(Connection& connection, const Table& table, const std::string& stream) {
  connection.query("select pg_advisory_xact_lock(hashtextextended($1::text, " + lock_seed(table.shape) + "))",
                   {stream});
}

}  // namespace

std::optional<Failure> refuse_removal(Removal removal, const std::string& stream, const Head& head,
                                      ExpectedRevision expected) {
  using Kind = ExpectedRevision::Kind;
  if (head.state == Head::State::tombstoned) return deleted(stream);
  if (head.state == Head::State::none && removal == Removal::soft_delete) return wrong_revision(stream, head);
  bool fits = true;
  switch (expected.kind) {
    case Kind::any: break;
    case Kind::no_stream: fits = head.state != Head::State::live; break;
    case Kind::stream_exists:
      if (head.state == Head::State::soft_deleted) return deleted(stream);
      fits = head.state == Head::State::live;
      break;
    case Kind::exact: fits = head.revision == expected.revision; break;
  }
  if (!fits) return wrong_revision(stream, head);
  return std::nullopt;
}

Result<Deleted> remove_stream(Connection& connection, const Table& table, Removal removal, const std::string& stream,
                              ExpectedRevision expected) {
  Transaction transaction(connection);
  lock_stream(connection, table, stream);
  const auto head = read_head(connection, table, stream);
  if (!head.ok()) return head.failure();
  if (auto failure = refuse_removal(removal, stream, *head, expected)) return *failure;
  connection.query(
      "insert into " + table.shape.control_schema +
          ".stream_state as s (stream, first_visible, deleted, tombstoned) values ($1::text, $2::bigint, "
          "$3::bigint = 0, $3::bigint = 1) on conflict (stream) do update set first_visible = "
          "excluded.first_visible, deleted = excluded.deleted, tombstoned = excluded.tombstoned, changed = now()",
      {stream, binary_integer(static_cast<std::int64_t>(head->next_revision())),
       binary_integer(removal == Removal::tombstone ? 1 : 0)});
  transaction.commit();
  return Deleted{};
}

Result<Done> restore_stream(Connection& connection, const Table& table, const std::string& stream) {
  Transaction transaction(connection);
  lock_stream(connection, table, stream);
  const auto head = read_head(connection, table, stream);
  if (!head.ok()) return head.failure();
  if (head->state == Head::State::tombstoned) return deleted(stream);
  if (head->first_visible == 0) {
    return Failure{FailureCode::stream_not_found, "stream " + stream + " has no hidden events", {}};
  }
  connection.query("update " + table.shape.control_schema +
                       ".stream_state set first_visible = 0, deleted = false, changed = now() where stream = $1::text",
                   {stream});
  transaction.commit();
  return Done{};
}

}  // namespace twinstream::postgres
