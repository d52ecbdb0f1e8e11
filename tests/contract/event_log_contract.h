#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/core/event_log.h"

// The contract of EventLog as tests. An implementation takes part with one file that instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, EventLogContract, ::testing::Values(LogUnderTest{"memory", make}), log_name);
//
// Stores may be shared between tests: every test uses stream names of its own and expects other events around them.

namespace twinstream::contract {

inline const auto any = ExpectedRevision::any();
inline const auto no_stream = ExpectedRevision::no_stream();
inline const auto stream_exists = ExpectedRevision::stream_exists();
inline const auto exact = ExpectedRevision::exact;

/// What a log may do less of by its nature, where LogTraits does not say it.
struct Abilities {
  bool deletes = true;          ///< soft delete, restore, tombstone
  bool sees_hidden = true;      ///< include_hidden really gives the hidden events
  bool any_stream_name = true;  ///< false: names must fit a template
  bool binary = true;           ///< false: data that is not JSON is rejected
  bool metadata = true;         ///< false: has no place for metadata
  bool checks = true;           ///< appends to several streams may depend on checks
  bool plain_metadata = true;   ///< false: an append to several streams adds keys to the metadata
  bool unique_ids = false;      ///< an id is taken for the whole log: another event with it is id_conflict
};

/// One log made ready for one test.
class LogFixture {
 public:
  virtual ~LogFixture() = default;
  virtual EventLog& log() = 0;
  virtual Abilities abilities() const { return {}; }
  /// A stream name that was never used before and that this log can hold.
  virtual std::string unique_stream(std::string category);
};

struct LogUnderTest {
  std::string name;  ///< letters and digits
  std::function<std::unique_ptr<LogFixture>()> make;
};

inline void PrintTo(const LogUnderTest& log, std::ostream* out) { *out << log.name; }
inline std::string log_name(const ::testing::TestParamInfo<LogUnderTest>& info) { return info.param.name; }

/// A log that does not answer is a failure that the test cannot survive: its coroutine would be left behind.
[[noreturn]] inline void not_answered() {
  std::cerr << "an operation was not answered within a minute\n";
  std::abort();
}

template <class T>
Awaitable<void> keep_answer(Awaitable<T> operation, std::optional<T>* answer) {
  answer->emplace(co_await std::move(operation));
}

inline void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

/// Starts all operations at once on a context of its own and waits for their answers.
template <class T>
std::vector<T> run_together(std::vector<Awaitable<T>> operations) {
  boost::asio::io_context context;
  std::vector<std::optional<T>> answers(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    boost::asio::co_spawn(context, keep_answer(std::move(operations[i]), &answers[i]), rethrow);
  }
  context.run_for(std::chrono::minutes(1));
  std::vector<T> complete;
  for (auto& answer : answers) {
    if (!answer) not_answered();
    complete.push_back(std::move(*answer));
  }
  return complete;
}

template <class T>
T run(Awaitable<T> operation) {
  std::vector<Awaitable<T>> operations;
  operations.push_back(std::move(operation));
  return std::move(run_together(std::move(operations)).front());
}

inline ReadStream forwards(std::string stream, std::uint64_t from = 0, std::size_t max_count = 500) {
  return {std::move(stream), Direction::forwards, from, max_count, false};
}

inline ReadStream backwards(std::string stream, std::optional<std::uint64_t> from = {}, std::size_t max_count = 500) {
  return {std::move(stream), Direction::backwards, from, max_count, false};
}

inline ReadStream with_hidden(std::string stream) { return {std::move(stream), Direction::forwards, 0, 500, true}; }

using Events = std::vector<Event>;
using RecordedEvents = std::vector<RecordedEvent>;

class EventLogContract : public ::testing::TestWithParam<LogUnderTest> {
 protected:
  void SetUp() override { fixture_ = GetParam().make(); }

  EventLog& log() { return fixture_->log(); }
  const LogTraits& traits() { return log().traits(); }
  Abilities abilities() { return fixture_->abilities(); }
  std::string unique_stream() { return fixture_->unique_stream("contract"); }

  /// A new JSON event, written so that jsonb gives it back byte for byte.
  static Event event(int number = 0);
  static Events events(int count);

  Result<Appended> append(std::string stream, ExpectedRevision expected, Events events);
  /// A stream with `count` events of one append each; gives back what was written.
  Events write(const std::string& stream, int count);
  Result<StreamPage> read(ReadStream request) { return run(log().read_stream(std::move(request))); }
  /// Every visible event, or none when the stream is not found.
  RecordedEvents read_all_of(const std::string& stream);
  Head head(const std::string& stream);
  Position tip();
  /// Every event of `stream` at or after `from` that reading all forwards gives, by pages.
  RecordedEvents scan(Position from, const std::string& stream, std::size_t page_size = 1000);
  void soft_delete(const std::string& stream);
  void tombstone(const std::string& stream);

  /// That the stream holds just these events, in order and without gaps.
  void expect_stream(const std::string& stream, const Events& written);
  /// The same after an append to several streams.
  void expect_stream_together(const std::string& stream, const Events& written);
  void expect_same(const Event& written, const RecordedEvent& recorded);

 private:
  std::unique_ptr<LogFixture> fixture_;
};

/// What an answer is, in one word or two, so that a failed comparison reads well.
std::string outcome(const Result<Appended>& answer);
std::string outcome(const Result<Deleted>& answer);

}  // namespace twinstream::contract
