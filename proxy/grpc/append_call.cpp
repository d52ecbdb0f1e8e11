#include <grpcpp/grpcpp.h>

#include "proxy/grpc/calls.h"
#include "proxy/grpc/messages.h"

namespace twinstream::door {
namespace {

/// Metadata and types do not count towards the limit of an append, but must not be without any.
constexpr std::size_t overhead_limit = 64 * 1024 * 1024;

void fill_conflict(streams::AppendResp::WrongExpectedVersion& conflict, ExpectedRevision expected,
                   std::optional<std::uint64_t> actual) {
  if (actual) {
    conflict.set_current_revision(*actual);
    conflict.set_current_revision_20_6_0(*actual);
  } else {
    conflict.mutable_current_no_stream();
    conflict.mutable_no_stream_20_6_0();
  }
  switch (expected.kind) {
    case ExpectedRevision::Kind::any:
      conflict.mutable_expected_any();
      conflict.mutable_any_20_6_0();
      break;
    case ExpectedRevision::Kind::no_stream:
      conflict.mutable_expected_no_stream();
      conflict.set_expected_revision_20_6_0(wire_minus_one);
      break;
    case ExpectedRevision::Kind::stream_exists:
      conflict.mutable_expected_stream_exists();
      conflict.mutable_stream_exists_20_6_0();
      break;
    case ExpectedRevision::Kind::exact:
      conflict.set_expected_revision(expected.revision);
      conflict.set_expected_revision_20_6_0(expected.revision);
      break;
  }
}

void fill_success(streams::AppendResp::Success& success, const Appended& appended) {
  if (appended.revision) {
    success.set_current_revision(*appended.revision);
  } else {
    success.mutable_no_stream();
  }
  if (appended.position == Position::start()) {
    success.mutable_no_position();
  } else {
    success.mutable_position()->set_commit_position(appended.position.commit);
    success.mutable_position()->set_prepare_position(appended.position.prepare);
  }
}

/// Collects the events until the client has sent the last one, then writes.
class AppendCall final : public grpc::ServerReadReactor<streams::AppendReq> {
 public:
  AppendCall(Door& door, grpc::CallbackServerContext* context, streams::AppendResp* response)
      : door_(door), context_(context), response_(response) {
    StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return end_of_requests();
    const CallStatus status = take_message();
    if (!status.ok()) return end(status);
    StartRead(&message_);
  }

  /// A broken connection ends the requests just like the client's half-close does. Sending tells them apart: on a
  /// broken call it fails. Without that, half an append might be written.
  void OnSendInitialMetadataDone(bool ok) override {
    if (!ok) return end({StatusCode::cancelled, "the caller has gone", {}});
    door_.tasks.spawn(door_.executor, write(this));
  }

  void OnDone() override { delete this; }

 private:
  void end(const CallStatus& status) { Finish(finish_with(status, context_)); }

  void end_of_requests() {
    if (!has_options_) return end(unknown("the options are missing"));
    StartSendInitialMetadata();
  }

  CallStatus take_message() {
    if (message_.has_options()) return take_options();
    if (!message_.has_proposed_message() || !has_options_) return unknown("the options are missing");
    const std::size_t size = message_.ByteSizeLong();
    auto event = take_event(*message_.mutable_proposed_message());
    if (auto* status = std::get_if<CallStatus>(&event)) return std::move(*status);
    request_.events.push_back(std::move(std::get<Event>(event)));
    data_bytes_ += request_.events.back().data.size();
    all_bytes_ += size + sizeof(Event);
    const std::size_t limit = door_.log.traits().max_append_bytes;
    const bool too_large = exceeds(data_bytes_, door_.log) || all_bytes_ > limit + overhead_limit;
    return too_large ? append_too_large(limit) : CallStatus{};
  }

  CallStatus take_options() {
    if (has_options_) return unknown("the options were sent twice");
    request_.stream = stream_name(message_.options().stream_identifier());
    if (request_.stream.empty() || request_.stream == "$$") return unknown("the stream has no name");
    const auto expected = parse_expectation(message_.options());
    if (const auto* status = std::get_if<CallStatus>(&expected)) return *status;
    request_.expected = std::get<ExpectedRevision>(expected);
    has_options_ = true;
    return {};
  }

  static Awaitable<void> write(AppendCall* call) {
    const std::string stream = call->request_.stream;
    const Caller caller = caller_of(call->door_, *call->context_);
    const auto elsewhere = check(call->door_.node, caller, Intent::write);
    if (!elsewhere.ok()) co_return call->end(elsewhere);
    const auto refusal = co_await check(call->door_.log, caller, StreamRight::write, stream);
    if (!refusal.ok()) co_return call->end(refusal);
    const ExpectedRevision expected = call->request_.expected;
    const bool too_large = is_too_large(call->request_, call->door_.log);
    const auto answer = co_await call->door_.log.append(std::move(call->request_));
    if (answer.ok()) {
      fill_success(*call->response_->mutable_success(), *answer);
      co_return call->end({});
    }
    const Failure& failure = answer.failure();
    if (failure.code == FailureCode::wrong_expected_revision) {
      fill_conflict(*call->response_->mutable_wrong_expected_version(), expected, failure.actual);
      co_return call->end({});
    }
    const bool for_size = failure.code == FailureCode::rejected && too_large;
    call->end(for_size ? append_too_large(call->door_.log.traits().max_append_bytes) : from_failure(failure, stream));
  }

  Door& door_;
  grpc::CallbackServerContext* context_;
  streams::AppendResp* response_;
  streams::AppendReq message_;
  AppendRequest request_;
  bool has_options_ = false;
  std::size_t data_bytes_ = 0;
  std::size_t all_bytes_ = 0;
};

}  // namespace

grpc::ServerReadReactor<streams::AppendReq>* start_append(Door& door, grpc::CallbackServerContext* context,
                                                          streams::AppendResp* response) {
  return new AppendCall(door, context, response);
}

}  // namespace twinstream::door
