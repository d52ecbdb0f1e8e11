#include "proxy/grpc/access.h"

#include <algorithm>
#include <boost/json.hpp>

namespace twinstream::door {
namespace {

namespace json = boost::json;

using Names = std::vector<std::string>;

constexpr std::string_view everyone = "$all";

std::string_view key_of(StreamRight right, bool metadata) {
  if (metadata) return right == StreamRight::read ? "$mr" : "$mw";
  switch (right) {
    case StreamRight::read: return "$r";
    case StreamRight::write: return "$w";
    case StreamRight::erase: break;
  }
  return "$d";
}

/// A string or an array of strings under the key. Nothing when it is not there; nobody when it is something else.
std::optional<Names> names_under(const json::object& rights, std::string_view key) {
  const json::value* value = rights.if_contains(key);
  if (!value || value->is_null()) return std::nullopt;
  if (const auto* name = value->if_string()) return Names{std::string(*name)};
  Names names;
  if (const auto* list = value->if_array()) {
    for (const auto& entry : *list) {
      if (const auto* name = entry.if_string()) names.emplace_back(*name);
    }
  }
  return names;
}

/// The data of the last event of a stream when that is a JSON object of this type.
Awaitable<Result<json::object>> last_object(EventLog& log, std::string stream, std::string_view type) {
  auto page = co_await log.read_stream({std::move(stream), Direction::backwards, {}, 1});
  const bool absent = page.failed_with(FailureCode::stream_not_found) || page.failed_with(FailureCode::stream_deleted);
  if (absent) co_return json::object();
  if (!page.ok()) co_return page.failure();
  if (page->events.empty() || page->events.front().event.type != type) co_return json::object();
  json::error_code error;
  auto value = json::parse(page->events.front().event.data, error);
  co_return error || !value.is_object() ? json::object() : std::move(value.get_object());
}

json::object child(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_object() ? value->get_object() : json::object();
}

/// Who has the right: by the stream's own metadata, by `$settings`, by default.
Awaitable<Result<Names>> holders(EventLog& log, std::string stream, std::string_view key) {
  const auto metadata = co_await last_object(log, "$$" + stream, "$metadata");
  if (!metadata.ok()) co_return metadata.failure();
  if (auto names = names_under(child(*metadata, "$acl"), key)) co_return std::move(*names);
  const bool system = stream.starts_with('$');
  const auto settings = co_await last_object(log, "$settings", "$settings");
  if (!settings.ok()) co_return settings.failure();
  const auto defaults = child(*settings, system ? "$systemStreamAcl" : "$userStreamAcl");
  if (auto names = names_under(defaults, key)) co_return std::move(*names);
  co_return Names{system ? "$admins" : std::string(everyone)};
}

}  // namespace

bool Caller::is_in(std::string_view group) const { return std::find(groups.begin(), groups.end(), group) != groups.end(); }

Caller caller_now(UserFile* users, const Caller& caller) {
  if (!users || caller.login.empty()) return caller;
  auto user = users->find(caller.login);
  if (!user) return {};
  return {std::move(user->login), std::move(user->groups), false};
}

CallStatus access_denied() {
  return {StatusCode::permission_denied, "Access Denied", {{"exception", "access-denied"}}};
}

CallStatus check(const Caller& caller, Need need) {
  const bool known = caller.unrestricted || !caller.login.empty();
  switch (need) {
    case Need::nothing: return {};
    case Need::login: return known ? CallStatus{} : access_denied();
    case Need::operations: return caller.is_admin() || caller.is_in("$ops") ? CallStatus{} : access_denied();
    case Need::administration: break;
  }
  return caller.is_admin() ? CallStatus{} : access_denied();
}

Awaitable<CallStatus> check(EventLog& log, const Caller& caller, StreamRight right, std::string stream) {
  if (caller.unrestricted) co_return CallStatus{};
  const bool metadata = stream.starts_with("$$");
  const bool never = (stream == "$all" && right != StreamRight::read) || (metadata && right == StreamRight::erase);
  if (never || caller.login.empty()) co_return access_denied();
  if (caller.is_admin()) co_return CallStatus{};
  const auto names = co_await holders(log, metadata ? stream.substr(2) : stream, key_of(right, metadata));
  if (!names.ok()) co_return from_failure(names.failure(), stream);
  const auto includes = [&](const std::string& name) {
    return name == everyone || name == caller.login || caller.is_in(name);
  };
  co_return std::any_of(names->begin(), names->end(), includes) ? CallStatus{} : access_denied();
}

}  // namespace twinstream::door
