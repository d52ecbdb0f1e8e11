#include <grpcpp/grpcpp.h>

#include <unordered_set>

#include "proxy/grpc/calls.h"
#include "proxy/grpc/session_errors.h"
#include "proxy/grpc/session_records.h"

namespace twinstream::door {
namespace {

constexpr std::size_t largest_record = 16 * 1024 * 1024;
constexpr std::size_t most_streams = 10'000;

/// Names are compared without regard to the case of ASCII letters.
std::string folded(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

/// Collects the streams until the client has sent the last one, then writes all of them at once.
class AppendSessionCall final : public grpc::ServerReadReactor<v2::AppendRequest> {
 public:
  AppendSessionCall(Door& door, grpc::CallbackServerContext* context, v2::AppendSessionResponse* response)
      : door_(door), context_(context), response_(response) {
    StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (!ok && requests_.empty()) return end(no_requests());
    // Sending tells the client's half-close from a broken connection, on which it fails (as in AppendCall).
    if (!ok) return StartSendInitialMetadata();
    const CallStatus status = take_message();
    if (!status.ok()) return end(status);
    StartRead(&message_);
  }

  void OnSendInitialMetadataDone(bool ok) override {
    if (!ok) return end({StatusCode::cancelled, "the caller has gone", {}});
    door_.tasks.spawn(door_.executor, write(this));
  }

  void OnDone() override { delete this; }

 private:
  void end(const CallStatus& status) { Finish(finish_with(status, context_)); }

  CallStatus take_message() {
    std::vector<std::size_t> sizes;
    for (const auto& record : message_.records()) sizes.push_back(counted_size(record));
    auto taken = take_session_request(message_);
    if (auto* refused = std::get_if<CallStatus>(&taken)) return std::move(*refused);
    AppendRequest& request = std::get<AppendRequest>(taken);
    if (!streams_.insert(folded(request.stream)).second) return already_in_session(request.stream);
    if (requests_.size() == most_streams) return bad_request("requests", "a session may have 10000 streams");
    const std::size_t limit = door_.log.traits().max_append_bytes;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const std::size_t most = std::min(limit, largest_record);
      if (sizes[i] > most) return record_too_large(request.stream, request.events[i].id, sizes[i], most);
      bytes_ += sizes[i];
    }
    if (bytes_ > limit) return transaction_too_large(bytes_, limit);
    requests_.push_back(std::move(request));
    return {};
  }

  static Awaitable<void> write(AppendSessionCall* call) {
    std::vector<std::string> streams;
    std::vector<ExpectedRevision> expected;
    const auto elsewhere = check_leads_v2(call->door_.node);
    if (!elsewhere.ok()) co_return call->end(elsewhere);
    const Caller caller = caller_of(call->door_, *call->context_);
    for (const auto& request : call->requests_) {
      const auto refusal = co_await check_with_details(call->door_.log, caller, StreamRight::write, request.stream);
      if (!refusal.ok()) co_return call->end(refusal);
      streams.push_back(request.stream);
      expected.push_back(request.expected);
    }
    const auto answers = co_await call->door_.log.append_together(std::move(call->requests_));
    if (!answers.ok()) co_return call->end(session_failure(answers.failure(), streams, expected));
    Position last;
    for (std::size_t i = 0; i < answers->size(); ++i) {
      auto& output = *call->response_->add_output();
      output.set_stream(streams[i]);
      output.set_stream_revision(static_cast<std::int64_t>((*answers)[i].revision.value_or(0)));
      last = std::max(last, (*answers)[i].position);
    }
    call->response_->set_position(static_cast<std::int64_t>(last.commit));
    call->end({});
  }

  Door& door_;
  grpc::CallbackServerContext* context_;
  v2::AppendSessionResponse* response_;
  v2::AppendRequest message_;
  std::unordered_set<std::string> streams_;
  std::vector<AppendRequest> requests_;
  std::size_t bytes_ = 0;
};

}  // namespace

grpc::ServerReadReactor<v2::AppendRequest>* start_append_session(Door& door, grpc::CallbackServerContext* context,
                                                                 v2::AppendSessionResponse* response) {
  return new AppendSessionCall(door, context, response);
}

}  // namespace twinstream::door
