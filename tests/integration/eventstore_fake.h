#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/core/event_log.h"

// An EventStore server whose misbehaviour is written in the test. It stores what it is told to, with the expectations
// and the idempotency of the protocol for exact and no_stream, and everything it was asked can be looked at.

namespace twinstream::testing {

/// A request to append, put together from its chunks (or from the messages of an Append call).
struct SeenAppend {
  std::string stream;
  ExpectedRevision expected;
  std::vector<Event> events;
  std::size_t chunks = 0;
  std::size_t largest_chunk = 0;  ///< bytes
  bool relative_deadline = false;
  std::chrono::milliseconds time_left{0};
  bool own_call = false;  ///< by Append, not BatchAppend
  std::size_t call = 0;   ///< number of the call it came in
};

/// What the server does with an append.
struct Reaction {
  enum class Kind { normal, hold, end_call, answer_error };

  Kind kind = Kind::normal;
  bool store = true;  ///< write it first (for end_call)
  int code = 0;       ///< of the status that ends the call, or of the error in the answer
  std::string message{};
  std::map<std::string, std::string> trailers{};
  std::string detail_type{};   ///< for answer_error: `WrongExpectedVersion`
  std::string detail_bytes{};  ///< the encoded message

  static Reaction normal() { return {}; }
  /// The answer waits for `release`.
  static Reaction hold() { return {.kind = Kind::hold}; }
  static Reaction lose_answer() { return {.kind = Kind::end_call, .store = true, .code = 14, .message = "gone"}; }
  static Reaction lose_request() { return {.kind = Kind::end_call, .store = false, .code = 14, .message = "gone"}; }
  static Reaction not_leader(std::string host, int port);
};

struct FakeMember {
  std::string host = "127.0.0.1";
  int port = 0;
  int state = 8;  ///< VNodeState: 8 leader, 6 follower
  bool alive = true;
};

/// PEM texts.
struct FakeTls {
  std::string certificate;
  std::string key;
  std::string client_authority;  ///< set: clients must show a certificate of it
};

struct FakeOptions {
  bool batch_append = true;
  bool deadline_duration = true;
  std::string version = "23.10.8";
  bool caught_up = true;  ///< tells subscribers that they are
  std::optional<FakeTls> tls{};
  int port = 0;                ///< 0: a free one
  int calls_at_once = 10'000;  ///< on a connection; the others have to wait
};

using Headers = std::multimap<std::string, std::string>;

class FakeEventStore {
 public:
  explicit FakeEventStore(FakeOptions options = {});
  ~FakeEventStore();

  int port() const;
  std::string url(const std::string& query = "tls=false") const;
  /// Ends every call and refuses connections from now on.
  void stop();

  // The script. Set before the requests it is about; the functions run on the server's threads.
  std::function<Reaction(const SeenAppend&)> on_append = [](const SeenAppend&) { return Reaction::normal(); };
  /// The status of reads, deletions and features before they do anything; code 0: as usual.
  std::function<Reaction(const std::string& method)> on_call = [](const std::string&) { return Reaction::normal(); };
  void set_members(std::vector<FakeMember> members);

  /// Sends the oldest answer held; false when none is.
  bool release();
  /// Ends every subscription with this status code.
  void break_subscriptions(int code);

  // What happened.
  std::vector<SeenAppend> appends() const;
  std::vector<std::string> methods() const;  ///< of all calls, in the order of their beginning
  std::size_t count(const std::string& method) const;
  Headers headers_of(const std::string& method) const;  ///< of the last call
  std::vector<RecordedEvent> stored(const std::string& stream) const;
  std::size_t events_sent() const;  ///< in subscriptions
  /// Waits, at most half a minute, until it holds; for what a test makes happen but cannot await.
  bool wait_until(const std::function<bool()>& condition) const;

  void write(const std::string& stream, const std::string& type = "Written", std::size_t bytes = 10);

 private:
  class Services;
  std::unique_ptr<Services> services_;
};

}  // namespace twinstream::testing
