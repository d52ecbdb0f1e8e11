#include "adapters/postgres/multi_append.h"

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/batch.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

/// Those of the written streams too: whoever holds one lock while it waits for the next must take them in one order.
void lock_streams(Connection& connection, const Table& table, const std::vector<AppendRequest>& requests,
                  const std::vector<StreamCheck>& checks) {
  BinaryArray streams(BinaryArray::Type::text);
  for (const auto& request : requests) streams.add(std::string_view(request.stream));
  for (const auto& check : checks) streams.add(std::string_view(check.stream));
  connection.query("select pg_advisory_xact_lock(q.l) from (select distinct hashtextextended(n.s, " +
                       lock_seed(table.shape) + ") as l from unnest($1::text[]) n(s) order by 1) q",
                   {streams.take()});
}

Result<std::vector<Head>> read_heads(Connection& connection, const Table& table,
                                     const std::vector<StreamCheck>& checks) {
  std::vector<Head> heads;
  for (const auto& check : checks) {
    const auto head = read_head(connection, table, check.stream);
    if (!head.ok()) return head.failure();
    heads.push_back(*head);
  }
  return heads;
}

struct Work {
  const Table& table;
  const std::vector<AppendRequest>& requests;
  const std::vector<StreamCheck>& checks;
  const Requests pointers;
  const std::string call;
  const std::vector<std::string> arguments;
};

/// Left without a commit, the transaction is rolled back.
Result<std::vector<Appended>> append_once(Connection& connection, const Work& work) {
  Transaction transaction(connection);
  if (!work.checks.empty()) lock_streams(connection, work.table, work.requests, work.checks);
  const auto checked = read_heads(connection, work.table, work.checks);
  if (!checked.ok()) return checked.failure();
  const auto answers = decode_answers(work.pointers, connection.query(work.call, work.arguments));
  if (auto failure = together(work.requests, answers, work.checks, *checked)) return *failure;
  transaction.commit();
  std::vector<Appended> appended;
  for (const auto& answer : answers) appended.push_back(*answer);
  return appended;
}

}  // namespace

Result<std::vector<Appended>> append_to_streams(Connection& connection, const Table& table,
                                                const std::vector<AppendRequest>& requests,
                                                const std::vector<StreamCheck>& checks) {
  Requests pointers;
  for (const auto& request : requests) pointers.push_back(&request);
  const Work work{table, requests, checks, pointers, append_function(table.shape).call,
                  encode_batch(table.shape, pointers)};
  for (int races = 1;; ++races) {
    try {
      return append_once(connection, work);
    } catch (const DatabaseError& error) {
      if (!error.lost_a_race() || races == races_lost_before_giving_up) throw;
    }
  }
}

}  // namespace twinstream::postgres
