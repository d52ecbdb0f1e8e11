#include <algorithm>
#include <set>
#include <thread>

#include "proxy/core/json.h"
#include "tests/contract/event_log_contract.h"

// Appending: numbering, atomicity, content, limits, many at once. Expectations and repetitions have files of their own.

namespace twinstream::contract {

TEST_P(EventLogContract, RevisionsCountFromZero) {
  const auto stream = unique_stream();
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::no_stream(), {event()})), "written 0");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::exact(0), {event()})), "written 1");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::any(), {event()})), "written 2");
  EXPECT_EQ(head(stream), (Head{Head::State::live, 2, 0}));
}

TEST_P(EventLogContract, EventsOfOneAppendAreConsecutiveAndInOrder) {
  const auto stream = unique_stream();
  const auto written = events(5);
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::any(), written)), "written 4");
  expect_stream(stream, written);
}

TEST_P(EventLogContract, ARefusedAppendWritesNoneOfItsEvents) {
  const auto stream = unique_stream();
  const auto written = write(stream, 2);
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::no_stream(), events(3))), "wrong_expected_revision 1");
  expect_stream(stream, written);
}

TEST_P(EventLogContract, TheAnswerHasThePositionOfTheLastEvent) {
  const auto stream = unique_stream();
  const auto answer = append(stream, ExpectedRevision::any(), events(3));
  ASSERT_TRUE(answer.ok());
  if (answer->position == Position::start()) return;  // allowed: unknown
  EXPECT_EQ(answer->position, read_all_of(stream).back().position);
}

TEST_P(EventLogContract, AnEmptyAppendOnlyChecksTheExpectation) {
  const auto stream = unique_stream();
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::any(), {})), "written none");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::no_stream(), {})), "written none");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::exact(0), {})), "wrong_expected_revision none");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::stream_exists(), {})), "wrong_expected_revision none");
  EXPECT_EQ(head(stream).state, Head::State::none);

  const auto written = write(stream, 3);
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::any(), {})), "written 2");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::stream_exists(), {})), "written 2");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::exact(2), {})), "written 2");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::exact(1), {})), "wrong_expected_revision 2");
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::no_stream(), {})), "wrong_expected_revision 2");
  expect_stream(stream, written);
}

TEST_P(EventLogContract, GivesBackJsonAsItsTraitsSay) {
  const auto stream = unique_stream();
  auto written = event();
  written.data = R"({ "b":1,"a":[1.50,  -0, "é\u00e9"] , "b":2})";
  ASSERT_EQ(outcome(append(stream, ExpectedRevision::any(), {written})), "written 0");
  const auto found = read_all_of(stream);
  ASSERT_EQ(found.size(), 1u);
  if (traits().exact_bytes) EXPECT_EQ(found[0].event.data, written.data);
  EXPECT_EQ(canonical_json(found[0].event.data), canonical_json(written.data));
}

TEST_P(EventLogContract, GivesBackBinaryDataAndMetadataByteForByte) {
  if (!abilities().binary) return;
  const auto stream = unique_stream();
  std::string bytes;
  for (int value = 0; value < 256; ++value) bytes.push_back(static_cast<char>(value));
  auto binary = event();
  binary.content_type = ContentType::binary;
  binary.data = bytes;
  binary.metadata = std::string(bytes.rbegin(), bytes.rend());
  auto empty = event();
  empty.content_type = ContentType::binary;
  empty.data.clear();
  empty.metadata.clear();
  ASSERT_EQ(outcome(append(stream, ExpectedRevision::any(), {binary, empty})), "written 1");
  expect_stream(stream, {binary, empty});
}

TEST_P(EventLogContract, ALogForJsonRejectsWhatIsNotJson) {
  if (abilities().binary) return;
  const auto stream = unique_stream();
  auto binary = event();
  binary.content_type = ContentType::binary;
  binary.data = std::string("\xff\x00", 2);
  EXPECT_EQ(outcome(append(stream, ExpectedRevision::any(), {binary})), "rejected");
  EXPECT_EQ(head(stream).state, Head::State::none);
}

TEST_P(EventLogContract, KeepsTypesAndTextInAllScripts) {
  const auto stream = unique_stream();
  auto written = event();
  written.type = "Kontakt geändert/連絡先 'x' \"y\"";
  written.data = R"({"name": "Zoë 🌍 \\ ' \" $1 %s"})";
  ASSERT_EQ(outcome(append(stream, ExpectedRevision::any(), {written})), "written 0");
  expect_stream(stream, {written});
}

TEST_P(EventLogContract, StreamNamesMayHoldAnyText) {
  if (!abilities().any_stream_name) return;
  const std::string unique = EventId::random().to_string();
  for (const std::string& start : {"with space-", "with/slash-", "übersicht-🌍-", "it's \"quoted\"-", "100%-_-", "-"}) {
    const auto written = write(start + unique, 2);
    expect_stream(start + unique, written);
  }
}

TEST_P(EventLogContract, StreamNamesAreComparedByBytes) {
  if (!abilities().any_stream_name) return;
  const std::string unique = EventId::random().to_string();
  const auto lower = write("case-" + unique, 1);
  const auto upper = write("Case-" + unique, 2);
  const auto spaced = write("case-" + unique + " ", 3);
  expect_stream("case-" + unique, lower);
  expect_stream("Case-" + unique, upper);
  expect_stream("case-" + unique + " ", spaced);
}

TEST_P(EventLogContract, KeepsTheTimeItIsGivenWhenItsTraitsSaySo) {
  if (!traits().keeps_created) return;
  const auto stream = unique_stream();
  auto written = event();
  written.created = parse_rfc3339("2019-02-28T23:59:59.123456Z");
  ASSERT_EQ(outcome(append(stream, ExpectedRevision::any(), {written})), "written 0");
  expect_stream(stream, {written});
}

TEST_P(EventLogContract, RejectsWhatItCanNeverHold) {
  const auto stream = unique_stream();
  auto without_id = event();
  without_id.id = {};
  auto without_type = event();
  without_type.type.clear();
  auto too_large = event();
  too_large.data = "\"" + std::string(traits().max_append_bytes, 'x') + "\"";
  const std::string long_name(traits().max_stream_name_bytes + 1, 'n');
  std::vector<AppendRequest> refused{{"", ExpectedRevision::any(), {event()}},
                                     {long_name, ExpectedRevision::any(), {event()}},
                                     {stream, ExpectedRevision::any(), {event(), without_id}},
                                     {stream, ExpectedRevision::any(), {event(), without_type}},
                                     {stream, ExpectedRevision::any(), {event(), too_large}}};
  if (!traits().holds_system_streams) refused.push_back({"$" + stream, ExpectedRevision::any(), {event()}});
  for (auto& request : refused) {
    EXPECT_TRUE(log().refuses(request).has_value());
    EXPECT_EQ(outcome(run(log().append(std::move(request)))), "rejected");
  }
  EXPECT_EQ(head(stream).state, Head::State::none);
}

TEST_P(EventLogContract, HoldsAnAppendOfHalfItsLimit) {
  const auto stream = unique_stream();
  auto large = event();
  large.data = "\"" + std::string(traits().max_append_bytes / 2, 'x') + "\"";
  EXPECT_FALSE(log().refuses({stream, ExpectedRevision::any(), {large}}).has_value());
  ASSERT_EQ(outcome(append(stream, ExpectedRevision::any(), {large})), "written 0");
  expect_stream(stream, {large});
}

TEST_P(EventLogContract, AppendManyAnswersEachRequestByItself) {
  const auto first = unique_stream();
  const auto second = unique_stream();
  const auto written = write(second, 2);
  const Events here = events(2);
  std::vector<AppendRequest> requests{{first, ExpectedRevision::no_stream(), here},
                                      {second, ExpectedRevision::no_stream(), {event()}},
                                      {"", ExpectedRevision::any(), {event()}},
                                      {second, ExpectedRevision::stream_exists(), {written[1]}},
                                      {unique_stream(), ExpectedRevision::exact(7), {event()}}};
  const auto answers = run(log().append_many(std::move(requests)));
  ASSERT_EQ(answers.size(), 5u);
  EXPECT_EQ(outcome(answers[0]), "written 1");
  EXPECT_EQ(outcome(answers[1]), "wrong_expected_revision 1");
  EXPECT_EQ(outcome(answers[2]), "rejected");
  if (traits().keeps_event_ids) EXPECT_EQ(outcome(answers[3]), "duplicate 1");
  EXPECT_EQ(outcome(answers[4]), "wrong_expected_revision none");
  expect_stream(first, here);
}

TEST_P(EventLogContract, AppendManyOfNothingAnswersNothing) { EXPECT_TRUE(run(log().append_many({})).empty()); }

TEST_P(EventLogContract, ConcurrentAppendsToOneStreamLeaveNoGap) {
  const auto stream = unique_stream();
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 32; ++i) appends.push_back(log().append({stream, ExpectedRevision::any(), {event(i)}}));
  std::set<std::uint64_t> revisions;
  for (const auto& answer : run_together(std::move(appends))) {
    ASSERT_TRUE(answer.ok()) << answer.failure().reason;
    revisions.insert(answer->revision.value());
  }
  EXPECT_EQ(revisions.size(), 32u);
  EXPECT_EQ(*revisions.rbegin(), 31u);
  EXPECT_EQ(read_all_of(stream).size(), 32u);
}

TEST_P(EventLogContract, OneOfManyAppendsAtTheSameRevisionWins) {
  const auto stream = unique_stream();
  write(stream, 1);
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 32; ++i) appends.push_back(log().append({stream, ExpectedRevision::exact(0), {event(i)}}));
  std::vector<std::string> outcomes;
  for (const auto& answer : run_together(std::move(appends))) outcomes.push_back(outcome(answer));
  EXPECT_EQ(std::ranges::count(outcomes, "written 1"), 1);
  EXPECT_EQ(std::ranges::count(outcomes, "wrong_expected_revision 1"), 31);
  EXPECT_EQ(read_all_of(stream).size(), 2u);
}

TEST_P(EventLogContract, OneOfManySameAppendsWritesAndAllGetItsAnswer) {
  const auto stream = unique_stream();
  const auto written = event();
  std::vector<Awaitable<Result<Appended>>> appends;
  for (int i = 0; i < 16; ++i) appends.push_back(log().append({stream, ExpectedRevision::no_stream(), {written}}));
  int writes = 0;
  for (const auto& answer : run_together(std::move(appends))) {
    ASSERT_TRUE(answer.ok()) << outcome(answer) << ": " << answer.failure().reason;
    EXPECT_EQ(answer->revision, 0u);
    if (!answer->duplicate) ++writes;
  }
  EXPECT_EQ(writes, 1);
  expect_stream(stream, {written});
}

TEST_P(EventLogContract, MayBeCalledFromSeveralThreads) {
  const auto stream = unique_stream();
  const auto append_eight = [&](int first) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(append(stream, ExpectedRevision::any(), {event(first + i)}).ok());
      EXPECT_TRUE(read(backwards(stream, {}, 1)).ok());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(append_eight, 8 * i);
  for (auto& thread : threads) thread.join();
  const auto found = read_all_of(stream);
  ASSERT_EQ(found.size(), 32u);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].revision, i);
}

TEST_P(EventLogContract, SaysWhatItIs) {
  EXPECT_FALSE(traits().name.empty());
  const auto answer = run(log().ping());
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
  EXPECT_FALSE(answer->empty());
}

}  // namespace twinstream::contract
