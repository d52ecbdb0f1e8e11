#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "adapters/embedded/embedded_log.h"
#include "proxy/core/await.h"
#include "proxy/grpc/server.h"
#include "tests/integration/eventstore_certificates.h"

namespace twinstream::testing {

/// The store as one node of the cluster has it. Counts what it is asked for, and keeps answers back when told to.
class NodeLog final : public EventLog {
 public:
  explicit NodeLog(EventLog& log) : log_(log) {}

  /// How often; operations are named like the methods of EventLog.
  std::size_t count(const std::string& operation) const;
  /// From now on what is written is not answered until `release`. The operation, not the call, is what waits.
  void hold_answers();
  void wait_until_held();
  void release();

  const LogTraits& traits() const override { return log_.traits(); }
  std::optional<Failure> refuses(const AppendRequest& request) const override { return log_.refuses(request); }
  Awaitable<Result<Appended>> append(AppendRequest request) override;
  Awaitable<std::vector<Result<Appended>>> append_many(std::vector<AppendRequest> requests) override;
  Awaitable<Result<std::vector<Appended>>> append_together(std::vector<AppendRequest> requests,
                                                           std::vector<StreamCheck> checks) override;
  Awaitable<Result<StreamPage>> read_stream(ReadStream request) override;
  Awaitable<Result<AllPage>> read_all(ReadAll request) override;
  Awaitable<Result<Head>> head(std::string stream) override;
  Awaitable<Result<Position>> tip() override;
  Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Done>> restore(std::string stream) override;
  std::unique_ptr<Subscription> subscribe_all(Position after) override;
  std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) override;
  Awaitable<Result<std::string>> ping() override;

 private:
  void note(const std::string& operation);
  Awaitable<void> gate();

  EventLog& log_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::size_t> counts_;
  bool holding_ = false;
  std::vector<Completion<Done>> held_;
};

struct EmbeddedClusterOptions {
  std::vector<ClusterView::Role> roles{ClusterView::Role::leader, ClusterView::Role::follower,
                                       ClusterView::Role::follower};
  bool secured = false;  ///< TLS, and users: `admin` with the password `changeit`
};

/// A cluster of embedded servers. All of them stand over one store, so that what one has written all have, as soon as a
/// real cluster would answer it; who leads, who lives and what gossip says of it is what the test says.
class EmbeddedCluster {
 public:
  explicit EmbeddedCluster(EmbeddedClusterOptions options = {});
  ~EmbeddedCluster();

  /// `SCHEME://SEEDS?QUERY`; no seeds given: all nodes. The query begins with what TLS needs.
  std::string url(const std::string& scheme = "esdb+discover", std::vector<std::size_t> seeds = {},
                  const std::string& query = {}) const;
  NodeLog& node(std::size_t index) { return *nodes_[index].log; }
  /// The store itself.
  EventLog& log() { return *log_; }

  /// Of all nodes from now on; none: they are in the middle of an election.
  void lead(std::optional<std::size_t> node);
  /// Until nodes have been asked this many times more what they know, by gossip or by calls that want the leader.
  void wait_until_asked(std::size_t times);
  /// Whether the others notice that a node has died.
  enum class Gossip { aware, unaware };
  /// Takes the server away with all calls it has under way, and waits for what these still do in the store.
  void kill(std::size_t node, Gossip gossip = Gossip::aware);
  /// At the address it had.
  void revive(std::size_t node);

  void change_password(const std::string& login, const std::string& password);

 private:
  struct Node {
    std::unique_ptr<NodeLog> log;
    std::unique_ptr<EventStoreServer> server;
    ClusterView::Member member;
    /// While it is dead: nobody else may get its port, and to connect to it is refused.
    std::optional<boost::asio::ip::tcp::acceptor> place{};
  };

  void start(std::size_t node);

  const std::filesystem::path directory_;
  std::unique_ptr<EmbeddedLog> log_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
  std::unique_ptr<UserFile> users_;
  const bool secured_;
  const Certificate authority_ = make_authority("authority");
  const Certificate certificate_ = make_certificate("node", authority_);
  const TemporaryFile authority_file_{authority_.pem};
  const TemporaryFile certificate_file_{certificate_.pem};
  const TemporaryFile key_file_{certificate_.key_pem};

  mutable std::mutex mutex_;  ///< of what nodes know
  std::condition_variable asked_;
  std::size_t times_asked_ = 0;
  std::vector<Node> nodes_;
};

}  // namespace twinstream::testing
