#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>

#include "proxy/admin/admin.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/stores.h"

namespace twinstream {
namespace {

constexpr std::size_t largest_answer = 16 * 1024 * 1024;

/// One GET of the admin listener; the body, or why there is none.
Result<std::string> fetch_status(const Endpoint& admin) {
  using boost::asio::ip::tcp;
  const auto fail = [&](const std::string& reason) {
    return Failure{FailureCode::unavailable,
                   "no status from " + admin.host + ":" + std::to_string(admin.port) + ": " + reason +
                       " (is `twinstream serve` running with this configuration?)", {}};
  };
  boost::asio::io_context context;
  boost::system::error_code error;
  tcp::socket socket(context);
  tcp::resolver resolver(context);
  const auto addresses = resolver.resolve(admin.host, std::to_string(admin.port), error);
  if (!error) boost::asio::connect(socket, addresses, error);
  if (error) return fail(error.message());
  const std::string request = "GET /status HTTP/1.0\r\nHost: " + admin.host + "\r\nConnection: close\r\n\r\n";
  boost::asio::write(socket, boost::asio::buffer(request), error);
  if (error) return fail(error.message());
  std::string answer;
  boost::asio::read(socket, boost::asio::dynamic_buffer(answer, largest_answer), error);
  if (error && error != boost::asio::error::eof) return fail(error.message());
  const auto body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return fail("the answer is not HTTP");
  return answer.substr(body + 4);
}

}  // namespace

int run_status(const std::string& path, bool json) {
  const auto config = load_or_complain(path);
  if (!config) return 2;
  if (!config->admin) {
    std::fprintf(stderr, "twinstream status: the admin listener is off in %s\n", path.c_str());
    return 2;
  }
  auto status = fetch_status(*config->admin);
  if (!status) {
    std::fprintf(stderr, "twinstream status: %s\n", status.failure().reason.c_str());
    return 1;
  }
  const auto text = json ? std::optional(*status + "\n") : status_text(*status);
  if (!text) {
    std::fprintf(stderr, "twinstream status: the admin listener's answer is not a status\n");
    return 1;
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

}  // namespace twinstream
