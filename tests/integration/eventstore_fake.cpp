#include "tests/integration/eventstore_fake.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <set>

#include "proxy/protocol/gossip.grpc.pb.h"
#include "proxy/protocol/server_features.grpc.pb.h"
#include "proxy/protocol/streams.grpc.pb.h"
#include "tests/integration/eventstore_fake_wire.h"

namespace twinstream::testing {
namespace {

namespace proto = event_store::client;
using namespace event_store::client::streams;
using grpc::ServerContext;
using grpc::Status;

Status status_of(ServerContext& context, const Reaction& reaction) {
  for (const auto& [key, value] : reaction.trailers) context.AddTrailingMetadata(key, value);
  return {static_cast<grpc::StatusCode>(reaction.code), reaction.message};
}

}  // namespace

Reaction Reaction::not_leader(std::string host, int port) {
  return {.kind = Kind::end_call,
          .store = false,
          .code = 5,
          .message = "not leader",
          .trailers = {{"exception", "not-leader"},
                       {"leader-endpoint-host", std::move(host)},
                       {"leader-endpoint-port", std::to_string(port)}}};
}

class FakeEventStore::Services final : public Streams::Service,
                                       public proto::gossip::Gossip::Service,
                                       public proto::server_features::ServerFeatures::Service {
 public:
  Services(FakeEventStore& owner, FakeOptions options) : owner_(owner), options_(std::move(options)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(options_.port), credentials(), &port_);
    builder.SetMaxReceiveMessageSize(17 * 1024 * 1024);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.calls_at_once);
    builder.RegisterService(static_cast<Streams::Service*>(this));
    builder.RegisterService(static_cast<proto::gossip::Gossip::Service*>(this));
    builder.RegisterService(static_cast<proto::server_features::ServerFeatures::Service*>(this));
    server_ = builder.BuildAndStart();
    members_ = {FakeMember{.port = port_}};
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      held_.clear();
      changed_.notify_all();
    }
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  // ServerFeatures and Gossip.

  Status GetSupportedMethods(ServerContext* context, const proto::Empty*,
                             proto::server_features::SupportedMethods* answer) override {
    if (const auto reaction = begin(*context, "GetSupportedMethods"); reaction.code)
      return status_of(*context, reaction);
    answer->set_event_store_server_version(options_.version);
    if (!options_.batch_append) return Status::OK;
    auto& method = *answer->add_methods();
    method.set_service_name("event_store.client.streams.streams");
    method.set_method_name("batchappend");
    if (options_.deadline_duration) method.add_features("deadline_duration");
    return Status::OK;
  }

  Status Read(ServerContext* context, const proto::Empty*, proto::gossip::ClusterInfo* answer) override {
    if (const auto reaction = begin(*context, "Gossip"); reaction.code) return status_of(*context, reaction);
    const std::lock_guard lock(mutex_);
    for (const FakeMember& member : members_) {
      auto& info = *answer->add_members();
      info.set_state(static_cast<proto::gossip::MemberInfo::VNodeState>(member.state));
      info.set_is_alive(member.alive);
      info.mutable_http_end_point()->set_address(member.host);
      info.mutable_http_end_point()->set_port(static_cast<std::uint32_t>(member.port));
    }
    return Status::OK;
  }

  // Streams.

  Status BatchAppend(ServerContext* context,
                     grpc::ServerReaderWriter<BatchAppendResp, BatchAppendReq>* stream) override {
    const auto begun = begin(*context, "BatchAppend");
    if (begun.code) return status_of(*context, begun);
    const std::size_t call = count("BatchAppend");
    const Open open(*this, stream);
    std::map<std::string, SeenAppend> incomplete;
    BatchAppendReq chunk;
    while (stream->Read(&chunk)) {
      SeenAppend& append = incomplete[chunk.correlation_id().SerializeAsString()];
      add_chunk(chunk, append);
      append.call = call;
      if (!chunk.is_final()) continue;
      const Reaction reaction = react(append);
      BatchAppendResp answer = batch_answer(append, reaction);
      *answer.mutable_correlation_id() = chunk.correlation_id();
      incomplete.erase(chunk.correlation_id().SerializeAsString());
      if (reaction.kind == Reaction::Kind::end_call) return status_of(*context, reaction);
      if (reaction.kind == Reaction::Kind::hold) {
        hold(stream, answer);
      } else {
        send(stream, answer);
      }
    }
    return Status::OK;
  }

  Status Append(ServerContext* context, grpc::ServerReader<AppendReq>* stream, AppendResp* answer) override {
    if (const auto reaction = begin(*context, "Append"); reaction.code) return status_of(*context, reaction);
    SeenAppend append;
    append.own_call = true;
    AppendReq message;
    while (stream->Read(&message)) {
      add_message(message, append);
    }
    const Reaction reaction = react(append);
    const auto result = reaction.store ? store(append) : Result<Appended>(Appended{});
    if (reaction.kind == Reaction::Kind::end_call) return status_of(*context, reaction);
    if (!result) {
      auto& wrong = *answer->mutable_wrong_expected_version();
      if (result.failure().actual) wrong.set_current_revision(*result.failure().actual);
      return Status::OK;
    }
    answer->mutable_success()->set_current_revision(*result->revision);
    answer->mutable_success()->mutable_position()->set_commit_position(result->position.commit);
    answer->mutable_success()->mutable_position()->set_prepare_position(result->position.prepare);
    return Status::OK;
  }

  Status Delete(ServerContext* context, const DeleteReq*, DeleteResp* answer) override {
    if (const auto reaction = begin(*context, "Delete"); reaction.code) return status_of(*context, reaction);
    answer->mutable_position()->set_commit_position(77);
    answer->mutable_position()->set_prepare_position(77);
    return Status::OK;
  }

  Status Read(ServerContext* context, const ReadReq* request, grpc::ServerWriter<ReadResp>* stream) override {
    const bool subscription = request->options().has_subscription();
    const auto reaction = begin(*context, subscription ? "Subscribe" : "Read");
    if (reaction.code) return status_of(*context, reaction);
    return subscription ? subscribe(*context, *request, *stream) : read(*request, *stream);
  }

  // The store.

  Result<Appended> store(const SeenAppend& append) {
    const std::lock_guard lock(mutex_);
    auto& events = streams_[append.stream];
    const std::optional<std::uint64_t> head =
        events.empty() ? std::nullopt : std::optional<std::uint64_t>(events.size() - 1);
    const Failure wrong{FailureCode::wrong_expected_revision, "wrong", head};
    const auto kind = append.expected.kind;
    using Kind = ExpectedRevision::Kind;
    if (kind == Kind::stream_exists && !head) return wrong;
    if (kind == Kind::exact || kind == Kind::no_stream) {
      const std::size_t next = kind == Kind::exact ? append.expected.revision + 1 : 0;
      if (next > events.size()) return wrong;
      if (next < events.size()) {
        if (!append.events.empty() && same_ids(append, next)) return last_of(events[next + append.events.size() - 1]);
        return wrong;
      }
    }
    for (const Event& event : append.events) add(append.stream, event);
    if (events.empty()) return Appended{};
    return last_of(events.back());
  }

  void write(const std::string& stream, const Event& event) {
    const std::lock_guard lock(mutex_);
    add(stream, event);
  }

  bool release() {
    std::function<void()> answer;
    {
      const std::lock_guard lock(mutex_);
      if (held_.empty()) return false;
      answer = std::move(held_.front());
      held_.pop_front();
    }
    answer();
    return true;
  }

  void break_subscriptions(int code) {
    const std::lock_guard lock(mutex_);
    ++breaks_;
    break_code_ = code;
    changed_.notify_all();
  }

  std::size_t count(const std::string& method) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count(methods_.begin(), methods_.end(), method));
  }

  FakeEventStore& owner_;
  const FakeOptions options_;
  int port_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool stopped_ = false;
  std::vector<FakeMember> members_;
  std::vector<SeenAppend> appends_;
  std::vector<std::string> methods_;
  std::map<std::string, Headers> headers_;
  std::map<std::string, std::vector<RecordedEvent>> streams_;
  std::vector<RecordedEvent> all_;
  std::deque<std::function<void()>> held_;
  std::size_t events_sent_ = 0;
  int breaks_ = 0;
  int break_code_ = 0;

 private:
  using BatchStream = grpc::ServerReaderWriter<BatchAppendResp, BatchAppendReq>;

  std::shared_ptr<grpc::ServerCredentials> credentials() const {
    if (!options_.tls) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions ssl;
    ssl.pem_key_cert_pairs.push_back({options_.tls->key, options_.tls->certificate});
    if (!options_.tls->client_authority.empty()) {
      ssl.pem_root_certs = options_.tls->client_authority;
      ssl.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    }
    return grpc::SslServerCredentials(ssl);
  }

  Reaction begin(ServerContext& context, const std::string& method) {
    {
      const std::lock_guard lock(mutex_);
      methods_.push_back(method);
      Headers headers;
      for (const auto& [key, value] : context.client_metadata()) {
        headers.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
      }
      headers_[method] = std::move(headers);
      changed_.notify_all();
    }
    return owner_.on_call(method);
  }

  Reaction react(const SeenAppend& append) {
    {
      const std::lock_guard lock(mutex_);
      appends_.push_back(append);
      changed_.notify_all();
    }
    return owner_.on_append(append);
  }

  BatchAppendResp batch_answer(const SeenAppend& append, const Reaction& reaction) {
    BatchAppendResp answer;
    answer.mutable_stream_identifier()->set_stream_name(append.stream);
    if (reaction.kind == Reaction::Kind::answer_error) {
      set_error(answer, reaction.code, reaction.message, reaction.detail_type, reaction.detail_bytes);
      return answer;
    }
    const auto result = reaction.store ? store(append) : Result<Appended>(Appended{});
    if (!result) {
      proto::WrongExpectedVersion wrong;
      if (result.failure().actual) wrong.set_current_stream_revision(*result.failure().actual);
      set_error(answer, 6, "WrongExpectedVersion", "WrongExpectedVersion", wrong.SerializeAsString());
    } else if (result->revision) {
      answer.mutable_success()->set_current_revision(*result->revision);
      answer.mutable_success()->mutable_position()->set_commit_position(result->position.commit);
      answer.mutable_success()->mutable_position()->set_prepare_position(result->position.prepare);
    } else {
      answer.mutable_success()->mutable_no_stream();
      answer.mutable_success()->mutable_no_position();
    }
    return answer;
  }

  /// A batch call that can be answered.
  class Open {
   public:
    Open(Services& services, BatchStream* stream) : services_(services), stream_(stream) {
      const std::lock_guard lock(services_.sending_);
      services_.open_.insert(stream_);
    }
    ~Open() {
      const std::lock_guard lock(services_.sending_);
      services_.open_.erase(stream_);
    }

   private:
    Services& services_;
    BatchStream* stream_;
  };

  void send(BatchStream* stream, const BatchAppendResp& answer) {
    const std::lock_guard lock(sending_);
    if (open_.contains(stream)) stream->Write(answer);
  }

  void hold(BatchStream* stream, const BatchAppendResp& answer) {
    const std::lock_guard lock(mutex_);
    held_.emplace_back([this, stream, answer] { send(stream, answer); });
    changed_.notify_all();
  }

  bool same_ids(const SeenAppend& append, std::size_t from) {
    const auto& events = streams_[append.stream];
    for (std::size_t i = 0; i < append.events.size(); ++i) {
      if (from + i >= events.size() || events[from + i].event.id != append.events[i].id) return false;
    }
    return true;
  }

  static Result<Appended> last_of(const RecordedEvent& recorded) {
    return Appended{recorded.revision, recorded.position, false, MirrorState::none};
  }

  void add(const std::string& stream, const Event& event) {
    auto& events = streams_[stream];
    const std::uint64_t position = 100 * (all_.size() + 1);
    events.push_back({stream, events.size(), {position, position}, event});
    all_.push_back(events.back());
    changed_.notify_all();
  }

  Status read(const ReadReq& request, grpc::ServerWriter<ReadResp>& stream) {
    const auto& options = request.options();
    if (!options.has_no_filter() || !options.has_uuid_option()) return {grpc::StatusCode::INVALID_ARGUMENT, "options"};
    std::vector<RecordedEvent> events;
    std::optional<std::uint64_t> last;
    {
      const std::lock_guard lock(mutex_);
      events = options.has_all() ? all_ : streams_[options.stream().stream_identifier().stream_name()];
    }
    if (options.has_stream() && events.empty()) {
      ReadResp missing;
      missing.mutable_stream_not_found();
      stream.Write(missing);
      return Status::OK;
    }
    if (options.has_stream()) last = events.size() - 1;
    if (options.read_direction() == ReadReq::Options::Backwards) std::reverse(events.begin(), events.end());
    std::erase_if(events, [&](const RecordedEvent& event) { return !in_range(options, event); });
    if (events.size() > options.count()) events.resize(options.count());
    for (const RecordedEvent& event : events) stream.Write(message_of(event));
    if (last && options.control_option().compatibility() >= 1) {
      ReadResp end;
      end.set_last_stream_position(*last);
      stream.Write(end);
    }
    return Status::OK;
  }

  Status subscribe(ServerContext& context, const ReadReq& request, grpc::ServerWriter<ReadResp>& stream) {
    const auto& options = request.options();
    ReadResp message;
    message.mutable_confirmation()->set_subscription_id("1");
    stream.Write(message);
    std::unique_lock lock(mutex_);
    const int breaks = breaks_;
    std::size_t next = 0;
    bool told = false;
    while (!stopped_ && breaks == breaks_ && !context.IsCancelled()) {
      if (next < all_.size()) {
        const RecordedEvent event = all_[next++];
        if (!subscribed(options, event)) continue;
        lock.unlock();
        const bool sent = stream.Write(message_of(event));
        lock.lock();
        if (!sent) return Status::OK;
        ++events_sent_;
        continue;
      }
      if (!std::exchange(told, true) && options_.caught_up) {
        message.mutable_caught_up();
        stream.Write(message);
      }
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    return {static_cast<grpc::StatusCode>(break_code_), "broken by the test"};
  }

  std::mutex sending_;
  std::set<BatchStream*> open_;
  std::unique_ptr<grpc::Server> server_;
};

FakeEventStore::FakeEventStore(FakeOptions options)
    : services_(std::make_unique<Services>(*this, std::move(options))) {}

FakeEventStore::~FakeEventStore() { stop(); }

int FakeEventStore::port() const { return services_->port_; }

std::string FakeEventStore::url(const std::string& query) const {
  return "esdb://127.0.0.1:" + std::to_string(port()) + "?" + query;
}

void FakeEventStore::stop() { services_->stop(); }

void FakeEventStore::set_members(std::vector<FakeMember> members) {
  const std::lock_guard lock(services_->mutex_);
  services_->members_ = std::move(members);
}

bool FakeEventStore::release() { return services_->release(); }

void FakeEventStore::break_subscriptions(int code) { services_->break_subscriptions(code); }

std::vector<SeenAppend> FakeEventStore::appends() const {
  const std::lock_guard lock(services_->mutex_);
  return services_->appends_;
}

std::vector<std::string> FakeEventStore::methods() const {
  const std::lock_guard lock(services_->mutex_);
  return services_->methods_;
}

std::size_t FakeEventStore::count(const std::string& method) const { return services_->count(method); }

Headers FakeEventStore::headers_of(const std::string& method) const {
  const std::lock_guard lock(services_->mutex_);
  return services_->headers_[method];
}

std::vector<RecordedEvent> FakeEventStore::stored(const std::string& stream) const {
  const std::lock_guard lock(services_->mutex_);
  return services_->streams_[stream];
}

std::size_t FakeEventStore::events_sent() const {
  const std::lock_guard lock(services_->mutex_);
  return services_->events_sent_;
}

bool FakeEventStore::wait_until(const std::function<bool()>& condition) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::unique_lock lock(services_->mutex_);
    services_->changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
  return true;
}

void FakeEventStore::write(const std::string& stream, const std::string& type, std::size_t bytes) {
  services_->write(stream, {EventId::random(), type, std::string(bytes, 'x'), {}, ContentType::json, {}});
}

}  // namespace twinstream::testing
