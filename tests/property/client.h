#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/protocol/streams.grpc.pb.h"

// Blocking calls over a real connection, with answers as values.

namespace twinstream::property {

namespace wire = event_store::client;
namespace streams = event_store::client::streams;

struct WriteAnswer {
  enum class Kind { done, wrong_version, deleted, failed };

  Kind kind = Kind::failed;
  std::optional<std::uint64_t> actual;
  std::optional<std::uint64_t> revision;
  std::optional<std::uint64_t> position;
  std::string problem;  ///< of a failure, or of an answer that contradicts itself
};

struct SeenEvent {
  std::string stream;
  std::uint64_t revision = 0;
  std::string id;
  std::string type;
  std::string content_type;
  std::string data;
  std::string metadata;
  std::uint64_t position = 0;
};

struct SeenEntry {
  std::optional<SeenEvent> event;
  std::optional<SeenEvent> link;
};

struct ReadAnswer {
  enum class Kind { found, not_found, deleted, failed };

  Kind kind = Kind::found;
  std::vector<SeenEntry> entries;
  std::optional<std::uint64_t> first_position;
  std::optional<std::uint64_t> last_position;
  std::string problem;
};

/// A request for a finite read without filter, ids as text; the start is still to be set.
streams::ReadReq finite_read(bool forwards, std::uint64_t count);

class Client {
 public:
  explicit Client(const std::shared_ptr<grpc::Channel>& channel);
  ~Client();

  WriteAnswer append(const std::string& stream, ExpectedRevision expected, const std::vector<Event>& events);
  /// Over the one batch call of this client, in chunks of at most `chunk` events.
  WriteAnswer batch_append(const std::string& stream, ExpectedRevision expected, const std::vector<Event>& events,
                           std::size_t chunk);
  WriteAnswer soft_delete(const std::string& stream, ExpectedRevision expected);
  WriteAnswer tombstone(const std::string& stream, ExpectedRevision expected);
  ReadAnswer read(const streams::ReadReq& request);

 private:
  using BatchCall = grpc::ClientReaderWriter<streams::BatchAppendReq, streams::BatchAppendResp>;

  std::unique_ptr<streams::Streams::Stub> stub_;
  grpc::ClientContext batch_context_;
  std::unique_ptr<BatchCall> batch_;
};

}  // namespace twinstream::property
