#include "adapters/postgres/reading.h"

#include <algorithm>
#include <limits>

#include "adapters/postgres/validate.h"
#include "adapters/postgres/wire.h"
#include "proxy/core/json.h"

namespace twinstream::postgres {
namespace {

std::string payload(std::string_view text, Storage storage) {
  if (storage != Storage::bytea || text.empty()) return std::string(text);
  auto bytes = parse_bytea(text);
  if (!bytes) throw DatabaseError("22000", "the server answered a bytea in an unknown form", false);
  return std::move(*bytes);
}

/// Empty metadata is stored as `{}` where the column may not be NULL.
std::string metadata(const Shape& shape, std::string_view text) {
  if (!shape.metadata) return {};
  const bool stands_for_none = !shape.metadata->nullable && is_json(shape.metadata_storage) && text == "{}";
  return stands_for_none ? std::string() : payload(text, shape.metadata_storage);
}

EventId decode_id(const Shape& shape, const std::string& stream, std::uint64_t revision, std::string_view text) {
  if (!shape.id) return EventId::derive(shape.label + '\n' + stream + '\n' + std::to_string(revision));
  if (const auto id = EventId::parse(text)) return *id;
  return EventId::derive(shape.label + "\nid\n" + std::string(text));
}

/// Somebody's own table does not say what its bytes are; JSON is what reads as JSON.
ContentType content_of(const Shape& shape, std::string_view stored, const std::string& data) {
  if (shape.content_type) return stored == "json" ? ContentType::json : ContentType::binary;
  if (is_json(shape.data_storage)) return ContentType::json;
  return canonical_json(data) ? ContentType::json : ContentType::binary;
}

/// The lowest revision that a read of this kind may return.
std::uint64_t lowest(const Head& head, const ReadStream& request) {
  return request.include_hidden ? 0 : head.first_visible;
}

bool is_end(const StreamPage& page, const ReadStream& request, std::size_t limit) {
  if (page.events.size() < limit) return true;
  const auto revision = page.events.empty() ? std::optional<std::uint64_t>() : page.events.back().revision;
  if (request.direction == Direction::forwards) {
    return revision ? *revision >= *page.head.revision : request.from.value_or(0) > *page.head.revision;
  }
  return revision && *revision <= lowest(page.head, request);
}

std::optional<Failure> unreadable(const Head& head, const ReadStream& request) {
  if (head.state == Head::State::tombstoned) {
    return Failure{FailureCode::stream_deleted, "stream " + request.stream + " is deleted", {}};
  }
  const bool hidden = head.state == Head::State::soft_deleted && !request.include_hidden;
  if (head.state == Head::State::none || hidden) {
    return Failure{FailureCode::stream_not_found, "stream " + request.stream + " has no visible events", {}};
  }
  return std::nullopt;
}

}  // namespace

std::int64_t as_bigint(std::uint64_t value) {
  constexpr std::uint64_t limit = std::numeric_limits<std::int64_t>::max() / 2;  // room for the revision base
  return static_cast<std::int64_t>(std::min(value, limit));
}

RecordedEvent decode_event(const Shape& shape, const Rows& rows, std::size_t row, std::size_t first) {
  RecordedEvent recorded;
  recorded.stream = rows.text(row, first);
  recorded.revision = static_cast<std::uint64_t>(rows.integer(row, first + 1));
  const auto position = static_cast<std::uint64_t>(rows.integer(row, first + 2));
  recorded.position = {position, position};
  Event& event = recorded.event;
  event.id = decode_id(shape, recorded.stream, recorded.revision, rows.text(row, first + 3));
  event.type = rows.text(row, first + 4);
  const bool no_data = rows.is_null(row, first + 5);
  event.data = no_data && is_json(shape.data_storage) ? "null" : payload(rows.text(row, first + 5), shape.data_storage);
  event.metadata = metadata(shape, rows.text(row, first + 6));
  event.content_type = content_of(shape, rows.text(row, first + 7), event.data);
  event.created = parse_timestamp(rows.text(row, first + 8)).value_or(Timestamp{});
  return recorded;
}

std::vector<RecordedEvent> decode_events(const Shape& shape, const Rows& rows) {
  std::vector<RecordedEvent> events;
  events.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) events.push_back(decode_event(shape, rows, i));
  return events;
}

Head decode_head(const Rows& rows) {
  Head head;
  const auto revision = rows.optional_integer(0, 0);
  if (revision) head.revision = static_cast<std::uint64_t>(*revision);
  head.first_visible = static_cast<std::uint64_t>(rows.integer(0, 1));
  const bool hidden = rows.boolean(0, 2) && head.first_visible >= head.next_revision();
  head.state = revision ? Head::State::live : Head::State::none;
  if (revision && hidden) head.state = Head::State::soft_deleted;
  if (rows.boolean(0, 3)) head.state = Head::State::tombstoned;
  return head;
}

Result<Head> read_head(Connection& connection, const Table& table, const std::string& stream) {
  const auto key = stream_key(table.shape, stream);
  if (!key.ok()) return key.failure();
  std::vector<std::string> parameters{stream};
  parameters.insert(parameters.end(), key->begin(), key->end());
  return decode_head(connection.query(table.statements.head, parameters));
}

Result<StreamPage> read_stream_page(Connection& connection, const Table& table, const ReadStream& request) {
  const auto key = stream_key(table.shape, request.stream);
  if (!key.ok()) return key.failure();
  const bool forwards = request.direction == Direction::forwards;
  const std::uint64_t edge = forwards ? 0 : std::numeric_limits<std::uint64_t>::max();
  const std::size_t limit = std::min(request.max_count, max_page);
  std::vector<std::string> parameters{request.stream};
  parameters.insert(parameters.end(), key->begin(), key->end());
  parameters.push_back(binary_integer(as_bigint(request.from.value_or(edge))));
  parameters.push_back(binary_integer(request.include_hidden ? 1 : 0));
  parameters.push_back(binary_integer(static_cast<std::int64_t>(limit)));
  const Rows rows = connection.query(forwards ? table.statements.forwards : table.statements.backwards, parameters);
  StreamPage page;
  page.head = decode_head(rows);
  if (auto failure = unreadable(page.head, request)) return *failure;
  constexpr std::size_t first = 4;  // behind the columns of the head
  for (std::size_t i = 0; i < rows.size() && !rows.is_null(i, first + 1); ++i) {
    page.events.push_back(decode_event(table.shape, rows, i, first));
  }
  page.end = is_end(page, request, limit);
  return page;
}

std::vector<RecordedEvent> read_forwards(Connection& connection, const Table& table, std::uint64_t after,
                                         std::uint64_t to, std::size_t limit) {
  return decode_events(table.shape, connection.query(table.statements.all_forwards,
                                                     {binary_integer(as_bigint(after)), binary_integer(as_bigint(to)),
                                                      binary_integer(static_cast<std::int64_t>(limit))}));
}

std::vector<RecordedEvent> read_backwards(Connection& connection, const Table& table, std::uint64_t before,
                                          std::uint64_t to, std::size_t limit) {
  return decode_events(table.shape, connection.query(table.statements.all_backwards,
                                                     {binary_integer(as_bigint(before)), binary_integer(as_bigint(to)),
                                                      binary_integer(static_cast<std::int64_t>(limit))}));
}

}  // namespace twinstream::postgres
