#include "config/explain.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace twinstream {
namespace {

using Fields = std::vector<std::string>;

Config config_of(const std::string& text) {
  const LoadResult result = load_config_text(text, "test.yaml");
  if (const auto* errors = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const ConfigError& error : *errors) ADD_FAILURE() << to_string(error);
    return {};
  }
  return std::get<Config>(result);
}

const std::string full = R"yaml(
listen: {address: "[::1]:81", threads: 3, max_header_bytes: 5000, header_timeout: 1500ms, drain_timeout: 0}
admin: off
grpc: {listen: "0.0.0.0:2113", advertise: "es.example:2114", tls_cert: /etc/cert.pem, tls_key: "/etc/a #key",
       tls_ca: /etc/ca.pem, users: /var/users.json, insecure: true}
backend: {url: http://b:3000/base}
postgres:
  url: postgresql://db/app
  poll_interval: 10ms
  mapped:
    table: public.events
    where: "a = 'x\ty' and b = \"$${c}\" -- \\"
    stream_columns: [tenant, id]
    stream_template: "order-{tenant}/{id}"
    revision_column: version
    revision_base: 1
    id_column: eid
    type_column: kind
    data_column: body
    position_column: pos
    insert_defaults: {"odd \"name\"": "now()", plain: "'x'"}
eventstore: {url: "esdb://es"}
check: {interval: 90s}
streams_api: off
categories:
  contact.v2: {phase: read-switch, ack: both, reads: {from: postgres, eventstore_percent: 40%, fallback: false}}
  "*": {original_created: false, rollback: false}
routes:
  - match: POST /a/{id}
    capture: append
    stream: a-{id}
    events: json:/events
    type: literal:created
    id: header:X-Id
    expected_revision: query:at
    data: json:/data
    metadata: json:/meta
    authorize: /auth
  - match: PUT /b/{id}
    capture: backend
    stream: response-json:/stream
  - match: GET /a/{id}
    read: a-{id}
    revision_base: 1
    response_json: |
      {"events": "$events"}
    event_json: '{"é": "{data}"}'
)yaml";

TEST(ExplainConfig, SaysEverythingSoThatItReadsBackAsTheSameConfiguration) {
  const Config config = config_of(full);
  EXPECT_EQ(config_of(explain_config(config)), config);
}

TEST(ExplainConfig, SaysDefaultsToo) {
  const std::string text = explain_config(config_of("postgres: {url: \"postgresql://db/app\"}"));
  EXPECT_EQ(text.substr(0, text.find("header_timeout")), R"(listen:
  address: "127.0.0.1:8080"
  threads: 0
  max_connections: 4096
  max_header_bytes: 32KiB
  max_body_bytes: 8MiB
  )");
  EXPECT_NE(text.find("admin:\n  address: \"127.0.0.1:9090\"\n"), std::string::npos);
  EXPECT_EQ(config_of(text), config_of("postgres: {url: \"postgresql://db/app\"}"));
}

TEST(ExplainConfig, ListItemsHaveTheirDashes) {
  const std::string text = explain_config(config_of(full));
  EXPECT_NE(text.find("routes:\n  - match: \"POST /a/{id}\"\n    capture: append\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  - match: \"PUT /b/{id}\"\n    capture: backend\n"), std::string::npos) << text;
}

TEST(ExplainConfig, PrintsNoCredentials) {
  const std::string text =
      explain_config(config_of("postgres: {url: \"postgresql://app:hunter2@db:5432/shop?sslpassword=hunter2\"}\n"
                          "eventstore: {url: \"esdb://admin:hunter2@es:2113?tls=false\"}"));
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  EXPECT_NE(text.find("\"postgresql://***@db:5432/shop?***\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"esdb://***@es:2113?***\""), std::string::npos) << text;
  EXPECT_EQ(explain_config(config_of("postgres: {url: \"host=db password=hunter2\"}")).find("hunter2"), std::string::npos);
}

TEST(RedactedUrl, HidesPasswordsThatWereNotEncoded) {
  EXPECT_EQ(redacted_url("postgresql://a:p@ss/w?rd@db/x"), "postgresql://***@db/x");
  EXPECT_EQ(redacted_url("postgresql://db/x"), "postgresql://db/x");
  EXPECT_EQ(redacted_url("host=db password=x"), "***=***");
  EXPECT_EQ(redacted_url(""), "");
}

TEST(RestartNeeded, CategoriesRoutesAndChecksChangeWhileRunning) {
  const Config before = config_of(full);
  Config after = before;
  after.categories.clear();
  after.routes.pop_back();
  after.check_interval = std::chrono::seconds(1);
  EXPECT_EQ(restart_needed(before, after), Fields{});
}

TEST(RestartNeeded, NamesWhatCannotChangeWhileRunning) {
  const Config before = config_of(full);
  Config after = before;
  after.listen.address.port = 82;
  after.admin = Endpoint{"127.0.0.1", 9090};
  after.postgres.lanes = 9;
  after.postgres.mapped->table = "public.others";
  after.streams_path = "/streams";
  after.grpc->listen.port = 2115;
  EXPECT_EQ(restart_needed(before, after),
            (Fields{"admin", "grpc", "listen.address", "postgres.lanes", "postgres.mapped", "streams_api"}));
  after = before;
  after.grpc->security.users = "/var/others.json";
  EXPECT_EQ(restart_needed(before, after), Fields{"grpc"});
  after = before;
  after.postgres.mapped.reset();
  EXPECT_EQ(restart_needed(before, after), Fields{"postgres.mapped"});
}

TEST(RestartNeeded, SeesThroughRedaction) {
  const Config before =
      config_of("postgres: {url: \"postgresql://app:old@db/app\"}\neventstore: {url: \"esdb://a:old@es\"}");
  const Config after = config_of("postgres: {url: \"postgresql://app:new@db/app\"}\neventstore: {url: \"esdb://a:new@es\"}");
  EXPECT_EQ(restart_needed(before, after), (Fields{"eventstore.url", "postgres.url"}));
}

}  // namespace
}  // namespace twinstream
