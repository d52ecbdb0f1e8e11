#include "adapters/embedded/embedded_log.h"

#include <thread>

#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream {
namespace {

using Revisions = std::vector<std::uint64_t>;
using EmbeddedLogTest = EmbeddedTest;

TEST_F(EmbeddedLogTest, events_survive_closing_and_opening) {
  const Event event = json_event("Kept", R"({"a":1})");
  ASSERT_TRUE(append("s", {event}).ok());
  reopen();
  const auto page = read(contract::forwards("s"));
  ASSERT_EQ(page->events.size(), 1u);
  EXPECT_EQ(page->events.front().event.id, event.id);
  EXPECT_EQ(page->events.front().event.data, event.data);
}

TEST_F(EmbeddedLogTest, a_repetition_is_recognised_after_a_restart) {
  const std::vector<Event> events{json_event(), json_event()};
  const auto first = append("s", events);
  write("s", 1);
  reopen();
  const auto again = append("s", events);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->revision, first->revision);
  EXPECT_EQ(again->position, first->position);
}

TEST_F(EmbeddedLogTest, an_append_whose_first_id_alone_is_known_is_refused) {
  const Event known = json_event();
  ASSERT_TRUE(append("s", {known}).ok());
  EXPECT_TRUE(append("s", {known, json_event()}).failed_with(FailureCode::wrong_expected_revision));
  EXPECT_EQ(append("s", {json_event(), known})->revision, 2u);
}

TEST_F(EmbeddedLogTest, an_id_may_be_used_in_two_streams) {
  const Event event = json_event();
  ASSERT_TRUE(append("s", {event}).ok());
  EXPECT_FALSE(append("t", {event})->duplicate);
}

TEST_F(EmbeddedLogTest, the_exact_head_writes_even_if_the_id_is_known) {
  const Event event = json_event();
  ASSERT_TRUE(append("s", {event}).ok());
  EXPECT_EQ(append("s", ExpectedRevision::exact(0), {event})->revision, 1u);
}

TEST_F(EmbeddedLogTest, a_repetition_is_recognised_although_its_events_are_hidden) {
  const Event event = json_event();
  ASSERT_TRUE(append("s", ExpectedRevision::no_stream(), {event}).ok());
  write("s", 2);
  write_metadata("s", R"({"$tb": 2})");
  const auto again = append("s", ExpectedRevision::no_stream(), {event});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->revision, 0u);
}

TEST_F(EmbeddedLogTest, positions_grow_and_both_halves_are_equal) {
  const auto first = append("s", {json_event()});
  const auto second = append("t", {json_event(), json_event()});
  EXPECT_LT(Position::start(), first->position);
  EXPECT_LT(first->position, second->position);
  EXPECT_EQ(second->position.commit, second->position.prepare);
}

TEST_F(EmbeddedLogTest, the_time_is_the_log_s_own) {
  Event event = json_event();
  event.created = Timestamp{};
  ASSERT_TRUE(append("s", {event}).ok());
  EXPECT_LT(Timestamp{}, read(contract::forwards("s"))->events.front().event.created);
}

TEST_F(EmbeddedLogTest, names_and_types_keep_every_byte) {
  const std::string odd("caf\xc3\xa9 \0 'quoted'", 17);
  ASSERT_TRUE(append(odd, {json_event(odd)}).ok());
  const auto page = read(contract::forwards(odd));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->events.front().stream, odd);
  EXPECT_EQ(page->events.front().event.type, odd);
}

TEST_F(EmbeddedLogTest, names_that_eventstore_refuses_are_rejected) {
  for (const char* name : {"", "$$", "$all"}) {
    EXPECT_TRUE(append(name, {json_event()}).failed_with(FailureCode::rejected)) << name;
  }
}

TEST_F(EmbeddedLogTest, the_size_limit_counts_data_and_is_exclusive) {
  reopen({.max_append_bytes = 100});
  Event event = json_event("Tested", std::string(100, '1'));
  event.metadata = std::string(500, '2');
  EXPECT_TRUE(append("s", {event}).ok());
  EXPECT_TRUE(append("s", {json_event("Tested", std::string(99, '1')), json_event("Tested", "22")})
                  .failed_with(FailureCode::rejected));
}

TEST_F(EmbeddedLogTest, a_full_queue_answers_unavailable_and_loses_nothing_it_accepted) {
  reopen({.queue_limit = 3});
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 2'000; ++i) appends.push_back(log().append({"s", ExpectedRevision::any(), {json_event()}}));
  std::size_t written = 0;
  for (const auto& answer : contract::run_together(std::move(appends))) {
    if (!answer.ok()) EXPECT_EQ(answer.failure().code, FailureCode::unavailable);
    written += answer.ok();
  }
  EXPECT_GT(written, 0u);
  EXPECT_LT(written, 2'000u);
  EXPECT_EQ(head("s").revision, written - 1);
}

TEST_F(EmbeddedLogTest, many_appends_in_one_call_are_independent) {
  std::vector<AppendRequest> requests{{"s", ExpectedRevision::no_stream(), {json_event()}},
                                      {"s", ExpectedRevision::no_stream(), {json_event()}},
                                      {"", ExpectedRevision::any(), {json_event()}},
                                      {"s", ExpectedRevision::exact(0), {json_event()}}};
  const auto answers = contract::run(log().append_many(std::move(requests)));
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0]->revision, 0u);
  EXPECT_TRUE(answers[1].failed_with(FailureCode::wrong_expected_revision));
  EXPECT_TRUE(answers[2].failed_with(FailureCode::rejected));
  EXPECT_EQ(answers[3]->revision, 1u);
}

TEST_F(EmbeddedLogTest, a_page_ends_early_when_its_events_are_large) {
  reopen({.max_append_bytes = 2 << 20});
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(append("s", {json_event("Large", std::string(1 << 20, 'x'))}).ok());
  const auto page = read(contract::forwards("s"));
  EXPECT_LT(page->events.size(), 6u);
  EXPECT_FALSE(page->end);
  const auto rest = read(contract::forwards("s", page->events.back().revision + 1));
  EXPECT_EQ(page->events.size() + rest->events.size(), 6u);
  EXPECT_TRUE(rest->end);
}

TEST_F(EmbeddedLogTest, a_directory_in_use_is_refused_with_the_reason) {
  const auto second = EmbeddedLog::open(directory_.path());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.failure().reason.find("in use by another process"), std::string::npos);
}

TEST_F(EmbeddedLogTest, a_directory_that_cannot_be_made_is_refused_with_the_reason) {
  const auto log = EmbeddedLog::open("/proc/twinstream");
  ASSERT_FALSE(log.ok());
  EXPECT_NE(log.failure().reason.find("/proc/twinstream"), std::string::npos);
}

TEST_F(EmbeddedLogTest, who_subscribed_before_a_tombstone_gets_it_as_the_last_event) {
  write("s", 2);
  auto subscription = log().subscribe_stream("s", std::nullopt);
  ASSERT_EQ(contract::run(subscription->next())->events.size(), 2u);
  ASSERT_TRUE(contract::run(log().tombstone("s", ExpectedRevision::any())).ok());
  const auto last = contract::run(subscription->next());
  ASSERT_TRUE(last.ok());
  ASSERT_EQ(last->events.size(), 1u);
  EXPECT_EQ(last->events.front().event.type, "$streamDeleted");
  EXPECT_TRUE(contract::run(subscription->next()).failed_with(FailureCode::stream_deleted));
}

TEST_F(EmbeddedLogTest, a_subscription_to_the_whole_log_delivers_what_is_written_while_it_waits) {
  auto subscription = log().subscribe_all(Position::end());
  ASSERT_TRUE(contract::run(subscription->next())->caught_up);
  boost::asio::io_context context;
  std::optional<Result<SubscriptionPage>> page;
  boost::asio::co_spawn(context, contract::keep_answer(subscription->next(), &page), contract::rethrow);
  std::thread runner([&] { context.run(); });
  write("s", 1);
  runner.join();
  std::size_t delivered = (*page)->events.size();
  for (int rounds = 0; delivered == 0 && rounds < 10; ++rounds) {
    delivered = contract::run(subscription->next())->events.size();
  }
  EXPECT_EQ(delivered, 1u);
}

TEST_F(EmbeddedLogTest, a_thousand_concurrent_appends_to_one_stream_leave_no_gap) {
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 1'000; ++i) appends.push_back(log().append({"s", ExpectedRevision::any(), {json_event()}}));
  for (const auto& answer : contract::run_together(std::move(appends))) ASSERT_TRUE(answer.ok());
  Revisions expected(1'000);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i;
  Revisions found;
  for (std::uint64_t from = 0;; from = found.back() + 1) {
    const auto page = read(contract::forwards("s", from));
    for (const auto& recorded : page->events) found.push_back(recorded.revision);
    if (page->end) break;
  }
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace twinstream
