// Group commit against a real server: what one request of a batch does must not touch its neighbours.

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <thread>

#include "tests/integration/postgres_fixture.h"

namespace twinstream::test {
namespace {

using postgres::DatabaseError;

/// Our streams must have revisions from 0 without a hole, each once.
void expect_contiguous(const PostgresConfig& config) {
  auto connection = connect(config);
  const std::string key = config.mapped ? "aggregate_type || '-' || aggregate_id" : "stream";
  const std::string revision = config.mapped ? "version - 1" : "revision";
  const auto rows = connection.script("select count(*) from (select " + key + " as stream, count(*) as events, min(" +
                                      revision + ") as first, max(" + revision + ") as last from " + table_of(config) +
                                      " group by 1) s where first <> 0 or last <> events - 1");
  EXPECT_EQ(rows.integer(0, 0), 0) << "streams with holes";
}

std::int64_t rows_in(const PostgresConfig& config, const std::string& where = "true") {
  return connect(config).script("select count(*) from " + table_of(config) + " where " + where).integer(0, 0);
}

TEST(GroupCommit, ARequestThatTheTableRefusesFailsAlone) {
  const auto config = mapped_config();
  const Cleanup cleanup(config);
  connect(config).script("alter table " + table_of(config) + " add check (kind <> 'forbidden')");
  const auto log = open_log(config);
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 60; ++i) {
    const std::string type = i % 20 == 7 ? "forbidden" : "allowed";
    appends.push_back(log->append({"contact-" + std::to_string(i % 10), ExpectedRevision::any(), {event("{}", type)}}));
  }
  const auto answers = run_together(std::move(appends));
  for (int i = 0; i < 60; ++i) {
    const auto& answer = answers[static_cast<std::size_t>(i)];
    if (i % 20 == 7)
      EXPECT_TRUE(answer.failed_with(FailureCode::rejected));
    else
      EXPECT_TRUE(answer.ok()) << answer.failure().reason;
  }
  EXPECT_EQ(rows_in(config), 57);
  expect_contiguous(config);
}

TEST(GroupCommit, ConcurrentWritersWithConflictsLeaveNoHoles) {
  const auto config = fresh_config();
  const Cleanup cleanup(config);
  const auto here = open_log(config);
  const auto there = open_log(config);  // as another replica
  std::atomic<std::int64_t> written{0}, conflicts{0};
  const auto write = [&](EventLog& log, unsigned seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < 15; ++round) {
      std::vector<Awaitable<Result<Appended>>> appends;
      std::vector<std::size_t> sizes;
      for (int i = 0; i < 30; ++i) {
        std::vector<Event> events(random() % 3 + 1);
        for (auto& one : events) one = event();
        const auto expected = random() % 3 == 0 ? ExpectedRevision::any() : ExpectedRevision::before(random() % 20);
        sizes.push_back(events.size());
        appends.push_back(log.append({"hot-" + std::to_string(random() % 6), expected, std::move(events)}));
      }
      const auto answers = run_together(std::move(appends));
      for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i].ok())
          written += static_cast<std::int64_t>(sizes[i]);
        else if (answers[i].failed_with(FailureCode::wrong_expected_revision))
          ++conflicts;
        else
          ADD_FAILURE() << answers[i].failure().reason;
      }
    }
  };
  std::thread a(write, std::ref(*here), 1), b(write, std::ref(*there), 2);
  a.join();
  b.join();
  EXPECT_GT(conflicts, 0);
  EXPECT_EQ(rows_in(config), written);
  expect_contiguous(config);
}

TEST(GroupCommit, AnIdThatBelongsToAnotherEventIsAConflict) {
  for (const auto& config : {fresh_config(), mapped_config()}) {
    const Cleanup cleanup(config);
    const auto log = open_log(config);
    const Event first = event(R"({"a": 1, "b": [1.50, 2]})");
    ASSERT_TRUE(run(log->append({"contact-1", ExpectedRevision::no_stream(), {first}})).ok());
    Event other = first;
    other.data = R"({"a": 2})";
    EXPECT_TRUE(
        run(log->append({"contact-2", ExpectedRevision::any(), {first}})).failed_with(FailureCode::id_conflict));
    EXPECT_TRUE(
        run(log->append({"contact-1", ExpectedRevision::any(), {other}})).failed_with(FailureCode::id_conflict));
    EXPECT_TRUE(
        run(log->append({"contact-1", ExpectedRevision::no_stream(), {other}})).failed_with(FailureCode::id_conflict));
    EXPECT_TRUE(
        run(log->append({"contact-1", ExpectedRevision::exact(0), {first}})).failed_with(FailureCode::id_conflict));
    EXPECT_EQ(rows_in(config), 1);
  }
}

TEST(GroupCommit, AnIdConflictBetweenTwoWritersAtOnceStoresOne) {
  const auto config = fresh_config();
  const Cleanup cleanup(config);
  const auto here = open_log(config);
  const auto there = open_log(config);
  for (int round = 0; round < 20; ++round) {
    const Event shared = event();
    std::vector<Awaitable<Result<Appended>>> appends;
    appends.push_back(here->append({"left-" + std::to_string(round), ExpectedRevision::any(), {shared}}));
    appends.push_back(there->append({"right-" + std::to_string(round), ExpectedRevision::any(), {shared}}));
    const auto answers = run_together(std::move(appends));
    EXPECT_NE(answers[0].ok(), answers[1].ok());
    EXPECT_TRUE(answers[0].failed_with(FailureCode::id_conflict) || answers[1].failed_with(FailureCode::id_conflict));
  }
  EXPECT_EQ(rows_in(config), 20);
}

TEST(GroupCommit, JsonbRecognisesTheSameValueInOtherSpelling) {
  const auto config = mapped_config();
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  Event first = event(R"({"b":1e2,"a":"\u00e9"})");
  first.metadata = R"({"x":1})";
  ASSERT_TRUE(run(log->append({"contact-1", ExpectedRevision::any(), {first}})).ok());
  Event again = first;
  again.data = R"({"a": "é", "b": 100})";
  again.metadata = R"({ "x" : 1 })";
  const auto answer = run(log->append({"contact-1", ExpectedRevision::any(), {again}}));
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->duplicate);
  EXPECT_EQ(all_of(*log, "contact-1")[0].event.data, R"({"a": "é", "b": 100})");
}

TEST(GroupCommit, WithoutAnIndexOverIdsRepetitionsAreFoundInTheirStream) {
  auto config = mapped_config(
      "seq bigserial primary key, aggregate_type text not null, aggregate_id text not null, version integer not null, "
      "event_id uuid not null, kind text not null, payload jsonb not null, meta jsonb, at timestamptz not null, "
      "unique (aggregate_type, aggregate_id, version)");
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  const std::vector<Event> events{event(), event()};
  for (const auto& expected : {ExpectedRevision::no_stream(), ExpectedRevision::any(),
                               ExpectedRevision::stream_exists(), ExpectedRevision::no_stream()}) {
    const auto answer = run(log->append({"contact-1", expected, events}));
    ASSERT_TRUE(answer.ok()) << answer.failure().reason;
    EXPECT_EQ(answer->revision, 1u);
  }
  EXPECT_EQ(rows_in(config), 2);
}

TEST(GroupCommit, WithoutAnIdColumnIdsComeFromThePlace) {
  auto config = mapped_config();
  config.mapped->id_column.clear();
  config.mapped->insert_defaults = {{"event_id", "gen_random_uuid()"}};
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  const Event first = event(R"({"n": 1})"), second = event(R"({"n": 2})");
  ASSERT_TRUE(run(log->append({"contact-1", ExpectedRevision::no_stream(), {first, second}})).ok());
  const auto read = all_of(*log, "contact-1");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_NE(read[0].event.id, read[1].event.id);
  EXPECT_EQ(read[1].event.id, all_of(*log, "contact-1")[1].event.id);
  EXPECT_TRUE(value_of(run(log->append({"contact-1", ExpectedRevision::exact(0), {second}}))).duplicate);
  EXPECT_TRUE(run(log->append({"contact-1", ExpectedRevision::exact(0), {event(R"({"n": 3})")}}))
                  .failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(rows_in(config), 2);
}

TEST(GroupCommit, ARowThatDoesNotFitTheWhereIsRejected) {
  auto config = mapped_config();
  config.mapped->where = "kind <> 'draft'";
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  const auto answer = run(log->append({"contact-1", ExpectedRevision::any(), {event("{}", "draft")}}));
  ASSERT_TRUE(answer.failed_with(FailureCode::rejected));
  EXPECT_NE(answer.failure().reason.find("insert_defaults"), std::string::npos);
  EXPECT_EQ(rows_in(config), 0);
}

TEST(GroupCommit, ASchemaThatWasNotSetUpIsNamed) {
  const auto config = fresh_config();
  const auto log = PostgresLog::open(config);
  ASSERT_TRUE(log.failed_with(FailureCode::rejected));
  EXPECT_NE(log.failure().reason.find("twinstream init"), std::string::npos);
}

TEST(GroupCommit, PeopleCanReadTheManagedTable) {
  const auto config = fresh_config();
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  Event binary = event("\xff\x01");
  binary.content_type = ContentType::binary;
  ASSERT_TRUE(run(log->append({"contact-1", ExpectedRevision::any(), {event(R"({"näme": 1})"), binary}})).ok());
  auto connection = connect(config);
  const auto rows = connection.script("select data, metadata from " + in_quotes(config.control_schema) +
                                      ".events_readable order by position");
  EXPECT_EQ(rows.text(0, 0), R"({"näme": 1})");
  EXPECT_EQ(rows.text(0, 1), R"({"by": "test"})");
  EXPECT_EQ(rows.text(1, 0), "/wE=");
}

/// A backend that does as so many do: takes the highest version and adds one, and tries again when it lost the race.
class LegacyWriter {
 public:
  LegacyWriter(const PostgresConfig& config, int streams, int inserts)
      : thread_([this, config, streams, inserts] { write(config, streams, inserts); }) {}
  ~LegacyWriter() { thread_.join(); }

 private:
  void write(const PostgresConfig& config, int streams, int inserts) {
    auto connection = connect(config);
    std::mt19937 random(7);
    for (int done = 0; done < inserts;) {
      const std::string id = std::to_string(random() % static_cast<unsigned>(streams));
      try {
        connection.script("insert into " + table_of(config) +
                          " (aggregate_type, aggregate_id, version, event_id, kind, payload) "
                          "select 'contact', '" +
                          id + "', coalesce(max(version), 0) + 1, gen_random_uuid(), 'legacy', '{}' from " +
                          table_of(config) + " where aggregate_type = 'contact' and aggregate_id = '" + id + "'");
        ++done;
      } catch (const DatabaseError& error) {
        if (error.state() != "23505") throw;
      }
    }
  }

  std::thread thread_;
};

TEST(GroupCommit, ALegacyWriterWhoTakesNoLocksCostsNothing) {
  const auto config = mapped_config();
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  constexpr int streams = 3, legacy = 400;
  std::int64_t written = 0;
  {
    const LegacyWriter writer(config, streams, legacy);
    for (int round = 0; round < 30; ++round) {
      std::vector<Awaitable<Result<Appended>>> appends;
      for (int i = 0; i < 20; ++i) {
        const std::string group = "{\"group\": \"" + std::to_string(round) + "." + std::to_string(i) + "\"}";
        appends.push_back(log->append({"contact-" + std::to_string(i % streams),
                                       ExpectedRevision::any(),
                                       {event(group, "ours"), event(group, "ours"), event(group, "ours")}}));
      }
      for (const auto& answer : run_together(std::move(appends))) {
        EXPECT_TRUE(answer.ok()) << answer.failure().reason;
        if (answer.ok()) written += 3;
      }
    }
  }
  EXPECT_EQ(rows_in(config, "kind = 'ours'"), written);
  EXPECT_EQ(rows_in(config, "kind = 'legacy'"), legacy);
  expect_contiguous(config);
  const auto torn = connect(config).script("select count(*) from (select payload->>'group' from " + table_of(config) +
                                           " where kind = 'ours' group by 1 having count(*) <> 3 or "
                                           "max(version) - min(version) <> 2) t");
  EXPECT_EQ(torn.integer(0, 0), 0) << "appends that are not stored as a whole";
}

TEST(GroupCommit, AnOpenLegacyTransactionBlocksOnlyItsOwnStream) {
  auto config = mapped_config();
  config.statement_timeout = std::chrono::milliseconds(2'000);
  config.lanes = 1;
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  auto legacy = connect(config);
  legacy.script("begin; insert into " + table_of(config) +
                " (aggregate_type, aggregate_id, version, event_id, kind, payload) "
                "values ('contact', 'blocked', 1, gen_random_uuid(), 'legacy', '{}')");
  std::vector<Awaitable<Result<Appended>>> appends;
  appends.push_back(log->append({"contact-free", ExpectedRevision::any(), {event()}}));
  appends.push_back(log->append({"contact-blocked", ExpectedRevision::any(), {event()}}));
  appends.push_back(log->append({"contact-also-free", ExpectedRevision::any(), {event()}}));
  const auto answers = run_together(std::move(appends));
  EXPECT_TRUE(answers[0].ok());
  EXPECT_TRUE(answers[1].failed_with(FailureCode::unavailable));
  EXPECT_TRUE(answers[2].ok());
  legacy.script("commit");
  EXPECT_EQ(rows_in(config), 3);
  const auto after = run(log->append({"contact-blocked", ExpectedRevision::any(), {event()}}));
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->revision, 1u);
}

Awaitable<void> tell(Awaitable<Result<Appended>> append, std::function<void(const Result<Appended>&)> answered) {
  answered(co_await std::move(append));
}

TEST(GroupCommit, AFullQueueAnswersAtOnce) {
  auto config = fresh_config();
  config.lanes = 1;
  config.queue_limit = 10;
  const Cleanup cleanup(config);
  const auto log = open_log(config);
  auto other = connect(config);
  other.script("begin; lock table " + table_of(config) + " in access exclusive mode");  // nothing can be written now
  auto& context = context_of_this_thread();
  context.restart();
  int refused = 0, answered = 0;
  const auto count = [&](const Result<Appended>& answer) {
    refused += answer.failed_with(FailureCode::unavailable);
    if (++answered == 80) other.script("rollback");
  };
  for (int i = 0; i < 100; ++i) {
    auto append = log->append({"s-1", ExpectedRevision::any(), {event()}});
    boost::asio::co_spawn(context, tell(std::move(append), count), rethrow);
  }
  context.run();
  EXPECT_EQ(answered, 100);
  EXPECT_GE(refused, 80);
  EXPECT_EQ(rows_in(config), 100 - refused);
}

}  // namespace
}  // namespace twinstream::test
