#include "adapters/eventstore/errors.h"

#include <gtest/gtest.h>

#include "proxy/protocol/shared.pb.h"

namespace twinstream::eventstore {
namespace {

CallStatus with_exception(StatusCode code, std::map<std::string, std::string> trailers) {
  return {code, "text", std::move(trailers)};
}

TEST(ExplainCall, NotLeaderNamesTheLeaderAndLeavesNoDoubt) {
  const auto failure = explain(with_exception(StatusCode::not_found, {{"exception", "not-leader"},
                                                                      {"leader-endpoint-host", "node-2"},
                                                                      {"leader-endpoint-port", "2114"}}),
                               Intent::write);
  EXPECT_EQ(failure.failure.code, FailureCode::unavailable);
  EXPECT_EQ(failure.leader, (Endpoint{"node-2", 2114}));
  EXPECT_TRUE(failure.reconnect);
  EXPECT_TRUE(failure.not_executed);
}

TEST(ExplainCall, NotLeaderWithoutAnEndpointStillReconnects) {
  const auto failure = explain(with_exception(StatusCode::not_found, {{"exception", "not-leader"}}), Intent::write);
  EXPECT_EQ(failure.leader, std::nullopt);
  EXPECT_TRUE(failure.reconnect);
}

TEST(ExplainCall, AConflictTellsTheActualRevision) {
  const auto conflict = [](std::map<std::string, std::string> trailers) {
    trailers["exception"] = "wrong-expected-version";
    return explain(with_exception(StatusCode::failed_precondition, std::move(trailers)), Intent::write).failure;
  };
  EXPECT_EQ(conflict({{"actual-version", "7"}}).code, FailureCode::wrong_expected_revision);
  EXPECT_EQ(conflict({{"actual-version", "7"}}).actual, 7u);
  EXPECT_EQ(conflict({{"actual-version", "-1"}}).actual, std::nullopt);
  EXPECT_EQ(conflict({{"actual-version", ""}}).actual, std::nullopt);
  EXPECT_EQ(conflict({}).actual, std::nullopt);
}

TEST(ExplainCall, NamedFailuresAreTold) {
  const auto code = [](StatusCode status, const std::string& name) {
    return explain(with_exception(status, {{"exception", name}}), Intent::write).failure.code;
  };
  EXPECT_EQ(code(StatusCode::failed_precondition, "stream-deleted"), FailureCode::stream_deleted);
  EXPECT_EQ(code(StatusCode::permission_denied, "access-denied"), FailureCode::rejected);
  EXPECT_EQ(code(StatusCode::not_found, "stream-not-found"), FailureCode::stream_not_found);
  EXPECT_EQ(code(StatusCode::invalid_argument, "maximum-append-size-exceeded"), FailureCode::rejected);
  EXPECT_EQ(code(StatusCode::invalid_argument, "maximum-append-event-size-exceeded"), FailureCode::rejected);
  EXPECT_EQ(code(StatusCode::invalid_argument, "missing-required-metadata-property"), FailureCode::rejected);
}

TEST(ExplainCall, ALostAnswerIsADoubtForWritesOnly) {
  for (const auto code : {StatusCode::unavailable, StatusCode::unknown, StatusCode::internal, StatusCode::aborted,
                          StatusCode::deadline_exceeded, StatusCode::cancelled, StatusCode::data_loss}) {
    const CallStatus status{code, "Socket closed", {}};
    EXPECT_EQ(explain(status, Intent::write).failure.code, FailureCode::unknown_outcome);
    EXPECT_FALSE(explain(status, Intent::write).not_executed);
    EXPECT_EQ(explain(status, Intent::read).failure.code, FailureCode::unavailable);
  }
}

TEST(ExplainCall, AConnectionThatNeverCameAboutLeavesNoDoubt) {
  const CallStatus status{StatusCode::unavailable, "failed to connect to all addresses; last error: refused", {}};
  EXPECT_EQ(explain(status, Intent::write).failure.code, FailureCode::unavailable);
  EXPECT_TRUE(explain(status, Intent::write).not_executed);
}

TEST(ExplainCall, OnlyBrokenConnectionsAreGivenUp) {
  for (const auto code : {StatusCode::unavailable, StatusCode::unknown, StatusCode::internal, StatusCode::cancelled,
                          StatusCode::data_loss}) {
    EXPECT_TRUE(explain({code, "", {}}, Intent::read).reconnect);
  }
  for (const auto code : {StatusCode::invalid_argument, StatusCode::permission_denied, StatusCode::aborted,
                          StatusCode::deadline_exceeded, StatusCode::unauthenticated}) {
    EXPECT_FALSE(explain({code, "", {}}, Intent::read).reconnect);
  }
}

TEST(ExplainCall, RefusalsSayWhatToDo) {
  EXPECT_NE(explain({StatusCode::unauthenticated, "", {}}, Intent::write).failure.reason.find("correct user"),
            std::string::npos);
  EXPECT_NE(explain({StatusCode::permission_denied, "", {}}, Intent::read).failure.reason.find("$admins"),
            std::string::npos);
  const auto size = explain(with_exception(StatusCode::invalid_argument, {{"exception", "maximum-append-size-exceeded"},
                                                                          {"maximum-append-size", "1048576"}}),
                            Intent::write);
  EXPECT_NE(size.failure.reason.find("1048576"), std::string::npos);
}

TEST(ExplainBatchError, EveryDetailIsTold) {
  const auto code = [](int status, const std::string& type) {
    return explain_batch_error(status, "text", "event_store.client." + type, "").code;
  };
  EXPECT_EQ(code(6, "WrongExpectedVersion"), FailureCode::wrong_expected_revision);
  EXPECT_EQ(code(5, "StreamDeleted"), FailureCode::stream_deleted);
  EXPECT_EQ(code(7, "AccessDenied"), FailureCode::rejected);
  EXPECT_EQ(code(4, "Timeout"), FailureCode::unknown_outcome);
  EXPECT_EQ(code(3, "MaximumAppendSizeExceeded"), FailureCode::rejected);
  EXPECT_EQ(code(3, "MaximumAppendEventSizeExceeded"), FailureCode::rejected);
  EXPECT_EQ(code(3, "BadRequest"), FailureCode::rejected);
  EXPECT_EQ(code(2, "Unknown"), FailureCode::unknown_outcome);
  EXPECT_EQ(code(9, "InvalidTransaction"), FailureCode::rejected);
  EXPECT_EQ(explain_batch_error(13, "boom", "google.protobuf.Empty", "").code, FailureCode::unknown_outcome);
  EXPECT_EQ(explain_batch_error(0, "Server Is Busy", "google.protobuf.Empty", "").code, FailureCode::unavailable);
}

TEST(ExplainBatchError, DetailsAreDecoded) {
  event_store::client::WrongExpectedVersion wrong;
  wrong.set_current_stream_revision(41);
  const auto bytes = wrong.SerializeAsString();
  EXPECT_EQ(explain_batch_error(6, "", "event_store.client.WrongExpectedVersion", bytes).actual, 41u);
  wrong.mutable_current_no_stream();
  const auto none = wrong.SerializeAsString();
  EXPECT_EQ(explain_batch_error(6, "", "event_store.client.WrongExpectedVersion", none).actual, std::nullopt);
  event_store::client::MaximumAppendSizeExceeded size;
  size.set_maxappendsize(99);
  const auto limit = size.SerializeAsString();
  const auto reason = explain_batch_error(3, "", "event_store.client.MaximumAppendSizeExceeded", limit).reason;
  EXPECT_NE(reason.find("99 bytes"), std::string::npos);
}

}  // namespace
}  // namespace twinstream::eventstore
