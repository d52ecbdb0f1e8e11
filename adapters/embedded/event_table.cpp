#include "adapters/embedded/event_table.h"

#include <algorithm>
#include <cstring>

namespace twinstream::embedded {
namespace {

constexpr std::int64_t schema_version = 2;
constexpr std::size_t page_bytes = 4 * 1024 * 1024;

// Stream names and types are bytes to SQLite: what a client sent comes back unchanged, NUL included.
constexpr const char* schema = R"sql(
  CREATE TABLE streams (key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE);
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    id BLOB NOT NULL,
    created INTEGER NOT NULL,
    json INTEGER NOT NULL,
    type BLOB NOT NULL,
    metadata BLOB NOT NULL,
    data BLOB NOT NULL);
  CREATE UNIQUE INDEX events_by_revision ON events (stream, revision);
)sql";

// What a scavenge has removed, so that it can be told from what was lost.
constexpr const char* scavenge_schema = R"sql(
  CREATE TABLE scavenged (
    stream INTEGER PRIMARY KEY,
    below INTEGER NOT NULL,
    removed INTEGER NOT NULL);
  PRAGMA user_version = 2;
)sql";

/// The columns of to_event come first, in its order.
std::string select_events(std::string_view more_columns, std::string_view from_and_rest) {
  return "SELECT position, revision, id, created, json, type, metadata, data" + std::string(more_columns) + " FROM " +
         std::string(from_and_rest);
}

std::string select_stream(std::string_view order) {
  return select_events("", "events WHERE stream = ?1 AND revision BETWEEN ?2 AND ?3 ORDER BY revision ") +
         std::string(order) + " LIMIT ?4";
}

std::string_view as_bytes(const EventId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

EventId to_id(std::string_view bytes) {
  EventId id;
  std::memcpy(id.bytes.data(), bytes.data(), std::min(bytes.size(), id.bytes.size()));
  return id;
}

Position to_position(std::int64_t position) {
  return {static_cast<std::uint64_t>(position), static_cast<std::uint64_t>(position)};
}

Timestamp to_timestamp(std::int64_t microseconds) { return Timestamp(std::chrono::microseconds(microseconds)); }

RecordedEvent to_event(const Query& row, std::string stream) {
  RecordedEvent recorded;
  recorded.stream = std::move(stream);
  recorded.position = to_position(row.integer(0));
  recorded.revision = static_cast<std::uint64_t>(row.integer(1));
  recorded.event.id = to_id(row.bytes(2));
  recorded.event.created = to_timestamp(row.integer(3));
  recorded.event.content_type = row.integer(4) ? ContentType::json : ContentType::binary;
  recorded.event.type = row.bytes(5);
  recorded.event.metadata = row.bytes(6);
  recorded.event.data = row.bytes(7);
  return recorded;
}

/// False when the page holds enough.
bool add(std::vector<RecordedEvent>& page, std::size_t& bytes, RecordedEvent event) {
  bytes += event.event.data.size() + event.event.metadata.size() + event.stream.size() + 64;
  page.push_back(std::move(event));
  return bytes < page_bytes;
}

}  // namespace

void prepare_schema(Database& database) {
  const auto version = database.query_integer("PRAGMA user_version");
  if (version == schema_version) return;
  if (version < 0 || version > schema_version) {
    throw SqlError("the data has schema version " + std::to_string(version) + ", this program knows version " +
                   std::to_string(schema_version) + ": use the program that wrote it");
  }
  database.execute("BEGIN IMMEDIATE");
  if (version == 0) database.execute(schema);
  database.execute(scavenge_schema);
  database.execute("COMMIT");
}

EventTable::EventTable(Database& database)
    : find_stream_(database, "SELECT key FROM streams WHERE name = ?1"),
      create_stream_(database, "INSERT INTO streams (name) VALUES (?1) RETURNING key"),
      last_revision_(database, "SELECT max(revision) FROM events WHERE stream = ?1 AND revision <= ?2"),
      first_revision_(database, "SELECT min(revision) FROM events WHERE stream = ?1 AND revision >= ?2"),
      first_position_(database, "SELECT min(position) FROM events"),
      last_position_(database, "SELECT max(position) FROM events"),
      created_at_position_(database, "SELECT created FROM events WHERE position = ?1"),
      created_at_(database, "SELECT created FROM events WHERE stream = ?1 AND revision = ?2"),
      last_data_(database, "SELECT type, json, data FROM events WHERE stream = ?1 ORDER BY revision DESC LIMIT 1"),
      insert_(database,
              "INSERT INTO events (position, stream, revision, id, created, json, type, metadata, data) "
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
      ids_after_(database, "SELECT stream, revision, id, position FROM events WHERE position > ?1 ORDER BY position"),
      ids_from_(database,
                "SELECT revision, id, position FROM events WHERE stream = ?1 AND revision >= ?2 ORDER BY revision "
                "LIMIT ?3"),
      stream_forwards_(database, select_stream("ASC")),
      stream_backwards_(database, select_stream("DESC")),
      all_forwards_(database, select_events(", name",
                                            "events JOIN streams ON key = stream WHERE position >= ?1 "
                                            "ORDER BY position LIMIT ?2")),
      all_backwards_(database, select_events(", name",
                                             "events JOIN streams ON key = stream WHERE position <= ?1 "
                                             "ORDER BY position DESC LIMIT ?2")) {}

std::optional<StreamKey> EventTable::find_stream(std::string_view stream) {
  Query query(find_stream_, stream);
  if (!query.next()) return std::nullopt;
  return query.integer(0);
}

std::optional<std::uint64_t> EventTable::last_revision(StreamKey stream, std::uint64_t at_most) {
  Query query(last_revision_, stream, at_most);
  if (!query.next() || query.is_null(0)) return std::nullopt;
  return static_cast<std::uint64_t>(query.integer(0));
}

std::optional<std::uint64_t> EventTable::first_revision(StreamKey stream, std::uint64_t at_least) {
  Query query(first_revision_, stream, at_least);
  if (!query.next() || query.is_null(0)) return std::nullopt;
  return static_cast<std::uint64_t>(query.integer(0));
}

StreamState EventTable::state(std::string_view stream) {
  StreamState state;
  state.key = find_stream(stream);
  if (state.key) {
    state.last = last_revision(*state.key, tombstone_revision);
    state.tombstoned = state.last == tombstone_revision;
    if (state.tombstoned) state.last = last_revision(*state.key, tombstone_revision - 1);
  }
  state.has_metadata = false;
  if (const auto key = find_stream(metadata_stream_of(stream))) {
    state.has_metadata = last_revision(*key, tombstone_revision).has_value();
  }
  if (is_metadata_stream(stream)) {
    // A metadata stream keeps its last event only, and metadata of its own has no effect on it.
    state.metadata.max_count = 1;
    const auto described = find_stream(stream.substr(2));
    if (described && last_revision(*described, tombstone_revision) == tombstone_revision) state.tombstoned = true;
  } else if (state.has_metadata) {
    state.metadata = StreamMetadata::parse(latest_metadata(stream));
  }
  return state;
}

std::string EventTable::latest_metadata(std::string_view stream) {
  const auto key = find_stream(metadata_stream_of(stream));
  if (!key) return {};
  Query query(last_data_, *key);
  const bool usable = query.next() && query.bytes(0) == metadata_event_type && query.integer(1) != 0;
  return usable ? std::string(query.bytes(2)) : std::string();
}

StreamKey EventTable::create_stream(std::string_view stream) {
  Query query(create_stream_, stream);
  query.next();
  return query.integer(0);
}

void EventTable::insert(std::uint64_t position, StreamKey stream, std::uint64_t revision, const Event& event,
                        Timestamp created) {
  const std::int64_t micros = created.time_since_epoch().count();
  const bool json = event.content_type == ContentType::json;
  Query(insert_, position, stream, revision, as_bytes(event.id), micros, json, std::string_view(event.type),
        std::string_view(event.metadata), std::string_view(event.data))
      .run();
}

std::uint64_t EventTable::first_position() {
  Query query(first_position_);
  return query.next() ? static_cast<std::uint64_t>(query.integer(0)) : 0;
}

std::uint64_t EventTable::last_position() {
  Query query(last_position_);
  return query.next() ? static_cast<std::uint64_t>(query.integer(0)) : 0;
}

std::optional<Timestamp> EventTable::created_at_position(std::uint64_t position) {
  Query query(created_at_position_, position);
  if (!query.next()) return std::nullopt;
  return to_timestamp(query.integer(0));
}

Timestamp EventTable::created_at(StreamKey stream, std::uint64_t revision) {
  Query query(created_at_, stream, revision);
  return query.next() ? to_timestamp(query.integer(0)) : Timestamp{};
}

void EventTable::for_each_id_after(std::uint64_t position,
                                   const std::function<void(StreamKey, const StoredId&)>& take) {
  Query query(ids_after_, position);
  while (query.next()) {
    take(query.integer(0),
         {static_cast<std::uint64_t>(query.integer(1)), to_id(query.bytes(2)), to_position(query.integer(3))});
  }
}

std::vector<StoredId> EventTable::ids_from(StreamKey stream, std::uint64_t revision, std::size_t count) {
  std::vector<StoredId> ids;
  Query query(ids_from_, stream, revision, static_cast<std::uint64_t>(count));
  while (query.next()) {
    ids.push_back({static_cast<std::uint64_t>(query.integer(0)), to_id(query.bytes(1)), to_position(query.integer(2))});
  }
  return ids;
}

std::vector<RecordedEvent> EventTable::stream_page(const std::string& name, StreamKey stream, Direction direction,
                                                   std::uint64_t low, std::uint64_t high, std::size_t max_count) {
  Query query(direction == Direction::forwards ? stream_forwards_ : stream_backwards_, stream, low, high,
              static_cast<std::uint64_t>(max_count));
  std::vector<RecordedEvent> page;
  for (std::size_t bytes = 0; query.next() && add(page, bytes, to_event(query, name));) continue;
  return page;
}

std::vector<RecordedEvent> EventTable::all_page(Direction direction, std::uint64_t bound, std::size_t max_count) {
  Query query(direction == Direction::forwards ? all_forwards_ : all_backwards_, bound,
              static_cast<std::uint64_t>(max_count));
  std::vector<RecordedEvent> page;
  for (std::size_t bytes = 0; query.next() && add(page, bytes, to_event(query, std::string(query.bytes(8))));) continue;
  return page;
}

}  // namespace twinstream::embedded
