#include "config/load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/settings.h"

namespace twinstream {
namespace {

using std::chrono::milliseconds;

std::string errors_of(const LoadResult& result) {
  std::string text;
  if (const auto* errors = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const ConfigError& error : *errors) text += to_string(error) + "\n";
  }
  return text;
}

Config loaded(const LoadResult& result) {
  EXPECT_EQ(errors_of(result), "");
  return std::holds_alternative<Config>(result) ? std::get<Config>(result) : Config{};
}

Config load(std::string_view text) { return loaded(load_config_text(text, "test.yaml")); }

std::filesystem::path config_directory() { return std::filesystem::path(TWINSTREAM_SOURCE_DIR) / "config"; }

std::string without_secret_files(std::string text) {
  for (auto at = text.find("${file:/run"); at != std::string::npos; at = text.find("${file:/run", at)) {
    text.replace(at, text.find('}', at) + 1 - at, "secret");
  }
  return text;
}

const std::string postgres = "postgres: {url: \"postgresql://db/app\"}\n";

TEST(LoadConfig, TheSmallestFileHasEveryDefault) {
  Config expected;
  expected.postgres.url = "postgresql://db/app";
  EXPECT_EQ(load(postgres), expected);
}

TEST(LoadConfig, TheReferenceIsEveryKeyAtItsDefault) {
  setenv("DATABASE_URL", "postgresql://db/app", 1);
  setenv("EVENTSTORE_URL", "esdb://localhost:2113", 1);
  const Config config = loaded(load_config_file((config_directory() / "reference.yaml").string()));

  EXPECT_EQ(config.listen, ListenConfig{});
  EXPECT_EQ(config.admin, Config{}.admin);
  EXPECT_EQ(config.check_interval, Config{}.check_interval);
  EXPECT_EQ(config.streams_path, Config{}.streams_path);
  BackendConfig backend;
  backend.address = {"127.0.0.1", 3000};
  EXPECT_EQ(config.backend, backend);
  const GrpcConfig grpc{{"127.0.0.1", 2113}, Endpoint{"127.0.0.1", 2113}, {}};
  EXPECT_EQ(config.grpc, grpc);

  PostgresConfig store;
  store.url = "postgresql://db/app";
  MappedTable& mapped = store.mapped.emplace();
  mapped.table = "public.contact_events";
  mapped.stream_columns = {"contact_id"};
  mapped.revision_column = "version";
  mapped.type_column = "type";
  mapped.data_column = "data";
  mapped.position_column = "position";
  EXPECT_EQ(config.postgres, store);
  EventStoreConfig eventstore;
  eventstore.url = "esdb://localhost:2113";
  EXPECT_EQ(config.eventstore, eventstore);

  CategoryConfig category;
  category.name = "contact";
  EXPECT_EQ(config.categories, std::vector{category});

  ASSERT_EQ(config.routes.size(), 4u);
  RouteConfig append;
  append.method = "POST";
  append.pattern = "/contacts/{id}/events";
  append.stream = {ValueSource::Kind::text, "contact-{id}"};
  append.type = {ValueSource::Kind::json, "/type"};
  append.data = {ValueSource::Kind::body, ""};
  EXPECT_EQ(config.routes[0], append);
}

/// The lines of the reference's sections, without comments: `  threads`.
std::vector<std::string> reference_keys() {
  std::ifstream file(config_directory() / "reference.yaml");
  std::vector<std::string> keys;
  for (std::string line; std::getline(file, line);) {
    const auto begin = line.find_first_not_of(" #-");
    const auto end = line.find(':');
    if (begin != std::string::npos && end != std::string::npos && end > begin)
      keys.push_back(line.substr(begin, end - begin));
  }
  return keys;
}

TEST(LoadConfig, TheReferenceNamesEveryKeyThatIsInForce) {
  Config config = loaded(load_config_file((config_directory() / "reference.yaml").string()));
  for (RouteConfig& route : config.routes) {
    for (ValueSource* source : {&route.id, &route.expected_revision, &route.metadata}) {
      *source = {ValueSource::Kind::json, "/x"};
    }
    route.authorize = "/auth";
  }
  const auto keys = reference_keys();
  for (const Setting& setting : settings_of(config)) {
    EXPECT_NE(std::find(keys.begin(), keys.end(), setting.path.back()), keys.end()) << setting.field();
  }
}

TEST(LoadConfig, WhatTheUserOfTheValuesFindsIsToldWithItsPlace) {
  const std::string text = postgres + "grpc: {listen: \"127.0.0.1:1\", tls_cert: c.pem, tls_key: k.pem}\n";
  const FurtherCheck check = [](const Config& config) {
    return std::vector<FieldProblem>{{"grpc.tls_key", config.grpc->security.tls_key + " is no key"}};
  };
  EXPECT_EQ(errors_of(load_config_text(text, "test.yaml", check)), "test.yaml:2:57: grpc.tls_key: k.pem is no key\n");
  const std::string wrong = text + "what: 1\n";
  EXPECT_EQ(errors_of(load_config_text(wrong, "test.yaml", check)),
            "test.yaml:3:1: what: is not a key of this section\n")
      << "values that may be wrong are not looked at further";
}

TEST(LoadConfig, EveryValueReachesItsField) {
  const Config config = load(R"yaml(
listen: {address: "[::1]:81", threads: 3, max_connections: 5, max_header_bytes: 64KiB, max_body_bytes: 1GiB,
         header_timeout: 1s, idle_timeout: 2m, drain_timeout: 0}
admin: off
grpc: {listen: "0.0.0.0:1", advertise: "es:2", tls_cert: c.pem, tls_key: k.pem, tls_ca: a.pem, users: u.json, insecure: true}
backend: {url: "http://[::1]:3000/base/", connect_timeout: 1ms, response_timeout: 1h, max_connections: 7, idle_timeout: 9s}
streams_api: off
postgres:
  url: host=db password=x
  control_schema: migration
  lanes: 4
  readers: 5
  queue_limit: 6
  batch_limit: 7
  connect_timeout: 8s
  statement_timeout: 9s
  poll_interval: 10ms
  audit_interval: 11s
  mapped:
    table: events
    where: kind = 'event'
    stream_columns: [tenant, id]
    stream_template: "order-{tenant}/{id}"
    revision_column: version
    revision_base: 1
    id_column: eid
    type_column: kind
    data_column: body
    metadata_column: meta
    created_column: at
    position_column: pos
    insert_defaults: {shard: "1", "odd name": "now()"}
eventstore: {url: "kurrentdb+discover://a,b", queue_limit: 1, append_timeout: 2s}
check: {interval: 30s}
categories:
  order:
    phase: read-switch
    ack: both
    ack_timeout: 3s
    reads: {from: postgres, eventstore_percent: 40%, compare_percent: 7, fallback: false, wait_for_mirror: 1s}
    original_created: false
    fence_timeout: 20s
    rollback: false
)yaml");
  EXPECT_EQ(config.listen.address, (Endpoint{"::1", 81}));
  EXPECT_EQ(config.listen.threads, 3u);
  EXPECT_EQ(config.listen.max_connections, 5u);
  EXPECT_EQ(config.listen.max_header_bytes, 64u * 1024);
  EXPECT_EQ(config.listen.max_body_bytes, 1u << 30);
  EXPECT_EQ(config.listen.header_timeout, milliseconds(1000));
  EXPECT_EQ(config.listen.idle_timeout, milliseconds(120'000));
  EXPECT_EQ(config.listen.drain_timeout, milliseconds(0));
  EXPECT_FALSE(config.admin);
  const GrpcConfig grpc{{"0.0.0.0", 1}, Endpoint{"es", 2}, {"c.pem", "k.pem", "a.pem", "u.json", true}};
  EXPECT_EQ(config.grpc, grpc);
  EXPECT_EQ(config.backend->address, (Endpoint{"::1", 3000}));
  EXPECT_EQ(config.backend->base_path, "/base");
  EXPECT_EQ(config.backend->connect_timeout, milliseconds(1));
  EXPECT_EQ(config.backend->response_timeout, milliseconds(3'600'000));
  EXPECT_EQ(config.backend->max_connections, 7u);
  EXPECT_EQ(config.backend->idle_timeout, milliseconds(9000));
  EXPECT_EQ(config.streams_path, "");

  PostgresConfig expected;
  expected.url = "host=db password=x";
  expected.control_schema = "migration";
  expected.lanes = 4;
  expected.readers = 5;
  expected.queue_limit = 6;
  expected.batch_limit = 7;
  expected.connect_timeout = milliseconds(8000);
  expected.statement_timeout = milliseconds(9000);
  expected.poll_interval = milliseconds(10);
  expected.audit_interval = milliseconds(11'000);
  MappedTable& mapped = expected.mapped.emplace();
  mapped.table = "events";
  mapped.where = "kind = 'event'";
  mapped.stream_columns = {"tenant", "id"};
  mapped.stream_template = "order-{tenant}/{id}";
  mapped.revision_column = "version";
  mapped.revision_base = 1;
  mapped.id_column = "eid";
  mapped.type_column = "kind";
  mapped.data_column = "body";
  mapped.metadata_column = "meta";
  mapped.created_column = "at";
  mapped.position_column = "pos";
  mapped.insert_defaults = {{"odd name", "now()"}, {"shard", "1"}};
  EXPECT_EQ(config.postgres, expected);
  EXPECT_EQ(config.eventstore, (EventStoreConfig{"kurrentdb+discover://a,b", 1, milliseconds(2000)}));
  EXPECT_EQ(config.check_interval, std::chrono::seconds(30));

  CategoryConfig order;
  order.name = "order";
  order.phase = Phase::read_switch;
  order.ack = Ack::both;
  order.ack_timeout = milliseconds(3000);
  order.reads = {ReadSource::postgres, 40, 7, false, milliseconds(1000)};
  order.original_created = false;
  order.fence_timeout = milliseconds(20'000);
  order.rollback = false;
  EXPECT_EQ(config.categories, std::vector{order});
}

TEST(LoadConfig, RoutesAreReadInAllTheirForms) {
  const Config config = load(postgres + R"(
backend: {url: http://b}
routes:
  - match: POST  /a/{id}
    capture: append
    stream: literal:a-1
    events: json:/events
    type: header:X-Type
    id: query:id
    expected_revision: path:id
    revision_base: 1
    success_status: 200
    data: "json:"
    metadata: json:/m~1n/~0
    authorize: /auth
  - match: PUT /b/{id}
    capture: backend
    stream: response-header:X-Stream
  - match: DELETE /b/{id}
    capture: backend
    stream: b-{id}
  - match: GET /
    read: query:stream
    revision_base: 1
    response_json: '[$events, {count}]'
    event_json: '{data}'
)");
  ASSERT_EQ(config.routes.size(), 4u);
  using Kind = ValueSource::Kind;
  const RouteConfig& append = config.routes[0];
  EXPECT_EQ(append.method, "POST");
  EXPECT_EQ(append.pattern, "/a/{id}");
  EXPECT_EQ(append.kind, RouteConfig::Kind::capture);
  EXPECT_EQ(append.capture, CaptureMode::append);
  EXPECT_EQ(append.stream, (ValueSource{Kind::literal, "a-1"}));
  EXPECT_EQ(append.events, (ValueSource{Kind::json, "/events"}));
  EXPECT_EQ(append.type, (ValueSource{Kind::header, "X-Type"}));
  EXPECT_EQ(append.id, (ValueSource{Kind::query, "id"}));
  EXPECT_EQ(append.expected_revision, (ValueSource{Kind::path, "id"}));
  EXPECT_EQ(append.revision_base, 1);
  EXPECT_EQ(append.success_status, 200);
  EXPECT_EQ(append.data, (ValueSource{Kind::json, ""}));
  EXPECT_EQ(append.metadata, (ValueSource{Kind::json, "/m~1n/~0"}));
  EXPECT_EQ(append.authorize, "/auth");
  EXPECT_EQ(config.routes[1].capture, CaptureMode::backend);
  EXPECT_EQ(config.routes[1].stream, (ValueSource{Kind::header, "X-Stream"}));
  EXPECT_TRUE(config.routes[1].stream_from_response);
  EXPECT_EQ(config.routes[2].stream, (ValueSource{Kind::text, "b-{id}"}));
  EXPECT_FALSE(config.routes[2].stream_from_response);
  EXPECT_EQ(config.routes[3].kind, RouteConfig::Kind::read);
  EXPECT_EQ(config.routes[3].stream, (ValueSource{Kind::query, "stream"}));
  EXPECT_EQ(config.routes[3].revision_base, 1);
  EXPECT_EQ(config.routes[3].response_json, "[$events, {count}]");
  EXPECT_EQ(config.routes[3].event_json, "{data}");
}

/// The ```yaml blocks of docs/configuration.md.
std::vector<std::string> documented_examples() {
  std::ifstream file(config_directory() / ".." / "docs" / "configuration.md");
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      inside = line == "```yaml";
      if (inside) blocks.emplace_back();
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

TEST(LoadConfig, TheExamplesOfTheDocumentationParse) {
  setenv("DATABASE_URL", "postgresql://db/app", 1);
  setenv("EVENTSTORE_URL", "esdb://localhost:2113", 1);
  const auto examples = documented_examples();
  EXPECT_GE(examples.size(), 7u);
  for (std::string text : examples) {
    text = without_secret_files("\n" + text);
    if (text.find("\npostgres:") == std::string::npos) text += postgres;
    if (text.find("\neventstore:") == std::string::npos) text += "eventstore: {url: \"esdb://es\"}\n";
    if (text.find("\nbackend:") == std::string::npos) text += "backend: {url: http://backend}\n";
    EXPECT_EQ(errors_of(load_config_text(text, "example")), "") << text;
  }
}

TEST(LoadConfig, TheDocumentationNamesEveryKey) {
  std::ifstream file(config_directory() / ".." / "docs" / "configuration.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const std::string& key : reference_keys()) {
    const bool named = text.find("`" + key) != std::string::npos || text.find("## " + key) != std::string::npos ||
                       text.find("." + key + "`") != std::string::npos;
    if (key.find(' ') == std::string::npos && key != "contact") EXPECT_TRUE(named) << key;
  }
}

TEST(LoadConfig, TheExamplesParseAndDifferOnlyInTheirPhaseLines) {
  for (const char* phase : {"observe", "dual-write", "backfill", "read-switch", "retire"}) {
    std::ifstream file(config_directory() / "examples" / (std::string(phase) + ".yaml"));
    Config config = load(without_secret_files(std::string{std::istreambuf_iterator<char>(file), {}}));
    EXPECT_EQ(to_string(config.category("contact").phase), phase);
    config.categories.clear();
    static const Config first = config;
    EXPECT_EQ(config, first) << phase;
  }
}

TEST(LoadConfig, SecretsComeFromVariablesAndFiles) {
  const auto path = std::filesystem::temp_directory_path() / ("twinstream-secret-" + std::to_string(getpid()));
  std::ofstream(path) << "s3cret\n";
  setenv("TWINSTREAM_TEST_USER", "app", 1);
  const Config config = load("postgres: {url: \"postgresql://${TWINSTREAM_TEST_USER}:${file:" + path.string() +
                             "}@db/app\", mapped: {table: e, stream_columns: [id], revision_column: v, type_column: t, "
                             "data_column: d, position_column: p, where: \"x = '$${a}' and y = '$z'\"}}\n");
  std::filesystem::remove(path);
  EXPECT_EQ(config.postgres.url, "postgresql://app:s3cret@db/app");
  EXPECT_EQ(config.postgres.mapped->where, "x = '${a}' and y = '$z'");
}

TEST(LoadConfig, AVariableIsReplacedOnceOnly) {
  setenv("TWINSTREAM_TEST_NESTED", "${HOME}", 1);
  EXPECT_EQ(load("postgres: {url: \"host=${TWINSTREAM_TEST_NESTED}\"}").postgres.url, "host=${HOME}");
}

TEST(LoadConfig, SettingsCanBeSharedByAnchors) {
  const Config config = load(postgres + R"(
categories:
  contact: &usual {ack: both, ack_timeout: 7s}
  order: *usual
)");
  EXPECT_EQ(config.category("order").ack_timeout, milliseconds(7000));
  EXPECT_EQ(config.category("order").name, "order");
}

TEST(LoadConfig, AliasesCannotBlowAFileUp) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1), name = "a" + std::to_string(i);
    text += name + ": &" + name + " [" + last;
    for (int n = 0; n < 9; ++n) text += ", " + last;
    text += "]\n";
  }
  EXPECT_NE(errors_of(load_config_text(text, "f")).find("too many values"), std::string::npos);
}

TEST(LoadConfig, HostileTextsGiveErrors) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "[";
  for (const std::string& text : {deep, std::string("\xff\xfe"), std::string("a: *b"), std::string("a: &a [*a]"),
                                  std::string("[1, 2]"), std::string("text"), std::string("%YAML"), std::string("{"),
                                  std::string("? [a]\n: b"), std::string("\t- x"), std::string("!!binary |\n  x")}) {
    EXPECT_NE(errors_of(load_config_text(text, "f")), "") << text.substr(0, 40);
  }
}

TEST(LoadConfig, AtMostTwentyErrorsAreGivenInTheOrderOfTheFile) {
  std::string text = postgres;
  for (int i = 0; i < 100; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  const LoadResult result = load_config_text(text, "f");
  const auto& errors = std::get<std::vector<ConfigError>>(result);
  ASSERT_EQ(errors.size(), 20u);
  for (std::size_t i = 0; i < errors.size(); ++i) EXPECT_EQ(errors[i].line, static_cast<int>(i) + 2);
}

TEST(LoadConfig, AFileThatCannotBeReadIsAnError) {
  EXPECT_EQ(errors_of(load_config_file("/nonexistent/twinstream.yaml")),
            "/nonexistent/twinstream.yaml: cannot be read: No such file or directory\n");
  EXPECT_NE(errors_of(load_config_file("/tmp")).find("/tmp: cannot be read: "), std::string::npos);
}

TEST(ConfigCategory, IsFoundByNameThenStarThenObserve) {
  const Config named = load(postgres + "categories: {contact: {ack: both}, \"*\": {ack_timeout: 9s}}");
  EXPECT_EQ(named.category("contact").ack, Ack::both);
  EXPECT_EQ(named.category("order").name, "*");
  EXPECT_EQ(named.category("order").ack_timeout, milliseconds(9000));
  EXPECT_EQ(load(postgres).category("order").phase, Phase::observe);
}

TEST(Phases, HaveTheirNames) {
  for (const char* name : {"observe", "dual-write", "backfill", "read-switch", "retire"}) {
    ASSERT_TRUE(parse_phase(name));
    EXPECT_EQ(to_string(*parse_phase(name)), name);
  }
  EXPECT_FALSE(parse_phase("Observe"));
  EXPECT_FALSE(parse_phase("dual_write"));
}

}  // namespace
}  // namespace twinstream
