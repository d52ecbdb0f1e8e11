#include <gtest/gtest.h>

#include "tests/simulation/history.h"

// A simulation is worth what its judge sees. Each kind of damage is planted once and must be found.

namespace twinstream::simulation {
namespace {

Event event(std::uint8_t number) {
  Event made;
  made.id.bytes[0] = number;
  made.type = "Changed";
  made.data = R"({"a":1,"b":2})";
  made.created = Timestamp(std::chrono::seconds(1'700'000'000 + number));
  return made;
}

/// Two streams of three events each, the same in both stores.
class Judge : public ::testing::Test {
 protected:
  Judge() {
    std::uint8_t number = 0;
    for (std::uint64_t revision = 0; revision < 3; ++revision) {
      for (const char* stream : {"account-1", "note-1"}) {
        ++number;
        postgres.events.push_back({stream, revision, {number, number}, event(number)});
        history.accepted({stream, ExpectedRevision::any(), {event(number)}}, {revision, {number, number}});
      }
    }
    postgres.heads = {{"account-1", {Head::State::live, 2, 0}}, {"note-1", {Head::State::live, 2, 0}}};
    eventstore = postgres;
  }

  std::size_t judged_violations() {
    history.judge("postgres", postgres.events, {});
    history.judge("eventstore", eventstore.events, {});
    return history.violations().size();
  }
  std::size_t differing() { return differences(postgres, eventstore, {"account-1", "note-1"}, exact_bytes).size(); }

  History history;
  StoreContents postgres;
  StoreContents eventstore;
  bool exact_bytes = true;
};

TEST_F(Judge, FindsNothingInEqualStores) {
  EXPECT_EQ(judged_violations(), 0u);
  EXPECT_EQ(differing(), 0u);
}

TEST_F(Judge, SeesALostEvent) {
  eventstore.events.erase(eventstore.events.begin() + 2);
  EXPECT_EQ(judged_violations(), 1u);
  EXPECT_GT(differing(), 0u);
}

TEST_F(Judge, SeesALostLastEventWhateverTheHeadSays) {
  eventstore.events.pop_back();
  EXPECT_EQ(judged_violations(), 1u);
  EXPECT_EQ(differing(), 1u);
}

TEST_F(Judge, SeesAnEventThatIsThereTwice) {
  RecordedEvent again = eventstore.events[0];
  again.revision = 3;
  eventstore.events.push_back(again);
  EXPECT_EQ(judged_violations(), 1u);
  EXPECT_EQ(differing(), 1u);
}

TEST_F(Judge, SeesEventsInAnotherOrder) {
  std::swap(eventstore.events[0].event, eventstore.events[2].event);
  EXPECT_EQ(judged_violations(), 2u);
  EXPECT_EQ(differing(), 2u);
}

TEST_F(Judge, SeesAnEventInAnotherStream) {
  eventstore.events[5].stream = "account-1";
  eventstore.events[5].revision = 3;
  EXPECT_EQ(judged_violations(), 1u);
  EXPECT_GT(differing(), 0u);
}

TEST_F(Judge, SeesOtherContent) {
  eventstore.events[0].event.type = "Opened";
  EXPECT_EQ(differing(), 1u);
  eventstore.events[1].event.data = R"({"a":1,"b":3})";
  EXPECT_EQ(differing(), 2u);
  eventstore.events[2].event.metadata = R"({"by":"nobody"})";
  EXPECT_EQ(differing(), 3u);
  eventstore.events[3].event.metadata = R"({"$originalCreated":"2001-01-01T00:00:00.000000Z"})";
  EXPECT_EQ(differing(), 4u);
}

TEST_F(Judge, ComparesJsonByValueOnlyWhereBytesAreNotKept) {
  eventstore.events[0].event.data = R"({ "b": 2, "a": 1 })";
  EXPECT_EQ(differing(), 1u);
  exact_bytes = false;
  EXPECT_EQ(differing(), 0u);
}

TEST_F(Judge, SeesAnotherDeletionState) {
  eventstore.heads["note-1"].state = Head::State::soft_deleted;
  EXPECT_EQ(differing(), 1u);
  eventstore.heads["account-1"].first_visible = 1;
  EXPECT_EQ(differing(), 2u);
}

TEST_F(Judge, SeesARefusedEventThatWasWritten) {
  history.refused({"note-1", ExpectedRevision::any(), {event(99)}}, {FailureCode::rejected, "no", {}});
  eventstore.events.push_back({"note-1", 3, {7, 7}, event(99)});
  EXPECT_EQ(judged_violations(), 1u);
}

TEST_F(Judge, SeesTwoAnswersForOneEvent) {
  history.accepted({"note-1", ExpectedRevision::any(), {event(2)}}, {2, {2, 2}});
  EXPECT_EQ(history.violations().size(), 1u) << "it was acknowledged at revision 0";
  history.refused({"note-1", ExpectedRevision::any(), {event(2)}}, {FailureCode::rejected, "no", {}});
  EXPECT_EQ(history.violations().size(), 2u);
}

TEST_F(Judge, SeesAReadThatGoesBackInTime) {
  StreamPage page;
  page.head = {Head::State::live, 1, 0};
  history.read("note-1", 2, page);
  EXPECT_EQ(history.violations().size(), 1u);
  history.read("note-1", 1, page);
  EXPECT_EQ(history.violations().size(), 1u) << "nobody knew more when this read began";
  history.read("note-1", 1, Failure{FailureCode::stream_not_found, "", {}});
  EXPECT_EQ(history.violations().size(), 2u);
  history.read("note-1", 1, Failure{FailureCode::unavailable, "", {}});
  EXPECT_EQ(history.violations().size(), 2u) << "no answer is no wrong answer";
}

TEST_F(Judge, SeesAReadOfAnotherEventAtAKnownRevision) {
  StreamPage page;
  page.head = {Head::State::live, 2, 0};
  page.events = {{"note-1", 1, {9, 9}, event(2)}};
  history.read("note-1", 2, page);
  EXPECT_EQ(history.violations().size(), 1u);
}

}  // namespace
}  // namespace twinstream::simulation
