// An HTTP/1.1 load generator that costs little next to what it measures: one thread, one epoll, kept connections, the
// next request sent as soon as the answer is complete. Prints one line of JSON.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string method = "GET";
  std::string path = "/";
  std::string body;
  std::vector<std::string> headers;
  unsigned connections = 64;
  std::uint64_t requests = 10'000;
  std::uint64_t streams = 1'000;
};

/// The request's bytes before and after the number that `{}` in the path stands for.
struct Template {
  std::string before;
  std::string after;
  bool numbered = false;
};

Template make_template(const Options& options) {
  std::string rest = " HTTP/1.1\r\nHost: " + options.host + ":" + std::to_string(options.port) + "\r\n";
  for (const auto& header : options.headers) rest += header + "\r\n";
  if (!options.body.empty()) rest += "Content-Length: " + std::to_string(options.body.size()) + "\r\n";
  rest += "\r\n" + options.body;
  const auto mark = options.path.find("{}");
  if (mark == std::string::npos) return {options.method + " " + options.path + rest, "", false};
  return {options.method + " " + options.path.substr(0, mark), options.path.substr(mark + 2) + rest, true};
}

struct Answer {
  int status = 0;
  std::size_t bytes = 0;
  bool closes = false;
};

/// The value of a header field in `head`, by name without case.
std::optional<std::string_view> field(std::string_view head, std::string_view name) {
  for (std::size_t line = head.find("\r\n"); line != std::string_view::npos; line = head.find("\r\n", line + 2)) {
    const auto rest = head.substr(line + 2);
    if (rest.size() <= name.size() || rest[name.size()] != ':') continue;
    if (strncasecmp(rest.data(), name.data(), name.size()) != 0) continue;
    const auto value = rest.substr(name.size() + 1, rest.find("\r\n") - name.size() - 1);
    return value.substr(std::min(value.find_first_not_of(' '), value.size()));
  }
  return std::nullopt;
}

/// The answer at the start of `received`; nothing while it is incomplete.
std::optional<Answer> parse(std::string_view received) {
  const auto end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const auto head = received.substr(0, end + 2);
  Answer answer;
  std::from_chars(head.data() + std::min<std::size_t>(9, head.size()), head.data() + head.size(), answer.status);
  std::size_t length = 0;
  if (const auto text = field(head, "Content-Length")) {
    std::from_chars(text->data(), text->data() + text->size(), length);
  } else if (answer.status != 204) {
    throw std::runtime_error("an answer without Content-Length cannot be measured: " + std::string(head));
  }
  const auto connection = field(head, "Connection");
  answer.closes = connection && strncasecmp(connection->data(), "close", 5) == 0;
  answer.bytes = end + 4 + length;
  return received.size() < answer.bytes ? std::nullopt : std::optional(answer);
}

class Load {
 public:
  explicit Load(const Options& options) : options_(options), template_(make_template(options)) {
    latencies_.reserve(options.requests);
    connections_.resize(options.connections);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1");
  }

  void run() {
    began_ = Clock::now();
    for (auto& connection : connections_) {
      open(connection);
      send_next(connection);
    }
    std::vector<epoll_event> ready(connections_.size());
    while (answered_ < options_.requests) {
      const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 30'000);
      if (count == 0) throw std::runtime_error("no answer for 30 seconds");
      for (int i = 0; i < count; ++i) receive(*static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr));
    }
    ended_ = Clock::now();
  }

  void print() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](std::size_t percent) { return latencies_[(latencies_.size() - 1) * percent / 100]; };
    const double seconds = std::chrono::duration<double>(ended_ - began_).count();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                       static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    std::printf(
        "{\"requests\": %ju, \"errors\": %ju, \"last_error\": %d, \"seconds\": %.3f, \"per_second\": %.0f, "
        "\"p50_us\": %u, \"p99_us\": %u, \"own_cpu_us\": %.2f}\n",
        static_cast<std::uintmax_t>(answered_), static_cast<std::uintmax_t>(errors_), last_error_, seconds,
        static_cast<double>(answered_) / seconds, at(50), at(99), cpu / static_cast<double>(answered_));
  }

 private:
  struct Connection {
    int socket = -1;
    std::string received;
    Clock::time_point sent;
  };

  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  void open(Connection& connection) {
    connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection.socket < 0) fail("socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) throw std::runtime_error("bad address");
    if (connect(connection.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
    const int on = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event) != 0) fail("epoll_ctl");
    connection.received.clear();
  }

  void send_next(Connection& connection) {
    if (sent_ == options_.requests) return;
    request_ = template_.before;
    if (template_.numbered) request_ += std::to_string(sent_ % options_.streams);
    request_ += template_.after;
    ++sent_;
    connection.sent = Clock::now();
    // Requests are far smaller than a socket's buffer, and the socket blocks: one call sends it whole.
    if (send(connection.socket, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size())) {
      fail("send");
    }
  }

  void receive(Connection& connection) {
    char buffer[16 * 1024];
    const auto count = recv(connection.socket, buffer, sizeof buffer, 0);
    if (count < 0) fail("recv");
    if (count == 0) throw std::runtime_error("the connection was closed without an answer");
    connection.received.append(buffer, static_cast<std::size_t>(count));
    const auto answer = parse(connection.received);
    if (!answer) return;
    account(connection, *answer);
    connection.received.erase(0, answer->bytes);
    if (answer->closes) {
      close(connection.socket);
      open(connection);
    }
    send_next(connection);
  }

  void account(const Connection& connection, const Answer& answer) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - connection.sent);
    latencies_.push_back(static_cast<std::uint32_t>(took.count()));
    ++answered_;
    if (answer.status < 200 || answer.status > 299) {
      ++errors_;
      last_error_ = answer.status;
    }
  }

  const Options& options_;
  Template template_;
  std::string request_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> latencies_;
  int epoll_ = -1;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t errors_ = 0;
  int last_error_ = 0;
  Clock::time_point began_;
  Clock::time_point ended_;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  CLI::App app("HTTP/1.1 load on kept connections");
  app.add_option("--host", options.host, "IPv4 address");
  app.add_option("--port", options.port)->required();
  app.add_option("--method", options.method);
  app.add_option("--path", options.path, "{} becomes a number below --streams, one after the other");
  app.add_option("--streams", options.streams)->check(CLI::PositiveNumber);
  app.add_option("--body", options.body);
  app.add_option("--header", options.headers, "`Name: value`, may be repeated");
  app.add_option("--connections", options.connections)->check(CLI::PositiveNumber);
  app.add_option("--requests", options.requests)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, count, arguments);
  try {
    Load load(options);
    load.run();
    load.print();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    return 1;
  }
  return 0;
}
