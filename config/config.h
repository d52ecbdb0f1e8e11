#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The configuration as the program uses it: plain values with their defaults. The field comments are the reference;
// docs/configuration.md and config/reference.yaml follow them. Reading and checking YAML is config/load.h.

namespace twinstream {

enum class Phase { observe, dual_write, backfill, read_switch, retire };
enum class Ack { authority, both };
enum class ReadSource { backend, postgres, eventstore };
enum class CaptureMode { append, backend };

std::string_view to_string(Phase phase);  ///< observe, dual-write, backfill, read-switch, retire
std::string_view to_string(Ack ack);
std::string_view to_string(ReadSource source);
std::optional<Phase> parse_phase(std::string_view text);

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

struct ListenConfig {
  Endpoint address{"127.0.0.1", 8080};
  unsigned threads = 0;  ///< io threads; 0: one per core
  std::size_t max_connections = 4096;
  std::size_t max_header_bytes = 32'768;
  std::size_t max_body_bytes = 8'388'608;            ///< of captured and /streams requests; others have no limit
  std::chrono::milliseconds header_timeout{10'000};  ///< from the first byte to the end of the request header
  std::chrono::milliseconds idle_timeout{60'000};    ///< keep-alive without a request; stalled bodies
  std::chrono::milliseconds drain_timeout{15'000};   ///< on shutdown, for requests under way

  bool operator==(const ListenConfig&) const = default;
};

/// What protects an EventStore gRPC door. All empty: cleartext, and nothing is enforced.
struct DoorSecurity {
  std::string tls_cert;   ///< PEM file: the server's own certificate first, then those that vouch for it
  std::string tls_key;    ///< PEM file
  std::string tls_ca;     ///< PEM file; when given, clients must show a certificate that it vouches for
  std::string users;      ///< file of the users, made when missing; empty: nobody is asked for a name. Needs TLS
  bool insecure = false;  ///< without it, cleartext is spoken on loopback addresses only

  bool operator==(const DoorSecurity&) const = default;
};

/// The event API as an EventStore server (gRPC).
struct GrpcConfig {
  Endpoint listen;
  std::optional<Endpoint> advertise;  ///< what gossip tells clients to connect to; absent: `listen`
  DoorSecurity security;

  bool operator==(const GrpcConfig&) const = default;
};

struct BackendConfig {
  Endpoint address;       ///< from `url: http://host:port`
  std::string base_path;  ///< path of the url, without trailing slash
  std::chrono::milliseconds connect_timeout{2'000};
  std::chrono::milliseconds response_timeout{30'000};  ///< to the first byte of the answer, and between bytes
  std::size_t max_connections = 256;                   ///< per io thread
  std::chrono::milliseconds idle_timeout{30'000};      ///< pooled connections older than this are closed

  bool operator==(const BackendConfig&) const = default;
};

/// An existing table as an event log. Every `*_column` is a column name; names are quoted when SQL is made of them.
struct MappedTable {
  std::string table;                        ///< schema-qualified: `public.events`
  std::string where;                        ///< SQL condition; rows that do not fit are no events
  std::vector<std::string> stream_columns;  ///< the columns a stream name is made of
  /// `contact-{contact_id}`: literal text and stream columns. Must be invertible: the text between two columns must
  /// not be empty. With one column and no template the column is the name.
  std::string stream_template;
  std::string revision_column;
  int revision_base = 0;  ///< what the table calls the first event of a stream: 0 or 1
  std::string id_column;  ///< uuid or text holding a UUID; empty: UUIDv5 of stream key and revision
  std::string type_column;
  std::string data_column;      ///< jsonb, json, text or bytea
  std::string metadata_column;  ///< empty: no metadata
  std::string created_column;   ///< timestamptz, or timestamp read as UTC; empty: the time is unknown (epoch)
  std::string position_column;  ///< global order, drawn inside the INSERT from a sequence with cache 1
  /// Columns that appends must fill besides the mapped ones: column -> SQL expression.
  std::map<std::string, std::string> insert_defaults;

  bool operator==(const MappedTable&) const = default;
};

struct PostgresConfig {
  std::string url;  ///< libpq connection string or URI; never printed
  std::string control_schema = "twinstream";
  unsigned lanes = 1;                ///< writing connections; a stream always uses the same one
  unsigned readers = 2;              ///< reading connections
  std::size_t queue_limit = 10'000;  ///< waiting appends per lane; beyond it: unavailable
  std::size_t batch_limit = 500;     ///< events per group commit
  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds statement_timeout{10'000};
  std::chrono::milliseconds poll_interval{20};       ///< of the tail, when idle it slows down to ten times this
  std::chrono::milliseconds audit_interval{60'000};  ///< between two audits of all heads
  std::optional<MappedTable> mapped;                 ///< absent: the managed layout in `control_schema`

  bool operator==(const PostgresConfig&) const = default;
};

struct EventStoreConfig {
  std::string url;                   ///< `esdb://...`; credentials in it are never printed
  std::size_t queue_limit = 10'000;  ///< appends waiting or in flight
  std::chrono::milliseconds append_timeout{5'000};
  std::string credentials_file{};  ///< `user:password`, read again when it changes; empty: what the url says

  bool operator==(const EventStoreConfig&) const = default;
};

struct ReadPolicy {
  ReadSource from = ReadSource::backend;  ///< what answers read routes; `eventstore` needs phase read-switch or retire
  unsigned eventstore_percent = 0;        ///< of streams, by hash of the name, read from EventStore instead of `from`
  unsigned compare_percent = 0;           ///< of reads that are answered and compared with the other store
  bool fallback = true;                   ///< the other store answers when the chosen one fails or is behind
  std::chrono::milliseconds wait_for_mirror{500};  ///< how long a read waits for a pending mirror of its stream

  bool operator==(const ReadPolicy&) const = default;
};

struct CategoryConfig {
  std::string name;  ///< the part of stream names before the first `-`; `*` is every category not named
  Phase phase = Phase::observe;
  Ack ack = Ack::authority;
  std::chrono::milliseconds ack_timeout{1'000};  ///< `ack: both` waits this long for the mirror
  ReadPolicy reads;
  bool original_created = true;                     ///< carry the authority's timestamp as `$originalCreated`
  std::chrono::milliseconds fence_timeout{10'000};  ///< how long writes may be held while the authority changes
  /// In retire, keep PostgreSQL's event table up to date; false: it is brought up on the way back.
  bool rollback = true;

  bool operator==(const CategoryConfig&) const = default;
};

/// Where a value of an event comes from in a request. Written `path:id`, `header:X-Type`, `json:/payload/kind`,
/// `query:name`, `body`, `literal:created`, or text with `{name}` parts that are path parameters.
struct ValueSource {
  enum class Kind { none, path, header, json, query, body, literal, text };
  Kind kind = Kind::none;
  std::string argument;

  bool operator==(const ValueSource&) const = default;
};

/// Which requests are event writes or event reads.
struct RouteConfig {
  std::string method;   ///< `POST`
  std::string pattern;  ///< `/contacts/{id}/events`; a `{name}` part is one segment
  enum class Kind { capture, read };
  Kind kind = Kind::capture;

  // capture
  CaptureMode capture = CaptureMode::append;
  ValueSource stream;  ///< both modes; for `backend` may also be `response-header:` / `response-json:`
  bool stream_from_response = false;
  ValueSource events;  ///< `json:/events`: an array of events; the other pointers then count from an element
  ValueSource type;
  ValueSource id;                 ///< absent: UUIDv5 of Idempotency-Key when the request has one, else random
  ValueSource expected_revision;  ///< number, `any`, `none`, `exists`; absent in the request: any
  int revision_base = 0;          ///< what clients call the first revision
  int success_status = 201;
  ValueSource data;  ///< default: body
  ValueSource metadata;
  std::string authorize;  ///< path of the backend asked (GET, same headers) before the append; 2xx goes on

  // read: how the backend's own answer looks; `{...}` names stream, revision, id, type, data, metadata, created, count
  std::string response_json;  ///< template of the whole answer, `$events` is the array
  std::string event_json;     ///< template of one event

  bool operator==(const RouteConfig&) const = default;
};

struct Config {
  ListenConfig listen;
  std::optional<Endpoint> admin = Endpoint{"127.0.0.1", 9090};
  std::optional<GrpcConfig> grpc;        ///< absent: no gRPC
  std::optional<BackendConfig> backend;  ///< absent: nothing is passed through, only /streams is served
  PostgresConfig postgres;
  EventStoreConfig eventstore;
  std::chrono::seconds check_interval{600};  ///< between two checks of a category in read-switch; 0: only when needed
  std::string streams_path = "/streams";     ///< where the event API lives; empty: not served
  std::vector<CategoryConfig> categories;
  std::vector<RouteConfig> routes;

  /// The entry for this category: by name, else `*`, else observe with every default.
  const CategoryConfig& category(std::string_view name) const;

  bool operator==(const Config&) const = default;
};

}  // namespace twinstream
