#include "adapters/postgres/fence.h"

#include "adapters/postgres/wire.h"

namespace twinstream::postgres {

Fence Fence::raise(Connection& connection, const Statements& statements, std::uint64_t low) {
  Fence fence;
  const Rows highest = connection.query(statements.highest, {binary_integer(static_cast<std::int64_t>(low))});
  if (highest.boolean(0, 1)) {
    throw DatabaseError("25006", "the server is a standby; connect to the primary", false);
  }
  fence.high = static_cast<std::uint64_t>(highest.integer(0, 0));
  if (fence.high <= low) return fence;
  const Rows holders = connection.query(statements.holders);
  for (std::size_t i = 0; i < holders.size(); ++i) fence.holders.emplace_back(holders.text(i, 0));
  if (!holders.empty()) fence.oldest = "pid " + std::string(holders.text(0, 1));
  return fence;
}

bool Fence::is_closed(Connection& connection, const Statements& statements) const {
  if (holders.empty()) return true;
  BinaryArray transactions(BinaryArray::Type::text);
  for (const auto& holder : holders) transactions.add(std::string_view(holder));
  return !connection.query(statements.any_of_them, {transactions.take()}).boolean(0, 0);
}

}  // namespace twinstream::postgres
