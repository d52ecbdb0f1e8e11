#include <fstream>
#include <sstream>

#include "proxy/protocol/users.grpc.pb.h"
#include "tests/unit/grpc/secured_fixture.h"

namespace twinstream {
namespace {

namespace users = event_store::client::users;

class DoorUsers : public SecuredDoorTest {
 protected:
  using Stub = users::Users::Stub;

  template <class Request, class Response>
  Ended call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) {
    grpc::ClientContext context;
    Response response;
    auto stub = users::Users::NewStub(channel_);
    grpc::Status status = (stub.get()->*method)(&context, request, &response);
    return ended(std::move(status), context);
  }

  Ended create(const std::string& login, const std::string& password, std::vector<std::string> groups = {}) {
    users::CreateReq request;
    auto& options = *request.mutable_options();
    options.set_login_name(login);
    options.set_password(password);
    options.set_full_name("Somebody");
    for (auto& group : groups) options.add_groups(std::move(group));
    return call(&Stub::Create, request);
  }

  template <class Request, class Response>
  Ended about(const std::string& login,
              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
    Request request;
    request.mutable_options()->set_login_name(login);
    return call(method, request);
  }

  Ended change_password(const std::string& login, const std::string& current, const std::string& fresh) {
    users::ChangePasswordReq request;
    request.mutable_options()->set_login_name(login);
    request.mutable_options()->set_current_password(current);
    request.mutable_options()->set_new_password(fresh);
    return call(&Stub::ChangePassword, request);
  }

  Ended reset_password(const std::string& login, const std::string& fresh) {
    users::ResetPasswordReq request;
    request.mutable_options()->set_login_name(login);
    request.mutable_options()->set_new_password(fresh);
    return call(&Stub::ResetPassword, request);
  }

  struct DetailsAnswer : Ended {
    std::vector<users::DetailsResp::UserDetails> found;
  };
  DetailsAnswer details(const std::string& login = {}) {
    users::DetailsReq request;
    if (!login.empty()) request.mutable_options()->set_login_name(login);
    DetailsAnswer answer;
    grpc::ClientContext context;
    auto reader = users::Users::NewStub(channel_)->Details(&context, request);
    for (users::DetailsResp response; reader->Read(&response);) answer.found.push_back(response.user_details());
    grpc::Status status = reader->Finish();
    static_cast<Ended&>(answer) = ended(std::move(status), context);
    return answer;
  }

  bool can_call() { return append("order-1", ExpectedRevision::any(), several(1)).status.ok(); }
};

TEST_F(DoorUsers, a_user_is_made_and_can_call) {
  ASSERT_TRUE(create("jane", "secret", {"staff", "$ops"}).status.ok());
  const auto answer = details("jane");
  ASSERT_EQ(answer.found.size(), 1u);
  EXPECT_EQ(answer.found[0].full_name(), "Somebody");
  EXPECT_EQ(answer.found[0].groups_size(), 2);
  EXPECT_FALSE(answer.found[0].disabled());
  EXPECT_GT(answer.found[0].last_updated().ticks_since_epoch(), 16'000'000'000'000'000);
  as("jane", "secret");
  EXPECT_TRUE(can_call());
}

TEST_F(DoorUsers, all_are_listed_to_administrators_only) {
  create("jane", "secret");
  const auto answer = details();
  ASSERT_EQ(answer.found.size(), 3u);
  EXPECT_EQ(answer.found[0].login_name(), "admin");
  EXPECT_EQ(answer.found[2].login_name(), "ops");
  EXPECT_EQ(answer.found[2].groups(0), "$ops");
  as("jane", "secret");
  EXPECT_TRUE(is_denied(details()));
  EXPECT_TRUE(is_denied(details("ops")));
  EXPECT_EQ(details("jane").found.size(), 1u) << "everybody may look at oneself";
  as_nobody();
  EXPECT_TRUE(is_denied(details()));
}

TEST_F(DoorUsers, a_login_that_exists_is_a_conflict_unless_the_call_is_a_repetition) {
  ASSERT_TRUE(create("jane", "secret").status.ok());
  EXPECT_TRUE(create("jane", "secret").status.ok());
  const auto conflict = create("jane", "other");
  EXPECT_EQ(conflict.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(conflict.trailer("exception"), "user-conflict");
  EXPECT_EQ(conflict.trailer("login-name"), "jane");
}

TEST_F(DoorUsers, an_unknown_login_is_not_found) {
  const auto check = [](const Ended& end) {
    EXPECT_EQ(end.status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(end.trailer("exception"), "user-not-found");
    EXPECT_EQ(end.trailer("login-name"), "nobody");
  };
  check(about("nobody", &Stub::Update));
  check(about("nobody", &Stub::Delete));
  check(about("nobody", &Stub::Enable));
  check(about("nobody", &Stub::Disable));
  check(reset_password("nobody", "x"));
  check(change_password("nobody", "x", "y"));
  check(details("nobody"));
}

TEST_F(DoorUsers, a_user_is_disabled_enabled_and_deleted) {
  create("jane", "secret");
  ASSERT_TRUE(about("jane", &Stub::Disable).status.ok());
  EXPECT_TRUE(details("jane").found.at(0).disabled());
  as("jane", "secret");
  EXPECT_FALSE(can_call());
  as_admin();
  ASSERT_TRUE(about("jane", &Stub::Enable).status.ok());
  as("jane", "secret");
  EXPECT_TRUE(can_call());
  as_admin();
  ASSERT_TRUE(about("jane", &Stub::Delete).status.ok());
  as("jane", "secret");
  EXPECT_FALSE(can_call());
}

TEST_F(DoorUsers, an_update_changes_name_and_groups_but_not_the_password) {
  create("jane", "secret", {"staff"});
  users::UpdateReq request;
  request.mutable_options()->set_login_name("jane");
  request.mutable_options()->set_password("ignored");
  request.mutable_options()->set_full_name("Jane");
  request.mutable_options()->add_groups("$admins");
  ASSERT_TRUE(call(&Stub::Update, request).status.ok());
  EXPECT_EQ(details("jane").found.at(0).full_name(), "Jane");
  as("jane", "secret");
  EXPECT_TRUE(read(all_request()).status.ok()) << "now an administrator";
}

TEST_F(DoorUsers, users_change_their_own_password_with_the_one_in_force) {
  create("jane", "secret");
  as("jane", "secret");
  EXPECT_TRUE(is_denied(change_password("jane", "wrong", "fresh")));
  EXPECT_TRUE(is_denied(change_password("admin", "changeit", "fresh")));
  EXPECT_TRUE(change_password("jane", "secret", "fresh").status.ok());
  EXPECT_FALSE(can_call());
  as("jane", "fresh");
  EXPECT_TRUE(can_call());
}

TEST_F(DoorUsers, administrators_reset_passwords_and_others_change_no_users) {
  create("jane", "secret");
  ASSERT_TRUE(reset_password("jane", "fresh").status.ok());
  as("jane", "fresh");
  EXPECT_TRUE(can_call());
  EXPECT_TRUE(is_denied(create("john", "x")));
  EXPECT_TRUE(is_denied(about("ops", &Stub::Delete)));
  EXPECT_TRUE(is_denied(about("ops", &Stub::Disable)));
  EXPECT_TRUE(is_denied(reset_password("admin", "mine")));
}

TEST_F(DoorUsers, a_login_or_a_password_that_cannot_be_is_an_invalid_argument) {
  for (const std::string& login : {std::string(), std::string("a:b"), std::string("a\nb"), std::string(200, 'x')}) {
    EXPECT_EQ(create(login, "x").status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << login;
  }
  EXPECT_EQ(create("jane", "").status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(DoorUsers, the_file_keeps_no_password_and_only_its_owner_may_read_it) {
  create("jane", "very-secret");
  const auto path = directory_.path() / "users.json";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_NE(text.str().find("jane"), std::string::npos);
  EXPECT_EQ(text.str().find("very-secret"), std::string::npos);
  EXPECT_EQ(text.str().find("changeit"), std::string::npos);
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(DoorUsers, what_another_process_changes_is_seen) {
  const auto other = open_users(directory_.path() / "users.json");
  other->change([](Users& all) { return all.erase("ops") > 0; });
  EXPECT_EQ(details().found.size(), 1u);
  create("jane", "secret");
  EXPECT_EQ(other->users().size(), 2u) << "no change is lost";
}

TEST_F(DoorUsers, a_file_that_cannot_be_read_keeps_the_users_that_were_known) {
  EXPECT_TRUE(can_call());
  std::ofstream(directory_.path() / "users.json") << "not what it should be";
  EXPECT_TRUE(can_call());
  EXPECT_FALSE(UserFile::open(directory_.path() / "users.json").ok());
}

TEST_F(DoorTest, a_server_without_users_does_not_have_the_service) {
  grpc::ClientContext context;
  users::CreateResp response;
  const auto status = users::Users::NewStub(channel_)->Create(&context, users::CreateReq(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace twinstream
