#include "proxy/core/password.h"
#include "proxy/grpc/response_call.h"
#include "proxy/grpc/services.h"
#include "proxy/protocol/users.pb.h"

namespace twinstream::door {
namespace {

namespace users = event_store::client::users;

constexpr std::size_t longest_text = 1'024;
constexpr int most_groups = 100;

CallStatus check_login(const std::string& login) {
  const auto problem = problem_with_login(login);
  return problem ? invalid_argument("the login name cannot be used: " + *problem) : CallStatus{};
}

CallStatus check_password(const std::string& password) {
  if (password.empty()) return invalid_argument("the password is empty");
  return password.size() > longest_text ? invalid_argument("the password is too long") : CallStatus{};
}

template <class Options>
CallStatus check_details(const Options& options) {
  bool small = options.full_name().size() <= longest_text && options.groups_size() <= most_groups;
  for (const auto& group : options.groups()) small = small && group.size() <= longest_text;
  return small ? CallStatus{} : invalid_argument("the name or the groups are too long");
}

Timestamp now_in_micros() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

template <class Options>
void take_details(User& user, const Options& options) {
  user.full_name = options.full_name();
  user.groups.assign(options.groups().begin(), options.groups().end());
}

/// Has `edit` change one user that exists; it answers how the call ends, and the change is kept when that is well.
CallStatus change_user(UserFile& file, const std::string& login, const std::function<CallStatus(User&)>& edit) {
  CallStatus status = user_not_found(login);
  const auto failure = file.change([&](Users& all) {
    const auto found = all.find(login);
    if (found == all.end()) return false;
    status = edit(found->second);
    found->second.updated = now_in_micros();
    return status.ok();
  });
  return failure ? from_failure(*failure, {}) : status;
}

Awaitable<CallStatus> create(Door& door, users::CreateReq request, users::CreateResp&) {
  const auto& options = request.options();
  for (const auto& status : {check_login(options.login_name()), check_password(options.password()), check_details(options)}) {
    if (!status.ok()) co_return status;
  }
  User user{options.login_name(), {}, {}, hash_password(options.password()), false, now_in_micros()};
  take_details(user, options);
  CallStatus status;
  const auto failure = door.users->change([&](Users& all) {
    const auto [place, added] = all.emplace(user.login, user);
    // A repetition whose first answer was lost.
    const bool again = !added && matches_password(options.password(), place->second.password);
    if (!added && !again) status = user_conflict(user.login);
    return added;
  });
  co_return failure ? from_failure(*failure, {}) : status;
}

Awaitable<CallStatus> update(Door& door, users::UpdateReq request, users::UpdateResp&) {
  const auto& options = request.options();
  const auto checked = check_details(options);
  if (!checked.ok()) co_return checked;
  co_return change_user(*door.users, options.login_name(), [&](User& user) {
    take_details(user, options);
    return CallStatus{};
  });
}

Awaitable<CallStatus> remove_user(Door& door, users::DeleteReq request, users::DeleteResp&) {
  const std::string& login = request.options().login_name();
  CallStatus status;
  const auto failure = door.users->change([&](Users& all) {
    const bool removed = all.erase(login) > 0;
    if (!removed) status = user_not_found(login);
    return removed;
  });
  co_return failure ? from_failure(*failure, {}) : status;
}

CallStatus set_disabled(Door& door, const std::string& login, bool disabled) {
  return change_user(*door.users, login, [&](User& user) {
    user.disabled = disabled;
    return CallStatus{};
  });
}

Awaitable<CallStatus> disable(Door& door, users::DisableReq request, users::DisableResp&) {
  co_return set_disabled(door, request.options().login_name(), true);
}

Awaitable<CallStatus> enable(Door& door, users::EnableReq request, users::EnableResp&) {
  co_return set_disabled(door, request.options().login_name(), false);
}

/// The password is hashed before the file is locked: it takes its time.
CallStatus set_password(Door& door, const std::string& login, const std::string& password) {
  const auto checked = check_password(password);
  if (!checked.ok()) return checked;
  const std::string hash = hash_password(password);
  return change_user(*door.users, login, [&](User& user) {
    user.password = hash;
    return CallStatus{};
  });
}

Awaitable<CallStatus> reset_password(Door& door, users::ResetPasswordReq request, users::ResetPasswordResp&) {
  co_return set_password(door, request.options().login_name(), request.options().new_password());
}

/// One's own, or any user's as an administrator; either way with the password in force.
Awaitable<CallStatus> change_password(Door& door, const Caller& caller, users::ChangePasswordReq request,
                                      users::ChangePasswordResp&) {
  const auto& options = request.options();
  const bool may = caller.is_admin() || (!caller.login.empty() && caller.login == options.login_name());
  if (!may) co_return access_denied();
  const Users all = door.users->users();
  const auto found = all.find(options.login_name());
  if (found == all.end()) co_return user_not_found(options.login_name());
  if (!matches_password(options.current_password(), found->second.password)) co_return access_denied();
  co_return set_password(door, options.login_name(), options.new_password());
}

users::DetailsResp details_of(const User& user) {
  users::DetailsResp response;
  auto& details = *response.mutable_user_details();
  details.set_login_name(user.login);
  details.set_full_name(user.full_name);
  details.mutable_groups()->Add(user.groups.begin(), user.groups.end());
  details.mutable_last_updated()->set_ticks_since_epoch(to_ticks(user.updated));
  details.set_disabled(user.disabled);
  return response;
}

/// Everybody may look at oneself.
Awaitable<CallStatus> details(Door& door, const Caller& caller, users::DetailsReq request,
                              Responses<users::DetailsResp>& responses) {
  const std::string& login = request.options().login_name();
  const bool own = request.has_options() && !caller.login.empty() && login == caller.login;
  if (!own && !caller.is_admin()) co_return access_denied();
  const Users all = door.users->users();
  if (request.has_options()) {
    const auto found = all.find(login);
    if (found == all.end()) co_return user_not_found(login);
    co_await responses.send(details_of(found->second));
    co_return CallStatus{};
  }
  for (const auto& [name, user] : all) {
    if (!co_await responses.send(details_of(user))) co_return CallStatus{StatusCode::cancelled, "the caller has gone", {}};
  }
  co_return CallStatus{};
}

class UsersService final : public MethodTable {
 public:
  explicit UsersService(Door& door) : MethodTable(door) {
    constexpr Need admin = Need::administration;
    add_unary<users::CreateReq, users::CreateResp>("/event_store.client.users.Users/Create", create, admin);
    add_unary<users::UpdateReq, users::UpdateResp>("/event_store.client.users.Users/Update", update, admin);
    add_unary<users::DeleteReq, users::DeleteResp>("/event_store.client.users.Users/Delete", remove_user, admin);
    add_unary<users::DisableReq, users::DisableResp>("/event_store.client.users.Users/Disable", disable, admin);
    add_unary<users::EnableReq, users::EnableResp>("/event_store.client.users.Users/Enable", enable, admin);
    add_unary<users::ResetPasswordReq, users::ResetPasswordResp>("/event_store.client.users.Users/ResetPassword",
                                                                 reset_password, admin);
    add_unary<users::ChangePasswordReq, users::ChangePasswordResp>("/event_store.client.users.Users/ChangePassword",
                                                                   change_password);
    add_responses<users::DetailsReq, users::DetailsResp>("/event_store.client.users.Users/Details", details);
  }
};

}  // namespace

std::unique_ptr<grpc::Service> make_users_service(Door& door) { return std::make_unique<UsersService>(door); }

}  // namespace twinstream::door
