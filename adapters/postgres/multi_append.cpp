#include "adapters/postgres/multi_append.h"

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/batch.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

constexpr int most_races = 10;

bool lost_a_race(const DatabaseError& error) {
  return error.state() == "23505" || error.state() == "40001" || error.state() == "40P01";
}

/// Left without a commit, the transaction is rolled back.
Result<std::vector<Appended>> append_once(Connection& connection, const std::string& call,
                                          const std::vector<std::string>& arguments,
                                          const std::vector<AppendRequest>& requests, const Requests& pointers) {
  Transaction transaction(connection);
  const auto answers = decode_answers(pointers, connection.query(call, arguments));
  if (auto failure = together(requests, answers)) return *failure;
  transaction.commit();
  std::vector<Appended> appended;
  for (const auto& answer : answers) appended.push_back(*answer);
  return appended;
}

}  // namespace

Result<std::vector<Appended>> append_to_streams(Connection& connection, const Shape& shape,
                                                const std::vector<AppendRequest>& requests) {
  Requests pointers;
  for (const auto& request : requests) pointers.push_back(&request);
  const std::string call = append_function(shape).call;
  const auto arguments = encode_batch(shape, pointers);
  for (int races = 1;; ++races) {
    try {
      return append_once(connection, call, arguments, requests, pointers);
    } catch (const DatabaseError& error) {
      if (!lost_a_race(error) || races == most_races) throw;
    }
  }
}

}  // namespace twinstream::postgres
