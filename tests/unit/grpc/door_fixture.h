#pragma once

#include <grpcpp/grpcpp.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/grpc/server.h"
#include "proxy/protocol/streams.grpc.pb.h"
#include "tests/unit/embedded/embedded_fixture.h"

namespace twinstream {

namespace wire = event_store::client;
namespace streams = event_store::client::streams;
using Proposed = streams::AppendReq::ProposedMessage;

/// A call's end as a client sees it.
struct Ended {
  grpc::Status status;
  std::map<std::string, std::string> trailers;

  std::string trailer(const std::string& name) const {
    const auto found = trailers.find(name);
    return found == trailers.end() ? "(none)" : found->second;
  }
};

inline Ended ended(grpc::Status status, const grpc::ClientContext& context) {
  Ended end{std::move(status), {}};
  for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
    end.trailers[{name.data(), name.size()}] = {value.data(), value.size()};
  }
  return end;
}

template <class Message = Proposed>
Message proposed(std::string data = "{}", std::string type = "Tested", const EventId& id = EventId::random()) {
  Message message;
  message.mutable_id()->set_string(id.to_string());
  (*message.mutable_metadata())["type"] = std::move(type);
  (*message.mutable_metadata())["content-type"] = "application/json";
  message.set_data(std::move(data));
  return message;
}

inline std::vector<Proposed> several(int count) {
  std::vector<Proposed> events;
  for (int i = 0; i < count; ++i) events.push_back(proposed(std::to_string(i)));
  return events;
}

/// Sets the expectation of Append, Delete and Tombstone options.
template <class Options>
void expect(Options& options, ExpectedRevision expected) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any: options.mutable_any(); break;
    case ExpectedRevision::Kind::no_stream: options.mutable_no_stream(); break;
    case ExpectedRevision::Kind::stream_exists: options.mutable_stream_exists(); break;
    case ExpectedRevision::Kind::exact: options.set_revision(expected.revision); break;
  }
}

/// A finite stream read from the start with ids as text.
inline streams::ReadReq read_request(const std::string& stream) {
  streams::ReadReq request;
  auto& options = *request.mutable_options();
  options.mutable_stream()->mutable_stream_identifier()->set_stream_name(stream);
  options.mutable_stream()->mutable_start();
  options.set_count(1'000);
  options.mutable_no_filter();
  options.mutable_uuid_option()->mutable_string();
  return request;
}

inline streams::ReadReq backwards_request(const std::string& stream) {
  auto request = read_request(stream);
  request.mutable_options()->mutable_stream()->mutable_end();
  request.mutable_options()->set_read_direction(streams::ReadReq::Options::Backwards);
  return request;
}

inline streams::ReadReq all_request() {
  auto request = read_request("");
  request.mutable_options()->mutable_all()->mutable_start();
  return request;
}

inline streams::ReadReq subscription(streams::ReadReq request) {
  request.mutable_options()->mutable_subscription();
  return request;
}

/// The server over an embedded log, and a client over a real connection.
class DoorTest : public ::testing::Test {
 protected:
  struct AppendAnswer : Ended {
    streams::AppendResp response;
  };
  struct ReadAnswer : Ended {
    std::vector<streams::ReadResp> responses;

    std::vector<std::uint64_t> revisions() const {
      std::vector<std::uint64_t> found;
      for (const auto& response : responses) {
        if (response.has_event()) found.push_back(response.event().event().stream_revision());
      }
      return found;
    }
  };
  struct DeleteAnswer : Ended {
    std::optional<std::uint64_t> position;
  };

  DoorTest() { start({}); }
  ~DoorTest() override {
    server_.reset();
    work_.reset();
    context_.stop();
    for (auto& thread : threads_) thread.join();
  }

  void start(EmbeddedLogOptions options) {
    server_.reset();
    log_.reset();
    log_ = open_log(directory_.path(), options);
    auto server = EventStoreServer::start(*log_, context_.get_executor(), {});
    if (!server.ok()) throw std::runtime_error(server.failure().reason);
    server_ = std::move(*server);
    channel_ = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
    stub_ = streams::Streams::NewStub(channel_);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  AppendAnswer append(const streams::AppendReq::Options& options, const std::vector<Proposed>& events) {
    AppendAnswer answer;
    grpc::ClientContext context;
    auto writer = stub_->Append(&context, &answer.response);
    streams::AppendReq message;
    *message.mutable_options() = options;
    writer->Write(message);
    for (const auto& event : events) {
      *message.mutable_proposed_message() = event;
      writer->Write(message);
    }
    writer->WritesDone();
    grpc::Status status = writer->Finish();
    static_cast<Ended&>(answer) = ended(std::move(status), context);
    return answer;
  }

  AppendAnswer append(const std::string& stream, ExpectedRevision expected, const std::vector<Proposed>& events) {
    streams::AppendReq::Options options;
    options.mutable_stream_identifier()->set_stream_name(stream);
    expect(options, expected);
    return append(options, events);
  }

  /// Appends and answers the position of the last event.
  std::uint64_t write(const std::string& stream, int count) {
    const auto answer = append(stream, ExpectedRevision::any(), several(count));
    EXPECT_TRUE(answer.response.has_success()) << answer.status.error_message();
    return answer.response.success().position().commit_position();
  }

  void write_metadata(const std::string& stream, std::string json) {
    EXPECT_TRUE(append("$$" + stream, ExpectedRevision::any(), {proposed(std::move(json), "$metadata")}).status.ok());
  }

  ReadAnswer read(const streams::ReadReq& request) {
    ReadAnswer answer;
    grpc::ClientContext context;
    auto reader = stub_->Read(&context, request);
    for (streams::ReadResp response; reader->Read(&response);) answer.responses.push_back(response);
    grpc::Status status = reader->Finish();
    static_cast<Ended&>(answer) = ended(std::move(status), context);
    return answer;
  }

  DeleteAnswer soft_delete(const std::string& stream, ExpectedRevision expected = {}) {
    return remove<streams::DeleteReq, streams::DeleteResp>(stream, expected, &streams::Streams::Stub::Delete);
  }

  DeleteAnswer tombstone(const std::string& stream, ExpectedRevision expected = {}) {
    return remove<streams::TombstoneReq, streams::TombstoneResp>(stream, expected, &streams::Streams::Stub::Tombstone);
  }

  /// A running subscription; cancelled at the end of its scope.
  class Running {
   public:
    Running(streams::Streams::Stub& stub, const streams::ReadReq& request) : reader_(stub.Read(&context_, request)) {}
    ~Running() {
      context_.TryCancel();
      for (streams::ReadResp rest; reader_->Read(&rest);) continue;
      if (!ended_) reader_->Finish();
    }
    std::optional<streams::ReadResp> next() {
      streams::ReadResp response;
      return reader_->Read(&response) ? std::optional(response) : std::nullopt;
    }
    /// The next response that is an event; others are kept in `others`.
    std::uint64_t next_revision() {
      for (auto response = next(); response; response = next()) {
        if (response->has_event()) return response->event().event().stream_revision();
        others.push_back(*response);
      }
      return ~0ull;
    }
    Ended end() {
      for (streams::ReadResp rest; reader_->Read(&rest);) others.push_back(rest);
      ended_ = true;
      grpc::Status status = reader_->Finish();
      return ended(std::move(status), context_);
    }

    std::vector<streams::ReadResp> others;

   private:
    static Ended ended(grpc::Status status, const grpc::ClientContext& context) {
      return twinstream::ended(std::move(status), context);
    }
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<streams::ReadResp>> reader_;
    bool ended_ = false;
  };

  std::unique_ptr<Running> subscribe(const streams::ReadReq& request) {
    return std::make_unique<Running>(*stub_, subscription(request));
  }

  TemporaryDirectory directory_;
  boost::asio::io_context context_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_{
      context_.get_executor()};
  std::vector<std::thread> threads_ = [this] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([this] { context_.run(); });
    return threads;
  }();
  std::unique_ptr<EmbeddedLog> log_;
  std::unique_ptr<EventStoreServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<streams::Streams::Stub> stub_;

 private:
  template <class Request, class Response>
  DeleteAnswer remove(const std::string& stream, ExpectedRevision expected,
                      grpc::Status (streams::Streams::Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
    Request request;
    request.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
    expect(*request.mutable_options(), expected);
    Response response;
    grpc::ClientContext context;
    DeleteAnswer answer;
    grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    static_cast<Ended&>(answer) = ended(std::move(status), context);
    if (response.has_position()) answer.position = response.position().commit_position();
    return answer;
  }
};

}  // namespace twinstream
