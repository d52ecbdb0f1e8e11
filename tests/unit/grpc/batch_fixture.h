#pragma once

#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {

using Chunk = streams::BatchAppendReq;
using BatchProposed = Chunk::ProposedMessage;

inline Chunk chunk(const EventId& id, int events, bool final) {
  Chunk message;
  message.mutable_correlation_id()->set_string(id.to_string());
  for (int i = 0; i < events; ++i) *message.add_proposed_messages() = proposed<BatchProposed>();
  message.set_is_final(final);
  return message;
}

/// The first chunk, which carries the options: any expectation.
inline Chunk opening(const EventId& id, const std::string& stream, int events, bool final) {
  Chunk message = chunk(id, events, final);
  message.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
  message.mutable_options()->mutable_any();
  return message;
}

/// One batch call, open for the whole test.
class DoorBatchAppend : public DoorTest {
 protected:
  ~DoorBatchAppend() override {
    context_.TryCancel();
    if (!ended_) call_->Finish();
  }

  void send(const Chunk& message) { ASSERT_TRUE(call_->Write(message)); }
  streams::BatchAppendResp receive() {
    streams::BatchAppendResp answer;
    EXPECT_TRUE(call_->Read(&answer));
    return answer;
  }
  streams::BatchAppendResp exchange(const Chunk& message) {
    send(message);
    return receive();
  }
  /// That the call still works and that no other answer came before.
  void expect_nothing_else() {
    const auto id = EventId::random();
    EXPECT_EQ(exchange(opening(id, "probe", 1, true)).correlation_id().string(), id.to_string());
  }

  /// By a chunk that the server refuses without asking the log.
  void end_a_call() {
    grpc::ClientContext context;
    const auto call = stub_->BatchAppend(&context);
    auto message = chunk(EventId::random(), 1, true);
    message.clear_correlation_id();
    ASSERT_TRUE(call->Write(message));
    streams::BatchAppendResp answer;
    EXPECT_FALSE(call->Read(&answer));
    EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::UNKNOWN);
  }

  bool ended_ = false;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Chunk, streams::BatchAppendResp>> call_ = stub_->BatchAppend(&context_);
};

}  // namespace twinstream
