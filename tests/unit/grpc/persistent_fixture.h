#pragma once

#include <algorithm>

#include "proxy/protocol/persistent.grpc.pb.h"
#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {

namespace groups = event_store::client::persistent_subscriptions;

/// What the Node clients send by default.
template <class Settings>
void default_settings(Settings& settings) {
  settings.set_message_timeout_ms(30'000);
  settings.set_max_retry_count(10);
  settings.set_checkpoint_after_ms(2'000);
  settings.set_min_checkpoint_count(10);
  settings.set_max_checkpoint_count(1'000);
  settings.set_live_buffer_size(500);
  settings.set_read_batch_size(20);
  settings.set_history_buffer_size(500);
  settings.set_named_consumer_strategy(Settings::default_instance().named_consumer_strategy());
}

/// A group on a stream from its first event on, in the old form that the Node clients use.
inline groups::CreateReq create_request(const std::string& stream, const std::string& group = "g") {
  groups::CreateReq request;
  auto& options = *request.mutable_options();
  options.mutable_stream_identifier()->set_stream_name(stream);
  options.set_group_name(group);
  default_settings(*options.mutable_settings());
  options.mutable_settings()->set_named_consumer_strategy(groups::CreateReq::RoundRobin);
  return request;
}

inline groups::CreateReq create_all_request(const std::string& group = "g") {
  auto request = create_request("", group);
  auto& options = *request.mutable_options();
  options.clear_stream_identifier();
  options.mutable_all()->mutable_start();
  options.mutable_all()->mutable_no_filter();
  return request;
}

/// Names a stream, or the whole log by `$all`.
template <class Options>
void name_group(Options& options, const std::string& source, const std::string& group = "g") {
  if (source == "$all") {
    options.mutable_all();
  } else {
    options.mutable_stream_identifier()->set_stream_name(source);
  }
  options.set_group_name(group);
}

/// The same settings as an update.
inline groups::UpdateReq update_request(const groups::CreateReq& created) {
  groups::UpdateReq request;
  auto& options = *request.mutable_options();
  if (created.options().has_all()) {
    options.mutable_all()->mutable_start();
  } else {
    *options.mutable_stream_identifier() = created.options().stream_identifier();
  }
  options.set_group_name(created.options().group_name());
  default_settings(*options.mutable_settings());
  options.mutable_settings()->set_named_consumer_strategy(groups::UpdateReq::RoundRobin);
  return request;
}

/// The door, with what a client of persistent subscriptions does.
class PersistentTest : public DoorTest {
 protected:
  using Stub = groups::PersistentSubscriptions::Stub;

  Stub& client() {
    if (client_channel_ != channel_) {
      client_channel_ = channel_;
      client_ = groups::PersistentSubscriptions::NewStub(channel_);
    }
    return *client_;
  }

  template <class Request, class Response>
  Ended call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
             Response& response) {
    grpc::ClientContext context;
    grpc::Status status = (client().*method)(&context, request, &response);
    return ended(std::move(status), context);
  }
  Ended create(const groups::CreateReq& request) {
    groups::CreateResp response;
    return call(&Stub::Create, request, response);
  }
  Ended update(const groups::UpdateReq& request) {
    groups::UpdateResp response;
    return call(&Stub::Update, request, response);
  }
  Ended remove_group(const std::string& source, const std::string& group = "g") {
    groups::DeleteReq request;
    groups::DeleteResp response;
    name_group(*request.mutable_options(), source, group);
    return call(&Stub::Delete, request, response);
  }
  Ended replay(const std::string& source, std::optional<std::int64_t> stop_at = {}) {
    groups::ReplayParkedReq request;
    groups::ReplayParkedResp response;
    name_group(*request.mutable_options(), source);
    if (stop_at) {
      request.mutable_options()->set_stop_at(*stop_at);
    } else {
      request.mutable_options()->mutable_no_limit();
    }
    return call(&Stub::ReplayParked, request, response);
  }
  groups::SubscriptionInfo info(const std::string& source, const std::string& group = "g") {
    groups::GetInfoReq request;
    groups::GetInfoResp response;
    name_group(*request.mutable_options(), source, group);
    const auto end = call(&Stub::GetInfo, request, response);
    EXPECT_TRUE(end.status.ok()) << end.status.error_message();
    return response.subscription_info();
  }
  /// Asks whenever something is committed to the log, and now and then besides, until the answer is yes.
  static bool comes_true(EventLog& log, const std::function<bool()>& wanted) {
    const auto commits = log.subscribe_all(Position::start());
    for (int i = 0; i < 1'000; ++i) {
      if (wanted()) return true;
      if (!contract::run(commits->next()).ok()) return false;
    }
    return false;
  }
  /// The group as soon as it stands as wanted.
  groups::SubscriptionInfo info_once(const std::string& source,
                                     const std::function<bool(const groups::SubscriptionInfo&)>& wanted) {
    groups::SubscriptionInfo found;
    EXPECT_TRUE(comes_true(*log_, [&] { return wanted(found = info(source)); })) << "it did not come to that";
    return found;
  }
  void parked_is(const std::string& source, int count) {
    info_once(source, [&](const auto& found) { return found.parked_message_count() == count; });
  }

  /// A consumer; goes away at the end of its scope.
  class Reading {
   public:
    Reading(Stub& stub, const std::string& source, const std::string& group, int buffer_size) {
      context_.AddMetadata("connection-name", "the-test");
      stream_ = stub.Read(&context_);
      groups::ReadReq request;
      auto& options = *request.mutable_options();
      name_group(options, source, group);
      options.set_buffer_size(buffer_size);
      options.mutable_uuid_option()->mutable_string();
      stream_->Write(request);
    }
    ~Reading() { leave(); }

    void leave() {
      if (ended_) return;
      context_.TryCancel();
      end();
    }
    std::optional<groups::ReadResp> next() {
      groups::ReadResp response;
      return stream_->Read(&response) ? std::optional(response) : std::nullopt;
    }
    std::string confirmation() {
      const auto first = next();
      return first && first->has_subscription_confirmation() ? first->subscription_confirmation().subscription_id()
                                                             : "(none)";
    }
    /// The next event; the confirmation is passed over.
    groups::ReadResp::ReadEvent event() {
      for (auto response = next(); response; response = next()) {
        if (response->has_event()) return response->event();
      }
      ADD_FAILURE() << "the call has ended";
      return {};
    }
    std::uint64_t revision() { return event().event().stream_revision(); }
    std::vector<std::uint64_t> revisions(int count) {
      std::vector<std::uint64_t> found;
      for (int i = 0; i < count; ++i) found.push_back(revision());
      return found;
    }

    static const std::string& id_of(const groups::ReadResp::ReadEvent& event) {
      return event.has_link() ? event.link().id().string() : event.event().id().string();
    }
    void ack(const std::vector<groups::ReadResp::ReadEvent>& events) {
      groups::ReadReq request;
      for (const auto& event : events) request.mutable_ack()->add_ids()->set_string(id_of(event));
      stream_->Write(request);
    }
    void nack(const groups::ReadResp::ReadEvent& event, groups::ReadReq::Nack::Action action, std::string reason = {}) {
      groups::ReadReq request;
      request.mutable_nack()->add_ids()->set_string(id_of(event));
      request.mutable_nack()->set_action(action);
      request.mutable_nack()->set_reason(std::move(reason));
      stream_->Write(request);
    }
    Ended end() {
      for (groups::ReadResp rest; stream_->Read(&rest);) continue;
      ended_ = true;
      grpc::Status status = stream_->Finish();
      return twinstream::ended(std::move(status), context_);
    }
    void half_close() { stream_->WritesDone(); }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReaderWriter<groups::ReadReq, groups::ReadResp>> stream_;
    bool ended_ = false;
  };

  std::unique_ptr<Reading> consume(const std::string& source, int buffer_size = 10, const std::string& group = "g") {
    return std::make_unique<Reading>(client(), source, group, buffer_size);
  }

  /// The server goes without a word, as after kill -9: what it has not written is lost.
  void crash() {
    // Nothing that the old server still wants to store may reach the directory: it is given a copy.
    const auto copy = directory_.path() / "crashed";
    std::filesystem::remove_all(copy);
    std::filesystem::create_directory(copy);
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.is_regular_file()) std::filesystem::copy(entry.path(), copy / entry.path().filename());
    }
    server_.reset();
    log_.reset();
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.is_regular_file()) std::filesystem::remove(entry.path());
    }
    for (const auto& entry : std::filesystem::directory_iterator(copy)) {
      std::filesystem::copy(entry.path(), directory_.path() / entry.path().filename());
    }
    start({});
  }

 private:
  std::shared_ptr<grpc::Channel> client_channel_;
  std::unique_ptr<Stub> client_;
};

}  // namespace twinstream
