// Appends at heads that a lane knows from its own commits: quicker, and never other answers.

#include <gtest/gtest.h>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/shape.h"
#include "tests/integration/postgres_fixture.h"

namespace twinstream::test {
namespace {

Result<Appended> append(EventLog& log, const std::string& stream, ExpectedRevision expected,
                        std::vector<Event> events = {event()}) {
  return run(log.append({stream, expected, std::move(events)}));
}

std::uint64_t revision_of(const Result<Appended>& answer) {
  if (!answer.ok()) throw std::runtime_error(answer.failure().reason);
  return answer->revision.value();
}

/// From here on only what the quick function can do succeeds.
void drop_append_function(const PostgresConfig& config) {
  auto connection = connect(config);
  const auto shape = value_of(postgres::load_shape(connection, config));
  connection.script("drop function " + postgres::append_function(shape).name);
}

class QuickAppend : public testing::TestWithParam<bool> {
 protected:
  const PostgresConfig config_ = GetParam() ? mapped_config() : fresh_config();
  const Cleanup cleanup_{config_};
  const std::unique_ptr<PostgresLog> log_ = open_log(config_);
};

TEST_P(QuickAppend, NeedsNoLookAtAStreamThatTheLaneWroteBefore) {
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::no_stream())), 0u);
  ASSERT_EQ(revision_of(append(*log_, "contact-2", ExpectedRevision::any(), {event(), event()})), 1u);
  drop_append_function(config_);
  EXPECT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::exact(0), {event(), event()})), 2u);
  std::vector<Awaitable<Result<Appended>>> together;
  together.push_back(log_->append({"contact-1", ExpectedRevision::exact(2), {event()}}));
  together.push_back(log_->append({"contact-2", ExpectedRevision::stream_exists(), {event()}}));
  together.push_back(log_->append({"contact-1", ExpectedRevision::any(), {event(), event()}}));
  const auto answers = run_together(std::move(together));
  EXPECT_EQ(revision_of(answers[0]), 3u);
  EXPECT_EQ(revision_of(answers[1]), 2u);
  EXPECT_EQ(revision_of(answers[2]), 5u);
  const auto stored = all_of(*log_, "contact-1");
  ASSERT_EQ(stored.size(), 6u);
  EXPECT_EQ(stored[3].position, answers[0]->position);
  EXPECT_EQ(stored[5].position, answers[2]->position);
  EXPECT_TRUE(append(*log_, "contact-3", ExpectedRevision::any()).failed_with(FailureCode::unavailable))
      << "a stream it never saw is for the append function";
}

TEST_P(QuickAppend, SeesWhatAnotherWriterAppendedInTheMeantime) {
  const auto other = open_log(config_);
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any())), 0u);
  ASSERT_EQ(revision_of(append(*other, "contact-1", ExpectedRevision::any(), {event(), event()})), 2u);
  EXPECT_TRUE(append(*log_, "contact-1", ExpectedRevision::exact(0)).failed_with(FailureCode::wrong_expected_revision));
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any())), 3u);
  EXPECT_EQ(revision_of(append(*other, "contact-1", ExpectedRevision::exact(3))), 4u);
}

TEST_P(QuickAppend, RecognisesARepetitionAndAnIdThatIsTaken) {
  const Event first = event(), second = event();
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any(), {first})), 0u);
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any(), {second})), 1u);
  ASSERT_EQ(revision_of(append(*log_, "contact-2", ExpectedRevision::any())), 0u);
  const auto again = append(*log_, "contact-1", ExpectedRevision::any(), {first});
  EXPECT_EQ(revision_of(again), 0u);
  EXPECT_TRUE(again->duplicate);
  EXPECT_TRUE(append(*log_, "contact-2", ExpectedRevision::any(), {first}).failed_with(FailureCode::id_conflict));
  EXPECT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::exact(1))), 2u)
      << "the repetition must not be taken for the head";
}

TEST_P(QuickAppend, HeedsADeletionInTheMeantime) {
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any())), 0u);
  ASSERT_EQ(revision_of(append(*log_, "contact-2", ExpectedRevision::any())), 0u);
  ASSERT_TRUE(run(log_->soft_delete("contact-1", ExpectedRevision::any())).ok());
  ASSERT_TRUE(run(log_->tombstone("contact-2", ExpectedRevision::any())).ok());
  EXPECT_TRUE(append(*log_, "contact-1", ExpectedRevision::stream_exists()).failed_with(FailureCode::stream_deleted));
  EXPECT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any())), 1u);
  EXPECT_TRUE(append(*log_, "contact-2", ExpectedRevision::any()).failed_with(FailureCode::stream_deleted));
  EXPECT_EQ(all_of(*log_, "contact-1").size(), 1u);
}

TEST_P(QuickAppend, SeesThatRowsWereRemovedInTheMeantime) {
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any(), {event(), event()})), 1u);
  connect(config_).script("delete from " + table_of(config_) + " where " +
                          (config_.mapped ? "version = 2" : "revision = 1"));
  EXPECT_TRUE(append(*log_, "contact-1", ExpectedRevision::exact(1)).failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any())), 1u);
}

TEST_P(QuickAppend, ForgetsWithTheConnection) {
  ASSERT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any(), {event(), event()})), 1u);
  auto connection = connect(config_);
  // As a server that failed over to a standby that had not got the last commit.
  connection.script("delete from " + table_of(config_) + " where " + (config_.mapped ? "version = 2" : "revision = 1") +
                    "; select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'twinstream' "
                    "and pid <> pg_backend_pid()");
  EXPECT_EQ(revision_of(append(*log_, "contact-1", ExpectedRevision::any())), 1u);
}

INSTANTIATE_TEST_SUITE_P(Tables, QuickAppend, testing::Bool(),
                         [](const auto& table) { return table.param ? "Mapped" : "Managed"; });

TEST(QuickAppendTo, ATableThatLosesRowsIsRefused) {
  const auto config = mapped_config();
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  ASSERT_TRUE(append(*log, "contact-1", ExpectedRevision::any()).ok());
  connect(config).script("create function " + in_quotes(config.control_schema) +
                         ".lose() returns trigger language plpgsql as 'begin return null; end'; create trigger lose "
                         "before insert on " +
                         table_of(config) + " for each row when (new.kind = 'lost') execute function " +
                         in_quotes(config.control_schema) + ".lose()");
  EXPECT_TRUE(append(*log, "contact-1", ExpectedRevision::any(), {event(), event("{}", "lost")})
                  .failed_with(FailureCode::rejected));
  EXPECT_EQ(revision_of(append(*log, "contact-1", ExpectedRevision::exact(0))), 1u);
}

}  // namespace
}  // namespace twinstream::test
