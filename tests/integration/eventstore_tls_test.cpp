#include "tests/integration/eventstore_certificates.h"
#include "tests/integration/eventstore_support.h"

namespace twinstream::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EventStoreTls : public ::testing::Test {
 protected:
  Result<std::string> ping(const FakeEventStore& server, const std::string& query, milliseconds timeout = seconds(20)) {
    return caller.run(open_log(server.url(query), timeout)->ping());
  }

  FakeOptions secured(const std::string& client_authority = {}) const {
    return {.tls = FakeTls{certificate.pem, certificate.key_pem, client_authority}};
  }

  const Certificate authority = make_authority("authority");
  const Certificate certificate = make_certificate("server", authority);
  const TemporaryFile authority_file{authority.pem};
  Caller caller;
};

TEST_F(EventStoreTls, AServerOfTheGivenAuthorityIsTrusted) {
  FakeEventStore server(secured());
  const auto answer = ping(server, "tlsCAFile=" + authority_file.path());
  EXPECT_TRUE(answer.ok()) << answer.failure().reason;
}

TEST_F(EventStoreTls, AnyOtherServerIsNot) {
  FakeEventStore server(secured());
  const TemporaryFile other(make_authority("other").pem);
  EXPECT_FALSE(ping(server, "tlsCAFile=" + other.path(), milliseconds(500)).ok());
  EXPECT_FALSE(ping(server, "tls=true", milliseconds(500)).ok()) << "nor by the system's authorities";
  EXPECT_EQ(server.methods().size(), 0u) << "nothing may be sent to a server that is not trusted";
}

TEST_F(EventStoreTls, WithoutVerificationEveryServerWillDo) {
  FakeEventStore server(secured());
  const auto answer = ping(server, "tlsVerifyCert=false");
  EXPECT_TRUE(answer.ok()) << answer.failure().reason;
}

TEST_F(EventStoreTls, AClientCertificateIsShown) {
  const auto client = make_certificate("client", authority);
  const TemporaryFile client_file(client.pem);
  const TemporaryFile key_file(client.key_pem);
  FakeEventStore server(secured(authority.pem));
  const std::string own = "&userCertFile=" + client_file.path() + "&userKeyFile=" + key_file.path();
  EXPECT_TRUE(ping(server, "tlsCAFile=" + authority_file.path() + own).ok());
  EXPECT_TRUE(ping(server, "tlsVerifyCert=false" + own).ok());
  EXPECT_FALSE(ping(server, "tlsCAFile=" + authority_file.path(), milliseconds(500)).ok());
}

TEST_F(EventStoreTls, AMissingFileIsToldWhenOpening) {
  const auto log = EventStoreLog::open({"esdb://localhost?tlsCAFile=/nowhere/ca.pem"});
  ASSERT_TRUE(log.failed_with(FailureCode::rejected));
  EXPECT_NE(log.failure().reason.find("/nowhere/ca.pem"), std::string::npos);
}

}  // namespace
}  // namespace twinstream::testing
