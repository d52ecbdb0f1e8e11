#include "adapters/eventstore/connection_string.h"

#include <gtest/gtest.h>

namespace twinstream::eventstore {
namespace {

using std::chrono::milliseconds;

ConnectionSettings parse(const std::string& text) {
  auto settings = parse_connection_string(text);
  EXPECT_TRUE(settings.ok()) << text << ": " << (settings.ok() ? "" : settings.failure().reason);
  return settings.ok() ? *settings : ConnectionSettings{};
}

std::string refusal(const std::string& text) {
  const auto settings = parse_connection_string(text);
  EXPECT_TRUE(settings.failed_with(FailureCode::rejected)) << text;
  return settings.ok() ? std::string{} : settings.failure().reason;
}

TEST(ConnectionString, OneHostIsConnectedToDirectlyWithTheDefaultsOfTheClients) {
  const auto settings = parse("esdb://localhost");
  EXPECT_EQ(settings.hosts, (std::vector<Endpoint>{{"localhost", 2113}}));
  EXPECT_FALSE(settings.uses_gossip());
  EXPECT_FALSE(settings.credentials.has_value());
  EXPECT_TRUE(settings.tls);
  EXPECT_TRUE(settings.verify_certificate);
  EXPECT_EQ(settings.node_preference, NodePreference::leader);
  EXPECT_EQ(settings.max_discover_attempts, 10u);
  EXPECT_EQ(settings.discovery_interval, milliseconds(100));
  EXPECT_EQ(settings.gossip_timeout, milliseconds(5000));
  EXPECT_EQ(settings.keep_alive_interval, milliseconds(10'000));
  EXPECT_EQ(settings.keep_alive_timeout, milliseconds(10'000));
  EXPECT_EQ(settings.default_deadline, milliseconds(10'000));
}

TEST(ConnectionString, EverySchemeIsKnown) {
  for (const std::string scheme : {"esdb", "kurrentdb", "kurrent", "kdb"}) {
    EXPECT_FALSE(parse(scheme + "://h").uses_gossip());
    EXPECT_TRUE(parse(scheme + "+discover://h").uses_gossip());
  }
  EXPECT_NE(refusal("http://h").find("kurrentdb"), std::string::npos);
  refusal("localhost:2113");
  refusal("");
}

TEST(ConnectionString, SeveralHostsMeanGossip) {
  const auto settings = parse("  esdb://a,b:1234,[::1]:99,[fe80::2]/ ");
  EXPECT_EQ(settings.hosts, (std::vector<Endpoint>{{"a", 2113}, {"b", 1234}, {"::1", 99}, {"fe80::2", 2113}}));
  EXPECT_TRUE(settings.uses_gossip());
  EXPECT_EQ(to_string(settings.hosts[2]), "[::1]:99");
}

TEST(ConnectionString, CredentialsArePercentDecoded) {
  const auto settings = parse("esdb://us%40er:p%3Aa%2Fss:word@h:1?tls=false");
  ASSERT_TRUE(settings.credentials.has_value());
  EXPECT_EQ(settings.credentials->user, "us@er");
  EXPECT_EQ(settings.credentials->password, "p:a/ss:word");
  EXPECT_EQ(settings.hosts[0], (Endpoint{"h", 1}));
}

TEST(ConnectionString, EveryKeyIsReadIgnoringCaseAndSeparators) {
  const auto settings = parse(
      "esdb://h?TLS=false&tls_verify_cert=false&tls-ca-file=/ca%20file&userCertFile=/c&userKeyFile=/k&"
      "connectionName=me&nodePreference=read_only_replica&MaxDiscoverAttempts=3&discoveryInterval=200&"
      "gossip-timeout=700&keepAliveInterval=-1&keep_alive_timeout=4000&defaultDeadline=900&"
      "throwOnAppendFailure=false");
  EXPECT_FALSE(settings.tls);
  EXPECT_FALSE(settings.verify_certificate);
  EXPECT_EQ(settings.ca_file, "/ca file");
  EXPECT_EQ(settings.user_cert_file, "/c");
  EXPECT_EQ(settings.user_key_file, "/k");
  EXPECT_EQ(settings.connection_name, "me");
  EXPECT_EQ(settings.node_preference, NodePreference::read_only_replica);
  EXPECT_EQ(settings.max_discover_attempts, 3u);
  EXPECT_EQ(settings.discovery_interval, milliseconds(200));
  EXPECT_EQ(settings.gossip_timeout, milliseconds(700));
  EXPECT_EQ(settings.keep_alive_interval, std::nullopt);
  EXPECT_EQ(settings.keep_alive_timeout, milliseconds(4000));
  EXPECT_EQ(settings.default_deadline, milliseconds(900));
}

TEST(ConnectionString, EveryNodePreferenceIsKnown) {
  EXPECT_EQ(parse("esdb://h?nodePreference=Follower").node_preference, NodePreference::follower);
  EXPECT_EQ(parse("esdb://h?nodePreference=random").node_preference, NodePreference::random);
  EXPECT_EQ(parse("esdb://h?nodePreference=readOnlyReplica").node_preference, NodePreference::read_only_replica);
  EXPECT_NE(refusal("esdb://h?nodePreference=master").find("leader, follower"), std::string::npos);
}

TEST(ConnectionString, AnUnknownKeyIsAnErrorThatNamesTheNearest) {
  EXPECT_NE(refusal("esdb://h?tlsCaFil=x").find("did you mean 'tlsCAFile'"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?keepAliveIntervall=1").find("'keepAliveInterval'"), std::string::npos);
}

TEST(ConnectionString, WrongValuesAreErrorsThatSayWhatIsRight) {
  EXPECT_NE(refusal("esdb://h?tls=yes").find("true or false"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?discoveryInterval=0").find("milliseconds"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?keepAliveInterval=-5").find("-1 for never"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?maxDiscoverAttempts=x").find("number"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?tls").find("no value"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?tls=true&TLS=false").find("twice"), std::string::npos);
  EXPECT_NE(refusal("esdb://h?userCertFile=/c").find("userKeyFile"), std::string::npos);
}

TEST(ConnectionString, AGossipTimeoutInSecondsIsNotGuessedAt) {
  EXPECT_NE(refusal("esdb://h?gossipTimeout=5").find("milliseconds"), std::string::npos);
  EXPECT_EQ(parse("esdb://h?gossipTimeout=3000").gossip_timeout, milliseconds(3000));
}

TEST(ConnectionString, WrongHostsAreErrors) {
  for (const std::string text : {"esdb://", "esdb://a,,b", "esdb://h:0", "esdb://h:65536", "esdb://h:x", "esdb://[::1",
                                 "esdb://h/path", "esdb://ho st", "esdb://[::1]x"}) {
    refusal(text);
  }
}

TEST(ConnectionString, ErrorsNeverEchoCredentials) {
  for (const std::string text :
       {"esdb://admin:s3cret%2@h", "esdb://admin:s3cret@h:x", "esdb://admin:s3/cret@h:2113", "esdb://s3cret@h",
        "esdb://admin:s?3cret=1@h", "esdb://admin:s3cret@h?tsl=1", "esdb://admin:s3cret@h/x", "http://admin:s3cret@h",
        "esdb://admin:s3@cret@h:x", "esdb://:s3cret@h", "admin:s3cret@h"}) {
    const auto reason = refusal(text);
    EXPECT_EQ(reason.find("cret"), std::string::npos) << reason;
    EXPECT_EQ(reason.find("admin"), std::string::npos) << reason;
  }
}

TEST(ConnectionString, TheTextForLogsHasNoCredentials) {
  const auto text = redacted(parse("esdb+discover://admin:s3cret@a:1,b?tls=false&connectionName=x"));
  EXPECT_EQ(text, "esdb+discover://***@a:1,b:2113?tls=false&nodePreference=leader");
}

}  // namespace
}  // namespace twinstream::eventstore
