#include "proxy/http/forward.h"

#include <gtest/gtest.h>

namespace twinstream::http {
namespace {

BackendConfig backend() {
  BackendConfig config;
  config.address = {"backend", 8000};
  return config;
}

RequestHead request(std::vector<FieldView> fields) {
  RequestHead head;
  head.method = "GET";
  head.target = "/x";
  head.host = "shop";
  head.fields = std::move(fields);
  return head;
}

std::string forwarded(const RequestHead& head, std::string_view client = "10.0.0.9") {
  std::string out;
  write_request_head(out, head, client, backend());
  return out;
}

std::string answered(const ResponseHead& head, ClientSide client = {}) {
  std::string out;
  write_response_head(out, head, client);
  return out;
}

bool has(const std::string& head, const std::string& line) {
  return head.find("\r\n" + line + "\r\n") != std::string::npos;
}
bool names(const std::string& head, const std::string& name) {
  return head.find("\r\n" + name + ":") != std::string::npos;
}

TEST(HopByHop, IsWhatTheStandardNamesAndEveryProxyField) {
  for (const char* name : {"Connection", "connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
                           "Proxy-Connection", "Proxy-Authorization", "proxy-authenticate"}) {
    EXPECT_TRUE(is_hop_by_hop(name)) << name;
  }
  for (const char* name : {"Host", "Te-X", "Trailers", "Content-Length", "Authorization", "Proxy", "X-Proxy-Id"}) {
    EXPECT_FALSE(is_hop_by_hop(name)) << name;
  }
}

TEST(RequestHead, FieldsNamedByAnyConnectionFieldStay) {
  const auto head = forwarded(
      request({{"Connection", "close, X-A"}, {"X-A", "1"}, {"connection", "x-b"}, {"X-B", "2"}, {"X-C", "3"}}));
  EXPECT_FALSE(names(head, "X-A"));
  EXPECT_FALSE(names(head, "X-B"));
  EXPECT_FALSE(names(head, "Connection"));
  EXPECT_TRUE(has(head, "X-C: 3"));
}

TEST(RequestHead, ClientCannotHaveTheForwardingFieldsDropped) {
  const auto head = forwarded(request({{"Connection", "X-Forwarded-For, Via, Host"}, {"X-Forwarded-For", "1.1.1.1"}}));
  EXPECT_TRUE(has(head, "X-Forwarded-For: 1.1.1.1, 10.0.0.9"));
  EXPECT_TRUE(has(head, "Via: 1.1 twinstream"));
  EXPECT_TRUE(has(head, "Host: shop"));
}

TEST(RequestHead, FramingIsWrittenAnew) {
  auto head = request({{"Content-Length", "3"}, {"Content-Length", "3"}});
  head.framing = Framing::length;
  head.content_length = 3;
  const auto counted = forwarded(head);
  EXPECT_EQ(counted.find("Content-Length: 3"), counted.rfind("Content-Length: 3"));
  EXPECT_TRUE(has(counted, "Content-Length: 3"));

  head = request({{"Transfer-Encoding", "chunked"}, {"Content-Length", "9"}});
  head.framing = Framing::chunked;
  const auto chunked = forwarded(head);
  EXPECT_TRUE(has(chunked, "Transfer-Encoding: chunked"));
  EXPECT_FALSE(names(chunked, "Content-Length"));
}

TEST(RequestHead, UnknownClientAddressAddsNothing) {
  EXPECT_FALSE(names(forwarded(request({}), ""), "X-Forwarded-For"));
}

TEST(RequestHead, MissingHostIsTheBackends) {
  auto head = request({});
  head.host = "";
  head.version = 10;
  const auto text = forwarded(head);
  EXPECT_TRUE(has(text, "Host: backend:8000"));
  EXPECT_FALSE(names(text, "X-Forwarded-Host"));
}

TEST(RequestHead, AsteriskGetsNoBasePath) {
  auto config = backend();
  config.base_path = "/v1";
  auto head = request({});
  head.method = "OPTIONS";
  head.target = "*";
  std::string out;
  write_request_head(out, head, "", config);
  EXPECT_TRUE(out.starts_with("OPTIONS * HTTP/1.1\r\n"));
}

TEST(RequestHead, OldClientsExpectationIsNotPassedOn) {
  auto head = request({{"Expect", "100-continue"}});
  head.framing = Framing::length;
  EXPECT_TRUE(names(forwarded(head), "Expect"));
  EXPECT_TRUE(expects_continue(head));
  head.version = 10;
  EXPECT_FALSE(names(forwarded(head), "Expect"));
  EXPECT_FALSE(expects_continue(head));
}

TEST(Upgrade, NeedsBothFieldsAndTheNewVersion) {
  EXPECT_EQ(upgrade_protocol(request({{"Upgrade", "websocket"}, {"Connection", "keep-alive, Upgrade"}})), "websocket");
  EXPECT_EQ(upgrade_protocol(request({{"Upgrade", "websocket"}})), std::nullopt);
  EXPECT_EQ(upgrade_protocol(request({{"Connection", "upgrade"}})), std::nullopt);
  EXPECT_EQ(upgrade_protocol(request({{"Upgrade", "websocket, h2c"}, {"Connection", "upgrade"}})), std::nullopt);
  auto old = request({{"Upgrade", "websocket"}, {"Connection", "upgrade"}});
  old.version = 10;
  EXPECT_EQ(upgrade_protocol(old), std::nullopt);
}

TEST(Methods, OnlyThoseThatMayBeRepeatedAreIdempotent) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) EXPECT_TRUE(is_idempotent(method));
  for (const char* method : {"POST", "PATCH", "get", "LOCK"}) EXPECT_FALSE(is_idempotent(method));
}

TEST(ResponseHead, FramingFitsTheClient) {
  ResponseHead head;
  head.framing = Framing::until_close;
  EXPECT_EQ(client_framing(head, {11, false, true}), Framing::chunked);
  EXPECT_EQ(client_framing(head, {10, false, true}), Framing::until_close);
  EXPECT_EQ(client_framing(head, {11, true, true}), Framing::none);
  head.framing = Framing::length;
  EXPECT_EQ(client_framing(head, {10, false, true}), Framing::length);
  head.status = 204;
  EXPECT_EQ(client_framing(head, {11, false, true}), Framing::none);
}

TEST(ResponseHead, ConnectionIsSaidOnlyWhereItIsNotTheDefault) {
  ResponseHead head;
  EXPECT_FALSE(names(answered(head, {11, false, true}), "Connection"));
  EXPECT_TRUE(has(answered(head, {11, false, false}), "Connection: close"));
  EXPECT_TRUE(has(answered(head, {10, false, true}), "Connection: keep-alive"));
}

TEST(ResponseHead, NoContentHasNoLength) {
  ResponseHead head;
  head.status = 204;
  head.fields = {{"Content-Length", "0"}};
  EXPECT_FALSE(names(answered(head), "Content-Length"));
}

TEST(OwnHead, LengthIsThatOfTheBodyButForHead) {
  Response response;
  response.body = "four";
  std::string out;
  write_own_head(out, response, {});
  EXPECT_TRUE(has(out, "Content-Length: 4"));
  response.body.clear();
  response.headers.set("Content-Length", "77");
  out.clear();
  write_own_head(out, response, {11, true, true});
  EXPECT_TRUE(has(out, "Content-Length: 77"));
}

TEST(OwnHead, ReasonIsTheStandardPhrase) {
  Response response;
  response.status = 404;
  std::string out;
  write_own_head(out, response, {});
  EXPECT_TRUE(out.starts_with("HTTP/1.1 404 Not Found\r\n"));
}

TEST(Values, BackendsAnswerLosesWhatConcernedItsConnection) {
  ResponseHead head;
  head.fields = {{"Connection", "X-A"}, {"X-A", "1"}, {"Content-Length", "5"}, {"X-B", "2"}};
  const Response response = to_response(head, false);
  ASSERT_EQ(response.headers.items().size(), 1u);
  EXPECT_EQ(response.headers.get("X-B"), "2");
  EXPECT_EQ(to_response(head, true).headers.get("Content-Length"), "5");
}

}  // namespace
}  // namespace twinstream::http
