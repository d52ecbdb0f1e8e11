#include "adapters/embedded/store_at_rest.h"

#include "adapters/embedded/directory_lock.h"
#include "adapters/embedded/scavenger.h"

namespace twinstream {
namespace {

using namespace embedded;

constexpr std::int64_t first_schema_with_scavenge = 2;
constexpr std::int64_t newest_schema = 2;

Failure cannot_check(const std::filesystem::path& directory, const std::string& reason) {
  return {FailureCode::unavailable, "data directory " + directory.string() + " " + reason, {}};
}

/// The database of a directory that has one, and the directory locked.
struct StoreAtRest {
  std::unique_ptr<DirectoryLock> lock;
  std::unique_ptr<Database> database;
};

Result<StoreAtRest> open_at_rest(const std::filesystem::path& directory, Database::Mode mode) {
  const auto path = directory / "events.sqlite";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return cannot_check(directory, "holds no store");
  auto lock = DirectoryLock::take(directory);
  if (!lock.ok()) return lock.failure();
  try {
    return StoreAtRest{std::move(*lock), std::make_unique<Database>(path.string(), mode)};
  } catch (const SqlError& failed) {
    return cannot_check(directory, std::string("cannot be opened: ") + failed.what());
  }
}

/// What the rows of one stream look like, in the order of their revisions.
struct StreamRows {
  StreamKey key = 0;
  std::string name;
  std::uint64_t below = 0;  ///< the first revision that a scavenge has left
  std::optional<std::uint64_t> last;
  std::uint64_t last_position = 0;
  std::optional<std::uint64_t> tombstone;  ///< its position
};

class Verifier {
 public:
  Verifier(Database& database, bool knows_scavenge)
      : database_(database),
        table_(database),
        streams_(database, knows_scavenge
                               ? "SELECT key, name, ifnull(below, 0), ifnull(removed, 0) FROM streams "
                                 "LEFT JOIN scavenged ON stream = key ORDER BY key"
                               : "SELECT key, name, 0, 0 FROM streams ORDER BY key"),
        rows_(database,
              "SELECT stream, revision, position FROM events INDEXED BY events_by_revision ORDER BY stream, revision"),
        events_(database, "SELECT position, created, id, length(type) FROM events ORDER BY position"),
        type_at_(database, "SELECT type FROM events WHERE position = ?1") {}

  StoreReport verify() {
    check_streams();
    check_events();
    check_positions();
    report_.repeated_ids = static_cast<std::uint64_t>(
        database_.query_integer("SELECT count(*) FROM (SELECT 1 FROM events GROUP BY stream, id HAVING count(*) > 1)"));
    return std::move(report_);
  }

 private:
  void damage(std::string what) {
    ++report_.damages;
    if (report_.damage.size() < StoreReport::described) report_.damage.push_back(std::move(what));
  }

  void damage(const StreamRows& stream, const std::string& what) { damage("stream " + stream.name + ": " + what); }

  /// Both queries go by the key of the stream, side by side.
  void check_streams() {
    Query streams(streams_);
    Query rows(rows_);
    bool more = rows.next();
    while (streams.next()) {
      StreamRows stream{streams.integer(0), std::string(streams.bytes(1)),
                        static_cast<std::uint64_t>(streams.integer(2)), {}, 0, {}};
      ++report_.streams;
      report_.scavenged += static_cast<std::uint64_t>(streams.integer(3));
      for (; more && rows.integer(0) < stream.key; more = rows.next()) nameless(rows);
      for (; more && rows.integer(0) == stream.key; more = rows.next()) take(stream, rows);
      finish(stream);
    }
    for (; more; more = rows.next()) nameless(rows);
  }

  void nameless(const Query& row) {
    damage("the event at position " + std::to_string(row.integer(2)) + " belongs to a stream without a name");
  }

  void take(StreamRows& stream, const Query& row) {
    const auto revision = static_cast<std::uint64_t>(row.integer(1));
    const auto position = static_cast<std::uint64_t>(row.integer(2));
    ++report_.events;
    if (position <= stream.last_position) {
      damage(stream, "revision " + std::to_string(revision) + " lies before the revision that precedes it");
    }
    stream.last_position = position;
    if (revision == tombstone_revision) {
      stream.tombstone = position;
      return;
    }
    const std::uint64_t expected = stream.last ? *stream.last + 1 : stream.below;
    if (revision != expected) {
      damage(stream, "revision " + std::to_string(expected) + " is missing, the next one is " + std::to_string(revision));
    }
    stream.last = revision;
  }

  void finish(const StreamRows& stream) {
    if (stream.name.empty()) damage(stream, "it has no name");
    const StreamState state = table_.state(stream.name);
    if (!stream.last && !stream.tombstone && !state.tombstoned) damage(stream, "it has no events");
    if (state.key != stream.key) damage(stream, "its name leads to another stream");
    if (stream.last != state.last) damage(stream, "its head is not its last event");
    if (stream.tombstone) check_tombstone(stream);
    if (is_metadata_stream(stream.name)) return check_described(stream);
    if (state.tombstoned != stream.tombstone.has_value()) damage(stream, "it is tombstoned without a tombstone");
    if (!state.tombstoned && state.metadata.soft_deleted()) check_soft_deleted(stream);
  }

  void check_tombstone(const StreamRows& stream) {
    ++report_.tombstoned;
    Query type(type_at_, *stream.tombstone);
    const bool named = type.next() && type.bytes(0) == tombstone_event_type;
    if (!named) damage(stream, "its last revision is kept for a tombstone, and is something else");
  }

  /// Nothing is written to the metadata of a tombstoned stream.
  void check_described(const StreamRows& stream) {
    const auto tombstone = position_of(stream.name.substr(2), tombstone_revision);
    if (tombstone && *tombstone < stream.last_position) damage(stream, "it goes on after the tombstone");
  }

  /// An append after the deletion would have ended it.
  void check_soft_deleted(const StreamRows& stream) {
    ++report_.soft_deleted;
    const std::string metadata = metadata_stream_of(stream.name);
    const StreamState state = table_.state(metadata);
    const auto deletion = state.last ? position_of(metadata, *state.last) : std::nullopt;
    if (deletion && stream.last && stream.last_position > *deletion) damage(stream, "it goes on after its deletion");
  }

  std::optional<std::uint64_t> position_of(const std::string& stream, std::uint64_t revision) {
    const StreamState state = table_.state(stream);
    if (!state.key) return std::nullopt;
    const auto page = table_.stream_page(stream, *state.key, Direction::forwards, revision, revision, 1);
    return page.empty() ? std::nullopt : std::optional(page.front().position.commit);
  }

  void check_events() {
    const std::string nil(16, '\0');
    std::int64_t time_before = 0;
    Query events(events_);
    while (events.next()) {
      const std::string where = "the event at position " + std::to_string(events.integer(0));
      const auto id = events.bytes(2);
      if (id.size() != nil.size() || id == nil) damage(where + " has no id");
      if (events.integer(3) == 0) damage(where + " has no type");
      if (events.integer(1) < time_before) damage(where + " is older than the one before it");
      time_before = events.integer(1);
      report_.last_position = static_cast<std::uint64_t>(events.integer(0));
    }
  }

  void check_positions() {
    const std::uint64_t accounted = report_.events + report_.scavenged;
    if (accounted == report_.last_position) return;
    damage("the last position is " + std::to_string(report_.last_position) + ", but " +
           std::to_string(report_.events) + " events and " + std::to_string(report_.scavenged) +
           " scavenged ones are accounted for");
  }

  Database& database_;
  EventTable table_;
  Statement streams_;
  Statement rows_;
  Statement events_;
  Statement type_at_;
  StoreReport report_;
};

/// SQLite's own check of pages, rows and indexes.
StoreReport check_pages(Database& database) {
  StoreReport report;
  Statement check(database, "PRAGMA integrity_check(20)");
  Query problems(check);
  while (problems.next()) {
    if (problems.bytes(0) == "ok") continue;
    ++report.damages;
    report.damage.push_back("SQLite: " + std::string(problems.bytes(0)));
  }
  return report;
}

std::uint64_t bytes_of(const std::filesystem::path& directory) {
  std::error_code error;
  const auto size = std::filesystem::file_size(directory / "events.sqlite", error);
  return error ? 0 : size;
}

}  // namespace

Result<StoreReport> verify_store(const std::filesystem::path& directory) {
  auto store = open_at_rest(directory, Database::Mode::read);
  if (!store.ok()) return store.failure();
  Database& database = *store->database;
  try {
    database.execute("BEGIN");
    const auto version = database.query_integer("PRAGMA user_version");
    if (version < 1) return cannot_check(directory, "holds no store: nothing was ever written");
    if (version > newest_schema) return cannot_check(directory, "was written by a newer version: use that one");
    StoreReport pages = check_pages(database);
    // Rows of a broken file are not worth looking at.
    if (!pages.whole()) return pages;
    return Verifier(database, version >= first_schema_with_scavenge).verify();
  } catch (const SqlError& failed) {
    if (!failed.corrupt) return cannot_check(directory, std::string("cannot be read: ") + failed.what());
    StoreReport broken;
    broken.damages = 1;
    broken.damage.push_back(std::string("SQLite: ") + failed.what());
    return broken;
  }
}

Result<ScavengeReport> scavenge_store(const std::filesystem::path& directory) {
  auto store = open_at_rest(directory, Database::Mode::write);
  if (!store.ok()) return store.failure();
  Database& database = *store->database;
  ScavengeReport report;
  try {
    database.execute("PRAGMA journal_mode = WAL");
    database.execute("PRAGMA synchronous = FULL");
    prepare_schema(database);
    Scavenger scavenger(database);
    for (ScavengeSlice slice; !slice.end;) {
      database.execute("BEGIN IMMEDIATE");
      slice = scavenger.slice(slice.next);
      database.execute("COMMIT");
      report.removed += slice.removed;
    }
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    report.bytes_before = bytes_of(directory);
    if (report.removed > 0) database.execute("VACUUM");
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    report.bytes_after = bytes_of(directory);
    return report;
  } catch (const SqlError& failed) {
    return cannot_check(directory, std::string("cannot be scavenged: ") + failed.what());
  }
}

}  // namespace twinstream
