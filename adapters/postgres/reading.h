#pragma once

#include <string>
#include <vector>

#include "adapters/postgres/connection.h"
#include "adapters/postgres/shape.h"
#include "adapters/postgres/statements.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// What every reader of a table needs.
struct Table {
  explicit Table(Shape shape_) : shape(std::move(shape_)), statements(shape) {}
  const Shape shape;
  const Statements statements;
};

/// The event columns of a row, from column `first` on. Without an id column the id is UUIDv5 of table, stream and
/// revision; an id that is no UUID becomes UUIDv5 of table and text.
RecordedEvent decode_event(const Shape& shape, const Rows& rows, std::size_t row, std::size_t first = 0);
std::vector<RecordedEvent> decode_events(const Shape& shape, const Rows& rows);
/// From the columns head, first_visible, deleted, tombstoned.
Head decode_head(const Rows& rows);

/// One read of one stream, head and events from one snapshot. Throws DatabaseError.
Result<StreamPage> read_stream_page(Connection& connection, const Table& table, const ReadStream& request);
Result<Head> read_head(Connection& connection, const Table& table, const std::string& stream);

/// Events of the global order between two positions. Throws DatabaseError.
std::vector<RecordedEvent> read_forwards(Connection& connection, const Table& table, std::uint64_t after,
                                         std::uint64_t to, std::size_t limit);
std::vector<RecordedEvent> read_backwards(Connection& connection, const Table& table, std::uint64_t before,
                                          std::uint64_t to, std::size_t limit);

/// A position as a bigint: what is beyond 63 bits is after everything.
std::int64_t as_bigint(std::uint64_t value);

inline constexpr std::size_t max_page = 4096;

}  // namespace twinstream::postgres
