#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "adapters/embedded/store_at_rest.h"
#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream {
namespace {

constexpr EmbeddedLogOptions at_once{.may_be_repeated = std::chrono::seconds(0)};

std::uint64_t scavenge(EmbeddedLog& log) {
  std::uint64_t removed = 0;
  for (ScavengeSlice slice; !slice.end;) {
    auto done = contract::run(log.scavenge(slice.next));
    if (!done.ok()) throw std::runtime_error(done.failure().reason);
    slice = *done;
    removed += slice.removed;
  }
  return removed;
}

class EmbeddedScavenge : public EmbeddedTest {
 protected:
  EmbeddedScavenge() { reopen(at_once); }

  std::uint64_t scavenge() { return twinstream::scavenge(*log_); }

  std::vector<std::string> all_events(Direction direction = Direction::forwards) {
    std::vector<std::string> found;
    ReadAll request{direction, direction == Direction::forwards ? Position::start() : Position::end(), 2};
    for (bool end = false; !end;) {
      const auto page = contract::run(log().read_all(request));
      if (!page.ok()) throw std::runtime_error(page.failure().reason);
      for (const auto& event : page->events) found.push_back(std::to_string(event.revision) + "@" + event.stream);
      request.from = page->next;
      end = page->end;
    }
    return found;
  }

  void expect_whole(std::uint64_t scavenged) {
    log_.reset();
    const auto report = verify_store(directory_.path());
    ASSERT_TRUE(report.ok()) << report.failure().reason;
    EXPECT_TRUE(report->whole()) << report->damage.front();
    EXPECT_EQ(report->scavenged, scavenged);
    reopen(at_once);
  }
};

using Events = std::vector<std::string>;

TEST_F(EmbeddedScavenge, what_can_be_seen_stays) {
  write("s", 3);
  write_metadata("s", R"({"a":1})");
  EXPECT_EQ(scavenge(), 0u);
  EXPECT_EQ(all_events(), (Events{"0@s", "1@s", "2@s", "0@$$s"}));
}

TEST_F(EmbeddedScavenge, truncated_events_go_and_numbers_stay) {
  write("s", 5);
  write_metadata("s", R"({"$tb":3})");
  EXPECT_EQ(scavenge(), 3u);
  EXPECT_EQ(all_events(), (Events{"3@s", "4@s", "0@$$s"}));
  EXPECT_EQ(all_events(Direction::backwards), (Events{"0@$$s", "4@s", "3@s"}));
  EXPECT_EQ(revisions("s"), (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(append("s", {json_event()})->revision, 5u);
  EXPECT_EQ(append("s", {json_event()})->position.commit, 8u) << "positions are never used again";
  expect_whole(3);
}

TEST_F(EmbeddedScavenge, a_number_of_events_is_kept) {
  write_metadata("s", R"({"$maxCount":2})");
  write("s", 5);
  EXPECT_EQ(scavenge(), 3u);
  EXPECT_EQ(revisions("s"), (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(scavenge(), 0u);
  expect_whole(3);
}

TEST_F(EmbeddedScavenge, expired_events_go) {
  write("s", 5);
  write_metadata("s", R"({"$maxAge":60})");
  log_.reset();
  {
    embedded::Database database((directory_.path() / "events.sqlite").string(), embedded::Database::Mode::write);
    database.execute("UPDATE events SET created = created - 3600000000 WHERE position <= 3");
  }
  reopen(at_once);
  EXPECT_EQ(scavenge(), 3u);
  EXPECT_EQ(all_events(), (Events{"3@s", "4@s", "0@$$s"}));
  expect_whole(3);
}

TEST_F(EmbeddedScavenge, a_soft_deleted_stream_keeps_its_last_event_for_its_numbers) {
  write("s", 4);
  ASSERT_TRUE(contract::run(log().soft_delete("s", ExpectedRevision::any())).ok());
  EXPECT_EQ(scavenge(), 3u);
  EXPECT_EQ(head("s").state, Head::State::soft_deleted);
  EXPECT_EQ(head("s").revision, 3u);
  EXPECT_TRUE(read(contract::forwards("s")).failed_with(FailureCode::stream_not_found));
  EXPECT_EQ(append("s", ExpectedRevision::no_stream(), {json_event()})->revision, 4u);
  EXPECT_EQ(revisions("s"), (std::vector<std::uint64_t>{4}));
  expect_whole(3);
}

TEST_F(EmbeddedScavenge, of_a_tombstoned_stream_the_tombstone_stays_alone) {
  write("s", 4);
  write_metadata("s", R"({"a":1})");
  ASSERT_TRUE(contract::run(log().tombstone("s", ExpectedRevision::any())).ok());
  write("t", 1);
  EXPECT_EQ(scavenge(), 5u);
  EXPECT_EQ(all_events(), (Events{"9223372036854775807@s", "0@t"}));
  EXPECT_TRUE(append("s", {json_event()}).failed_with(FailureCode::stream_deleted));
  EXPECT_TRUE(append("$$s", {json_event()}).failed_with(FailureCode::stream_deleted));
  expect_whole(5);
  EXPECT_EQ(head("s").state, Head::State::tombstoned);
}

TEST_F(EmbeddedScavenge, metadata_streams_keep_their_last_event) {
  for (int i = 0; i < 4; ++i) write_metadata("s", R"({"a":)" + std::to_string(i) + "}");
  EXPECT_EQ(scavenge(), 3u);
  EXPECT_EQ(latest_metadata("s"), R"({"a":3})");
}

TEST_F(EmbeddedScavenge, what_may_still_be_repeated_is_kept) {
  reopen();
  const auto event = json_event();
  const auto first = append("s", {event});
  write("s", 1);
  write_metadata("s", R"({"$tb":2})");
  EXPECT_EQ(scavenge(), 0u);
  const auto again = append("s", {event});
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->position, first->position);
}

TEST_F(EmbeddedScavenge, an_id_that_stands_further_on_is_no_repetition_of_what_was_removed) {
  const auto kept = json_event();
  write("s", 4);
  ASSERT_TRUE(append("s", {kept}).ok());
  write_metadata("s", R"({"$tb":4})");
  ASSERT_EQ(scavenge(), 4u);
  EXPECT_TRUE(append("s", ExpectedRevision::exact(0), {kept}).failed_with(FailureCode::wrong_expected_revision));
  EXPECT_TRUE(append("s", ExpectedRevision::no_stream(), {kept}).failed_with(FailureCode::wrong_expected_revision));
  EXPECT_TRUE(append("s", ExpectedRevision::exact(3), {kept})->duplicate);
}

TEST_F(EmbeddedScavenge, reads_end_where_events_were_removed) {
  write("s", 6);
  write_metadata("s", R"({"$tb":4})");
  ASSERT_EQ(scavenge(), 4u);
  write_metadata("s", "{}");
  const auto backwards = read(contract::backwards("s", {}, 10));
  EXPECT_EQ(backwards->events.size(), 2u);
  EXPECT_TRUE(backwards->end);
  const auto forwards = read(contract::forwards("s", 1));
  EXPECT_EQ(forwards->events.size(), 2u);
  EXPECT_TRUE(forwards->end);
  const auto before = read(contract::backwards("s", 2, 10));
  EXPECT_TRUE(before->events.empty());
  EXPECT_TRUE(before->end);
}

TEST_F(EmbeddedScavenge, a_long_stream_is_scavenged_in_slices_between_which_appends_are_taken) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(append("s", std::vector<Event>(500, json_event())).ok());
  write_metadata("s", R"({"$maxCount":1})");
  std::uint64_t removed = 0;
  int slices = 0;
  for (ScavengeSlice slice; !slice.end; ++slices) {
    slice = *contract::run(log_->scavenge(slice.next));
    EXPECT_LE(slice.removed, 500u);
    removed += slice.removed;
    ASSERT_TRUE(append("t", {json_event()}).ok());
  }
  EXPECT_EQ(removed, 1'999u);
  EXPECT_GE(slices, 4);
  expect_whole(1'999);
}

TEST_F(EmbeddedScavenge, at_rest_the_room_is_given_back) {
  const std::string large(100'000, 'x');
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append("s", {json_event("Large", '"' + large + '"')}).ok());
  ASSERT_TRUE(contract::run(log().tombstone("s", ExpectedRevision::any())).ok());
  EXPECT_FALSE(scavenge_store(directory_.path()).ok()) << "the store is in use";
  log_.reset();
  const auto report = scavenge_store(directory_.path());
  ASSERT_TRUE(report.ok()) << report.failure().reason;
  EXPECT_EQ(report->removed, 50u);
  EXPECT_GT(report->bytes_before, 5'000'000u);
  EXPECT_LT(report->bytes_after, 200'000u);
  expect_whole(50);
}

/// Appends, deletes and scavenges until it is killed; tells every answered append.
[[noreturn]] void churn(const std::filesystem::path& directory, int pipe) {
  auto log = open_log(directory, at_once);
  std::uint64_t from = 0;
  for (int number = 0;; ++number) {
    const std::string stream = "s-" + std::to_string(number % 20);
    const std::vector<Event> events(5, json_event("Tested", std::to_string(number)));
    if (!contract::run(log->append({stream, ExpectedRevision::any(), events})).ok()) ::_exit(1);
    if (number % 7 == 0) (void)contract::run(log->soft_delete("s-" + std::to_string(number % 3), ExpectedRevision::any()));
    if (number % 50 == 0) {
      const std::string name = "$$s-" + std::to_string(10 + number % 10);
      (void)contract::run(log->append({name, ExpectedRevision::any(), {json_event("$metadata", R"({"$maxCount":3})")}}));
    }
    const auto slice = contract::run(log->scavenge(from));
    if (!slice.ok()) ::_exit(1);
    from = slice->end ? 0 : slice->next;
    if (::write(pipe, &number, sizeof number) != sizeof number) ::_exit(1);
  }
}

TEST(EmbeddedScavengeCrash, a_store_killed_in_the_middle_of_a_scavenge_is_whole) {
  for (int round = 0; round < 4; ++round) {
    const TemporaryDirectory directory;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) churn(directory.path(), ends[1]);
    ::close(ends[1]);
    int last = 0;
    for (int number = 0; ::read(ends[0], &number, sizeof number) == sizeof number;) {
      last = number;
      if (number == 150 + 53 * round) ::kill(child, SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(ends[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    const auto report = verify_store(directory.path());
    ASSERT_TRUE(report.ok()) << report.failure().reason;
    EXPECT_TRUE(report->whole()) << report->damage.front();
    EXPECT_GT(report->scavenged, 0u);
    const auto log = open_log(directory.path());
    const auto page = contract::run(log->read_stream(contract::backwards("s-" + std::to_string(last % 20), {}, 1)));
    const bool there = page.ok() ? std::stoi(page->events.front().event.data) >= last
                                 : page.failed_with(FailureCode::stream_not_found);
    EXPECT_TRUE(there) << "append " << last << " is lost";
  }
}

class EmbeddedVerify : public EmbeddedTest {
 protected:
  EmbeddedVerify() {
    write("s", 5);
    write("t", 2);
    EXPECT_TRUE(contract::run(log().soft_delete("t", ExpectedRevision::any())).ok());
    write("u", 1);
    EXPECT_TRUE(contract::run(log().tombstone("u", ExpectedRevision::any())).ok());
    log_.reset();
  }

  void damage(const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((directory_.path() / "events.sqlite").c_str(), &database), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(database);
  }

  std::string first_damage() {
    const auto report = verify_store(directory_.path());
    if (!report.ok()) return "could not check: " + report.failure().reason;
    return report->whole() ? "whole" : report->damage.front();
  }
};

TEST_F(EmbeddedVerify, a_whole_store_is_counted) {
  const auto report = verify_store(directory_.path());
  ASSERT_TRUE(report.ok()) << report.failure().reason;
  EXPECT_TRUE(report->whole()) << report->damage.front();
  EXPECT_EQ(report->streams, 4u);
  EXPECT_EQ(report->events, 10u);
  EXPECT_EQ(report->soft_deleted, 1u);
  EXPECT_EQ(report->tombstoned, 1u);
  EXPECT_EQ(report->last_position, 10u);
}

TEST_F(EmbeddedVerify, a_store_in_use_or_none_at_all_cannot_be_checked) {
  EXPECT_FALSE(verify_store("/nowhere").ok());
  const auto log = open_log(directory_.path());
  const auto report = verify_store(directory_.path());
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.failure().reason.find("in use"), std::string::npos);
}

TEST_F(EmbeddedVerify, a_lost_event_is_found) {
  damage("DELETE FROM events WHERE position = 3");
  EXPECT_EQ(first_damage(), "stream s: revision 2 is missing, the next one is 3");
}

TEST_F(EmbeddedVerify, a_lost_beginning_is_no_scavenge) {
  damage("DELETE FROM events WHERE position = 1");
  EXPECT_EQ(first_damage(), "stream s: revision 0 is missing, the next one is 1");
}

TEST_F(EmbeddedVerify, a_lost_end_is_found_by_its_position) {
  damage("DELETE FROM events WHERE position = 5");
  EXPECT_EQ(first_damage(), "the last position is 10, but 9 events and 0 scavenged ones are accounted for");
}

TEST_F(EmbeddedVerify, wrong_orders_are_found) {
  damage("UPDATE events SET revision = 100 WHERE position = 2; UPDATE events SET revision = 1 WHERE position = 4;"
         "UPDATE events SET revision = 3 WHERE position = 2;");
  EXPECT_EQ(first_damage(), "stream s: revision 2 lies before the revision that precedes it");
}

TEST_F(EmbeddedVerify, a_deletion_that_the_stream_does_not_know_is_found) {
  damage("INSERT INTO events SELECT 11, stream, 2, randomblob(16), created + 3600000000, 0, 'Late', '', '' FROM events "
         "WHERE position = 7");
  EXPECT_EQ(first_damage(), "stream t: it goes on after its deletion");
}

TEST_F(EmbeddedVerify, a_tombstone_that_is_none_is_found) {
  damage("UPDATE events SET type = 'Other' WHERE position = 10");
  EXPECT_EQ(first_damage(), "stream u: its last revision is kept for a tombstone, and is something else");
}

TEST_F(EmbeddedVerify, events_without_a_stream_an_id_or_in_the_wrong_time_are_found) {
  damage("UPDATE events SET id = zeroblob(16) WHERE position = 1");
  EXPECT_EQ(first_damage(), "the event at position 1 has no id");
  damage("UPDATE events SET id = randomblob(16), created = created + 86400000000 WHERE position = 1");
  EXPECT_EQ(first_damage(), "the event at position 2 is older than the one before it");
  damage("DELETE FROM streams WHERE name = CAST('s' AS BLOB)");
  EXPECT_EQ(first_damage(), "the event at position 1 belongs to a stream without a name");
}

TEST_F(EmbeddedVerify, a_broken_file_is_damage_and_an_empty_directory_is_not) {
  const auto path = directory_.path() / "events.sqlite";
  {
    FILE* file = std::fopen(path.c_str(), "r+b");
    ASSERT_TRUE(file);
    std::fseek(file, 4'096, SEEK_SET);
    const std::string rubbish(8'192, 'x');
    std::fwrite(rubbish.data(), 1, rubbish.size(), file);
    std::fclose(file);
  }
  EXPECT_EQ(first_damage().rfind("SQLite: ", 0), 0u) << first_damage();
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(first_damage().rfind("could not check", 0), 0u) << first_damage();
}

}  // namespace
}  // namespace twinstream
