#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream::contract {
namespace {

class EmbeddedFixture final : public LogFixture {
 public:
  EventLog& log() override { return *log_; }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<EmbeddedLog> log_ = open_log(directory_.path());
};

INSTANTIATE_TEST_SUITE_P(Embedded, EventLogContract,
                         ::testing::Values(LogUnderTest{"InADirectory",
                                                        [] { return std::make_unique<EmbeddedFixture>(); }}),
                         log_name);

}  // namespace
}  // namespace twinstream::contract
