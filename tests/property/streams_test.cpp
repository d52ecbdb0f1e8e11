#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "proxy/grpc/server.h"
#include "tests/property/walk.h"
#include "tests/unit/embedded/embedded_fixture.h"

// Random sequences of writes, deletions and reads over gRPC against the embedded server, every answer compared with a
// model's. Another run with the same steps: property_streams --seed=N. How many calls: --operations=N; one walk alone:
// --walk=K. TWINSTREAM_SEED and TWINSTREAM_OPERATIONS do the same.

namespace twinstream::property {
namespace {

constexpr unsigned walks = 24;

struct Settings {
  std::uint64_t seed = std::random_device()();
  std::uint64_t operations = 100'800;
  std::optional<std::uint64_t> walk;
};

Settings settings;

/// The server over an embedded log in a directory of its own, synchronous as always.
class RunningServer {
 public:
  RunningServer() { restart(); }
  ~RunningServer() {
    server_.reset();
    work_.reset();
    context_.stop();
    for (auto& thread : threads_) thread.join();
  }

  void restart() {
    server_.reset();
    log_.reset();
    log_ = open_log(directory_.path());
    auto server = EventStoreServer::start(*log_, context_.get_executor(), {});
    if (!server.ok()) throw std::runtime_error(server.failure().reason);
    server_ = std::move(*server);
  }

  /// A connection of its own, once it stands: one connection for all would be the bottleneck.
  std::shared_ptr<grpc::Channel> connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto channel = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                             grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::minutes(1))) {
      throw std::runtime_error("cannot connect to the server");
    }
    return channel;
  }

 private:
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
};

std::string reproduce(std::uint64_t walk) {
  const std::string all = "property_streams --seed=" + std::to_string(settings.seed) +
                          " --operations=" + std::to_string(settings.operations);
  return "\nreproduce with: " + all + "\n  one walk alone: " + all + " --walk=" + std::to_string(walk);
}

std::vector<std::unique_ptr<Walk>> make_walks(const RunningServer& server) {
  std::vector<std::unique_ptr<Walk>> made;
  for (unsigned number = 0; number < walks; ++number) {
    if (settings.walk && *settings.walk != number) continue;
    made.push_back(std::make_unique<Walk>(settings.seed, number, server.connect()));
  }
  return made;
}

void run_all(std::vector<std::unique_ptr<Walk>>& made) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  for (unsigned i = 0; i < made.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto problem = made[i]->run(settings.operations / walks);
      const std::scoped_lock lock(mutex);
      if (problem) ADD_FAILURE() << *problem << reproduce(settings.walk.value_or(i));
    });
  }
  for (auto& thread : threads) thread.join();
}

/// Which walk wrote it: `w<number>-...` or `$$w<number>-...`.
std::uint64_t walk_of(const std::string& stream) {
  return std::stoull(stream.substr(stream.starts_with("$$") ? 3 : 1));
}

/// Forwards by walk; the backward read must be the same the other way round.
std::map<std::uint64_t, std::vector<SeenEvent>> read_whole_log(Client& client) {
  auto request = finite_read(true, 1'000'000'000);
  request.mutable_options()->mutable_all()->mutable_start();
  auto forwards = client.read(request);
  request.mutable_options()->set_read_direction(streams::ReadReq::Options::Backwards);
  request.mutable_options()->mutable_all()->mutable_end();
  const auto backwards = client.read(request);
  EXPECT_EQ(forwards.problem + backwards.problem, "");
  EXPECT_EQ(forwards.entries.size(), backwards.entries.size());
  std::map<std::uint64_t, std::vector<SeenEvent>> found;
  for (std::size_t i = 0; i < forwards.entries.size(); ++i) {
    SeenEvent& seen = *forwards.entries[i].event;
    const std::size_t mirrored = backwards.entries.size() - 1 - i;
    if (i < backwards.entries.size()) EXPECT_EQ(backwards.entries[mirrored].event->position, seen.position);
    found[walk_of(seen.stream)].push_back(std::move(seen));
  }
  return found;
}

TEST(StreamsProperty, every_answer_is_the_models) {
  std::cout << "seed " << settings.seed << std::endl;
  RunningServer server;
  auto made = make_walks(server);
  run_all(made);
  if (HasFailure()) return;

  server.restart();
  Client client(server.connect());
  const auto found = read_whole_log(client);
  std::uint64_t operations = 0, events = 0;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const std::uint64_t number = settings.walk.value_or(i);
    const auto own = found.find(number);
    const auto problem =
        made[i]->compare_everything(own == found.end() ? std::vector<SeenEvent>() : own->second, client);
    if (problem) ADD_FAILURE() << "walk " << number << ", after a restart: " << *problem << reproduce(number);
    operations += made[i]->operations();
    events += made[i]->events();
  }
  std::cout << operations << " operations, " << events << " events\n";
}

void read_settings(int argc, char** argv) {
  const auto take = [](std::string_view text, auto& value) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) value = number;
  };
  if (const char* seed = std::getenv("TWINSTREAM_SEED")) take(seed, settings.seed);
  if (const char* operations = std::getenv("TWINSTREAM_OPERATIONS")) take(operations, settings.operations);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--seed=")) take(argument.substr(7), settings.seed);
    if (argument.starts_with("--operations=")) take(argument.substr(13), settings.operations);
    if (argument.starts_with("--walk=")) take(argument.substr(7), settings.walk);
  }
}

}  // namespace
}  // namespace twinstream::property

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  twinstream::property::read_settings(argc, argv);
  return RUN_ALL_TESTS();
}
