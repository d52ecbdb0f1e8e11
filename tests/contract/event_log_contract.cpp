#include "tests/contract/event_log_contract.h"

namespace twinstream::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EventLogContract);

namespace {

std::string_view word(FailureCode code) {
  switch (code) {
    case FailureCode::wrong_expected_revision: return "wrong_expected_revision";
    case FailureCode::stream_deleted: return "stream_deleted";
    case FailureCode::stream_not_found: return "stream_not_found";
    case FailureCode::id_conflict: return "id_conflict";
    case FailureCode::rejected: return "rejected";
    case FailureCode::unavailable: return "unavailable";
    case FailureCode::unknown_outcome: return "unknown_outcome";
    case FailureCode::cancelled: return "cancelled";
  }
  return "?";
}

std::string refusal(const Failure& failure) {
  std::string text(word(failure.code));
  if (failure.code != FailureCode::wrong_expected_revision) return text;
  return text + " " + (failure.actual ? std::to_string(*failure.actual) : "none");
}

}  // namespace

std::string outcome(const Result<Appended>& answer) {
  if (!answer.ok()) return refusal(answer.failure());
  const std::string revision = answer->revision ? std::to_string(*answer->revision) : "none";
  return (answer->duplicate ? "duplicate " : "written ") + revision;
}

std::string outcome(const Result<Deleted>& answer) { return answer.ok() ? "deleted" : refusal(answer.failure()); }

std::string LogFixture::unique_stream(std::string category) { return category + "-" + EventId::random().to_string(); }

Event EventLogContract::event(int number) {
  const EventId id = EventId::random();
  // No two events have the same content: a log without an id column tells them apart by it.
  return {.id = id,
          .type = "Tested",
          .data = R"({"id": ")" + id.to_string() + R"(", "number": )" + std::to_string(number) + "}",
          .metadata = R"({"by": "contract"})",
          .content_type = ContentType::json,
          .created = std::nullopt};
}

Events EventLogContract::events(int count) {
  Events made;
  for (int i = 0; i < count; ++i) made.push_back(event(i));
  return made;
}

Result<Appended> EventLogContract::append(std::string stream, ExpectedRevision expected, Events events) {
  return run(log().append({std::move(stream), expected, std::move(events)}));
}

Events EventLogContract::write(const std::string& stream, int count) {
  const Events written = events(count);
  for (const Event& one : written) {
    const auto answer = append(stream, ExpectedRevision::any(), {one});
    EXPECT_TRUE(answer.ok()) << outcome(answer) << ": " << answer.failure().reason;
  }
  return written;
}

RecordedEvents EventLogContract::read_all_of(const std::string& stream) {
  RecordedEvents found;
  for (std::uint64_t from = 0;;) {
    auto page = read(forwards(stream, from));
    if (!page.ok()) {
      EXPECT_TRUE(page.failed_with(FailureCode::stream_not_found)) << page.failure().reason;
      return {};
    }
    found.insert(found.end(), page->events.begin(), page->events.end());
    if (page->end || page->events.empty()) return found;
    from = page->events.back().revision + 1;
  }
}

Head EventLogContract::head(const std::string& stream) {
  const auto answer = run(log().head(stream));
  EXPECT_TRUE(answer.ok()) << answer.failure().reason;
  return answer.ok() ? *answer : Head{};
}

Position EventLogContract::tip() {
  const auto answer = run(log().tip());
  EXPECT_TRUE(answer.ok()) << answer.failure().reason;
  return answer.ok() ? *answer : Position{};
}

RecordedEvents EventLogContract::scan(Position from, const std::string& stream, std::size_t page_size) {
  RecordedEvents found;
  for (;;) {
    const auto page = run(log().read_all({Direction::forwards, from, page_size}));
    EXPECT_TRUE(page.ok()) << page.failure().reason;
    if (!page.ok()) return found;
    EXPECT_LE(from, page->next) << "reading forwards went back";
    for (const auto& recorded : page->events) {
      EXPECT_LT(from, recorded.position) << "the position read from is exclusive";
      if (recorded.stream == stream && !recorded.event.type.starts_with('$')) found.push_back(recorded);
    }
    if (page->end) return found;
    EXPECT_LT(from, page->next) << "a page that is not the last one must lead on";
    if (from == page->next) return found;
    from = page->next;
  }
}

void EventLogContract::soft_delete(const std::string& stream) {
  const auto answer = run(log().soft_delete(stream, ExpectedRevision::any()));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
}

void EventLogContract::tombstone(const std::string& stream) {
  const auto answer = run(log().tombstone(stream, ExpectedRevision::any()));
  ASSERT_TRUE(answer.ok()) << answer.failure().reason;
}

void EventLogContract::expect_stream(const std::string& stream, const Events& written) {
  const auto found = read_all_of(stream);
  ASSERT_EQ(found.size(), written.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].stream, stream);
    EXPECT_EQ(found[i].revision, i);
    if (i > 0) EXPECT_LT(found[i - 1].position, found[i].position);
    expect_same(written[i], found[i]);
  }
}

void EventLogContract::expect_stream_together(const std::string& stream, const Events& written) {
  if (abilities().plain_metadata) return expect_stream(stream, written);
  const auto found = read_all_of(stream);
  ASSERT_EQ(found.size(), written.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].event.id.to_string(), written[i].id.to_string());
    EXPECT_EQ(found[i].event.data, written[i].data);
    EXPECT_EQ(found[i].event.content_type, written[i].content_type);
    EXPECT_NE(found[i].event.metadata.find(R"("by": "contract")"), std::string::npos) << found[i].event.metadata;
  }
}

void EventLogContract::expect_same(const Event& written, const RecordedEvent& recorded) {
  if (traits().keeps_event_ids) EXPECT_EQ(recorded.event.id.to_string(), written.id.to_string());
  EXPECT_EQ(recorded.event.type, written.type);
  EXPECT_EQ(recorded.event.data, written.data);
  if (abilities().metadata) EXPECT_EQ(recorded.event.metadata, written.metadata);
  EXPECT_EQ(recorded.event.content_type, written.content_type);
  EXPECT_TRUE(recorded.event.created.has_value());
  if (written.created && traits().keeps_created) EXPECT_EQ(recorded.event.created, written.created);
}

}  // namespace twinstream::contract
