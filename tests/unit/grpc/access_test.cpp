#include "proxy/core/password.h"
#include "proxy/protocol/persistent.grpc.pb.h"
#include "proxy/protocol/rich_status.pb.h"
#include "proxy/protocol/rpc_errors.pb.h"
#include "proxy/protocol/streams_v2.grpc.pb.h"
#include "tests/unit/grpc/secured_fixture.h"

namespace twinstream {

void SecuredDoorTest::add_user(const std::string& login, const std::string& password, std::vector<std::string> groups) {
  const auto failure = users_->change([&](Users& all) {
    all[login] = User{login, {}, std::move(groups), hash_password(password), false, {}};
    return true;
  });
  if (failure) throw std::runtime_error(failure->reason);
}

namespace {

using DoorAccess = SecuredDoorTest;

bool append_denied(const streams::BatchAppendResp& answer) {
  return answer.error().code() == 7 && answer.error().details().Is<wire::AccessDenied>();
}

TEST_F(DoorAccess, a_fresh_server_knows_admin_with_the_first_password) {
  EXPECT_TRUE(append("order-1", ExpectedRevision::no_stream(), several(2)).response.has_success());
  EXPECT_EQ(read(read_request("order-1")).revisions(), (std::vector<std::uint64_t>{0, 1}));
  EXPECT_TRUE(read(all_request()).status.ok());
}

TEST_F(DoorAccess, wrong_credentials_are_unauthenticated_without_an_exception) {
  for (const std::string& header : {basic("admin", "wrong"), basic("nobody", "changeit"), std::string("Basic !!!"),
                                    std::string("Bearer token"), std::string("Basic"), basic("admin", "")}) {
    with_header(header);
    const auto answer = append("order-1", ExpectedRevision::any(), several(1));
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << header;
    EXPECT_EQ(answer.trailer("exception"), "(none)");
    EXPECT_EQ(answer.status.error_message().find("changeit"), std::string::npos);
  }
}

TEST_F(DoorAccess, the_anonymous_are_denied_everything_but_discovery) {
  as_nobody();
  EXPECT_TRUE(is_denied(append("order-1", ExpectedRevision::any(), several(1))));
  EXPECT_TRUE(is_denied(read(read_request("order-1"))));
  EXPECT_TRUE(is_denied(read(subscription(read_request("order-1")))));
  EXPECT_TRUE(is_denied(read(all_request())));
  EXPECT_TRUE(is_denied(soft_delete("order-1")));
  EXPECT_TRUE(is_denied(tombstone("order-1")));
}

TEST_F(DoorAccess, users_read_and_write_streams_but_not_those_of_the_system) {
  write("order-1", 1);
  write("$secret", 1);
  add_user("jane", "pw");
  as("jane", "pw");
  EXPECT_TRUE(append("order-1", ExpectedRevision::any(), several(1)).status.ok());
  EXPECT_TRUE(read(read_request("order-1")).status.ok());
  EXPECT_TRUE(append("$$order-1", ExpectedRevision::any(), {proposed("{}", "$metadata")}).status.ok());
  EXPECT_TRUE(is_denied(append("$secret", ExpectedRevision::any(), several(1))));
  EXPECT_TRUE(is_denied(append("$$$secret", ExpectedRevision::any(), {proposed("{}", "$metadata")})));
  EXPECT_TRUE(is_denied(read(read_request("$secret"))));
  EXPECT_TRUE(is_denied(read(all_request())));
  EXPECT_TRUE(soft_delete("order-1").status.ok());
  EXPECT_TRUE(is_denied(soft_delete("$secret")));
}

TEST_F(DoorAccess, nobody_deletes_metadata_streams) {
  write_metadata("order-1", R"({"a":1})");
  EXPECT_TRUE(is_denied(soft_delete("$$order-1")));
  EXPECT_TRUE(is_denied(tombstone("$$order-1")));
}

TEST_F(DoorAccess, the_rights_of_a_stream_count) {
  add_user("jane", "pw", {"staff"});
  add_user("john", "pw");
  write("order-1", 1);
  write_metadata("order-1", R"({"$acl":{"$r":["jane","boss"],"$w":"staff","$d":[],"$mw":"$admins"}})");
  as("jane", "pw");
  EXPECT_TRUE(read(read_request("order-1")).status.ok());
  EXPECT_TRUE(append("order-1", ExpectedRevision::any(), several(1)).status.ok());
  EXPECT_TRUE(is_denied(soft_delete("order-1")));
  EXPECT_TRUE(is_denied(append("$$order-1", ExpectedRevision::any(), {proposed("{}", "$metadata")})));
  EXPECT_TRUE(read(read_request("$$order-1")).status.ok()) << "$mr is not said: everyone";
  as("john", "pw");
  EXPECT_TRUE(is_denied(read(read_request("order-1"))));
  EXPECT_TRUE(is_denied(append("order-1", ExpectedRevision::any(), several(1))));
  as_admin();
  EXPECT_TRUE(soft_delete("order-1").status.ok());
}

TEST_F(DoorAccess, settings_change_what_is_not_said_by_the_stream) {
  add_user("jane", "pw");
  write("order-1", 1);
  const std::string settings = R"({"$userStreamAcl":{"$w":"$admins"},"$systemStreamAcl":{"$r":"$all"}})";
  ASSERT_TRUE(append("$settings", ExpectedRevision::any(), {proposed(settings, "$settings")}).status.ok());
  write("$open", 1);
  as("jane", "pw");
  EXPECT_TRUE(is_denied(append("order-1", ExpectedRevision::any(), several(1))));
  EXPECT_TRUE(read(read_request("$open")).status.ok());
}

TEST_F(DoorAccess, a_link_leads_nowhere_when_its_target_may_not_be_read) {
  add_user("jane", "pw");
  write("$secret", 1);
  write("order-1", 1);
  as("jane", "pw");
  ASSERT_TRUE(append("links-1", ExpectedRevision::any(), {proposed("0@$secret", "$>"), proposed("0@order-1", "$>")})
                  .status.ok());
  auto request = read_request("links-1");
  request.mutable_options()->set_resolve_links(true);
  const auto answer = read(request);
  ASSERT_EQ(answer.responses.size(), 2u);
  EXPECT_FALSE(answer.responses[0].event().has_event());
  EXPECT_TRUE(answer.responses[1].event().has_event());
}

TEST_F(DoorAccess, a_denied_append_of_a_batch_call_is_one_answer_and_the_call_goes_on) {
  add_user("jane", "pw");
  as("jane", "pw");
  grpc::ClientContext context;
  const auto call = stub_->BatchAppend(&context);
  for (const char* stream : {"$secret", "order-1"}) {
    streams::BatchAppendReq chunk;
    chunk.mutable_correlation_id()->set_string(EventId::random().to_string());
    chunk.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
    chunk.mutable_options()->mutable_any();
    *chunk.add_proposed_messages() = proposed<streams::BatchAppendReq::ProposedMessage>();
    chunk.set_is_final(true);
    ASSERT_TRUE(call->Write(chunk));
    streams::BatchAppendResp answer;
    ASSERT_TRUE(call->Read(&answer));
    EXPECT_EQ(append_denied(answer), std::string(stream) == "$secret");
    EXPECT_EQ(answer.has_success(), std::string(stream) == "order-1");
  }
  call->WritesDone();
  EXPECT_TRUE(call->Finish().ok());
}

TEST_F(DoorAccess, a_batch_call_ends_no_later_than_its_user) {
  add_user("jane", "pw");
  as("jane", "pw");
  grpc::ClientContext context;
  const auto call = stub_->BatchAppend(&context);
  const auto denied = [&] {
    streams::BatchAppendReq chunk;
    chunk.mutable_correlation_id()->set_string(EventId::random().to_string());
    chunk.mutable_options()->mutable_stream_identifier()->set_stream_name("order-1");
    chunk.mutable_options()->mutable_any();
    *chunk.add_proposed_messages() = proposed<streams::BatchAppendReq::ProposedMessage>();
    chunk.set_is_final(true);
    EXPECT_TRUE(call->Write(chunk));
    streams::BatchAppendResp answer;
    EXPECT_TRUE(call->Read(&answer));
    return append_denied(answer);
  };
  EXPECT_FALSE(denied());
  users_->change([](Users& all) { return all["jane"].disabled = true; });
  EXPECT_TRUE(denied());
  call->WritesDone();
  EXPECT_TRUE(call->Finish().ok());
}

TEST_F(DoorAccess, a_subscription_ends_when_the_right_to_read_is_taken_away) {
  const std::vector<std::pair<const char*, std::function<void()>>> takings = {
      {"$acl", [this] { write_metadata("order-1", R"({"$acl":{"$r":"$admins"}})"); }},
      {"group", [this] { users_->change([](Users& all) { return all["jane"].groups.clear(), true; }); }},
      {"user", [this] { users_->change([](Users& all) { return all["jane"].disabled = true; }); }},
  };
  for (const auto& [what, take] : takings) {
    add_user("jane", "pw", {"staff"});
    write("order-1", 1);
    write_metadata("order-1", R"({"$acl":{"$r":"staff"}})");
    as("jane", "pw");
    const auto janes_channel = channel_;
    auto request = read_request("order-1");
    request.mutable_options()->mutable_stream()->mutable_end();
    const auto running = subscribe(request);
    ASSERT_TRUE(running->next()) << "the confirmation";
    as_admin();
    write("order-1", 1);
    const auto last = running->next_revision();
    ASSERT_NE(last, ~0ull) << what;
    take();
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    bool ended = false;
    while (!ended && std::chrono::steady_clock::now() < patience) {
      write("order-1", 1);
      ended = running->next_revision() == ~0ull;
    }
    ASSERT_TRUE(ended) << what;
    EXPECT_TRUE(is_denied(running->end())) << what;
  }
}

TEST_F(DoorAccess, appends_to_several_streams_need_the_right_on_each) {
  namespace v2 = kurrentdb::protocol::v2::streams;
  const auto session = [&](const std::string& second) {
    grpc::ClientContext context;
    v2::AppendSessionResponse response;
    auto writer = v2::StreamsService::NewStub(channel_)->AppendSession(&context, &response);
    for (const std::string& stream : {std::string("order-1"), second}) {
      v2::AppendRequest request;
      request.set_stream(stream);
      auto& record = *request.add_records();
      record.mutable_schema()->set_name("Tested");
      record.mutable_schema()->set_format(v2::SCHEMA_FORMAT_JSON);
      record.set_data("{}");
      writer->Write(request);
    }
    writer->WritesDone();
    grpc::Status status = writer->Finish();
    return ended(std::move(status), context);
  };
  const auto records = [&](const std::string& stream, const std::string& checked) {
    v2::AppendRecordsRequest request;
    auto& record = *request.add_records();
    record.set_stream(stream);
    record.mutable_schema()->set_name("Tested");
    record.mutable_schema()->set_format(v2::SCHEMA_FORMAT_JSON);
    record.set_data("{}");
    auto& check = *request.add_checks()->mutable_stream_state();
    check.set_stream(checked);
    check.set_expected_state(-1);
    grpc::ClientContext context;
    v2::AppendRecordsResponse response;
    grpc::Status status = v2::StreamsService::NewStub(channel_)->AppendRecords(&context, request, &response);
    return ended(std::move(status), context);
  };
  /// Denied, with the typed detail last: who may not do what.
  const auto details_of = [](const Ended& end) {
    EXPECT_TRUE(is_denied(end));
    rpc::Status rich;
    rpc::ErrorInfo info;
    kurrent::rpc::AccessDeniedErrorDetails details;
    EXPECT_TRUE(rich.ParseFromString(end.status.error_details()));
    if (rich.details_size() != 2) return std::string("no details");
    EXPECT_TRUE(info.ParseFromString(rich.details(0).value()));
    EXPECT_EQ(rich.details(1).type_url(), "type.googleapis.com/kurrent.rpc.AccessDeniedErrorDetails");
    EXPECT_TRUE(details.ParseFromString(rich.details(1).value()));
    const std::string username = details.has_username() ? details.username() : "(nobody)";
    return info.domain() + " " + info.reason() + " " + username + " " + details.operation();
  };
  add_user("jane", "pw");
  as("jane", "pw");
  EXPECT_EQ(details_of(session("$secret")), "server ACCESS_DENIED jane streams:write");
  EXPECT_EQ(read(read_request("order-1")).revisions().size(), 0u) << "nothing is written";
  EXPECT_TRUE(session("order-2").status.ok());
  EXPECT_EQ(details_of(records("$secret", "order-9")), "server ACCESS_DENIED jane streams:write");
  EXPECT_EQ(details_of(records("order-3", "$secret")), "server ACCESS_DENIED jane streams:read");
  EXPECT_TRUE(records("order-3", "order-9").status.ok());
  as_nobody();
  EXPECT_EQ(details_of(session("order-2")), "server ACCESS_DENIED (nobody) streams:write");
  EXPECT_EQ(details_of(records("order-3", "order-9")), "server ACCESS_DENIED (nobody) streams:write");
}

TEST_F(DoorAccess, persistent_subscriptions_are_made_by_operators_and_read_by_who_may_read_the_stream) {
  namespace groups = event_store::client::persistent_subscriptions;
  const auto create = [&](const std::string& stream) {
    groups::CreateReq request;
    auto& options = *request.mutable_options();
    options.set_group_name("g");
    options.mutable_stream()->mutable_stream_identifier()->set_stream_name(stream);
    options.mutable_stream()->mutable_start();
    auto& settings = *options.mutable_settings();
    settings.set_max_retry_count(1);
    settings.set_min_checkpoint_count(1);
    settings.set_max_checkpoint_count(10);
    settings.set_live_buffer_size(10);
    settings.set_read_batch_size(5);
    settings.set_history_buffer_size(10);
    settings.set_message_timeout_ms(1'000);
    settings.set_checkpoint_after_ms(1'000);
    settings.set_consumer_strategy("RoundRobin");
    grpc::ClientContext context;
    groups::CreateResp response;
    grpc::Status status = groups::PersistentSubscriptions::NewStub(channel_)->Create(&context, request, &response);
    return ended(std::move(status), context);
  };
  /// Denied, or the confirmation comes.
  const auto is_confirmed = [&](const std::string& stream, Ended& end, const std::function<void()>& meanwhile = {}) {
    grpc::ClientContext context;
    auto call = groups::PersistentSubscriptions::NewStub(channel_)->Read(&context);
    groups::ReadReq request;
    request.mutable_options()->mutable_stream_identifier()->set_stream_name(stream);
    request.mutable_options()->set_group_name("g");
    request.mutable_options()->set_buffer_size(10);
    request.mutable_options()->mutable_uuid_option()->mutable_string();
    call->Write(request);
    groups::ReadResp response;
    const bool confirmed = call->Read(&response) && response.has_subscription_confirmation();
    if (confirmed && meanwhile) meanwhile();
    if (confirmed) context.TryCancel();
    call->WritesDone();
    while (call->Read(&response)) continue;
    grpc::Status status = call->Finish();
    end = ended(std::move(status), context);
    return confirmed;
  };
  add_user("jane", "pw");
  as("ops", "changeit");
  ASSERT_TRUE(create("order-1").status.ok());
  ASSERT_TRUE(create("$secret").status.ok());
  as("jane", "pw");
  Ended end;
  EXPECT_TRUE(is_denied(create("order-2")));
  std::string username;
  const auto who_consumes = [&] {
    groups::GetInfoReq request;
    request.mutable_options()->mutable_stream_identifier()->set_stream_name("order-1");
    request.mutable_options()->set_group_name("g");
    grpc::ClientContext context;
    groups::GetInfoResp response;
    groups::PersistentSubscriptions::NewStub(channel_)->GetInfo(&context, request, &response);
    for (const auto& connection : response.subscription_info().connections()) username += connection.username();
  };
  EXPECT_TRUE(is_confirmed("order-1", end, who_consumes)) << end.status.error_message();
  EXPECT_EQ(username, "jane");
  EXPECT_FALSE(is_confirmed("$secret", end));
  EXPECT_TRUE(is_denied(end));
  as_nobody();
  EXPECT_FALSE(is_confirmed("order-1", end));
  EXPECT_TRUE(is_denied(end));
}

TEST_F(DoorAccess, a_disabled_user_and_an_old_password_are_refused_at_once) {
  add_user("jane", "pw");
  as("jane", "pw");
  EXPECT_TRUE(append("order-1", ExpectedRevision::any(), several(1)).status.ok());
  add_user("jane", "other");
  EXPECT_EQ(read(read_request("order-1")).status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  as("jane", "other");
  EXPECT_TRUE(read(read_request("order-1")).status.ok());
  users_->change([](Users& all) { return all["jane"].disabled = true; });
  EXPECT_EQ(read(read_request("order-1")).status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(DoorAccess, cleartext_is_not_spoken_and_another_authority_is_not_trusted) {
  call_with(grpc::InsecureChannelCredentials());
  EXPECT_FALSE(append("order-1", ExpectedRevision::any(), several(1)).status.ok());
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = testing::make_authority("other").pem;
  call_with(grpc::SslCredentials(options));
  EXPECT_EQ(append("order-1", ExpectedRevision::any(), several(1)).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DoorAccess, with_an_authority_for_clients_each_must_show_a_certificate) {
  const testing::TemporaryFile authority_file(authority_.pem);
  restart(authority_file.path());
  as_admin();
  EXPECT_FALSE(append("order-1", ExpectedRevision::any(), several(1)).status.ok());
  const auto client = testing::make_certificate("client", authority_);
  grpc::SslCredentialsOptions options{authority_.pem, client.key_pem, client.pem};
  call_with(grpc::CompositeChannelCredentials(
      grpc::SslCredentials(options),
      grpc::MetadataCredentialsFromPlugin(std::make_unique<HeaderPlugin>(basic("admin", "changeit")))));
  EXPECT_TRUE(append("order-1", ExpectedRevision::any(), several(1)).status.ok());
}

TEST_F(DoorAccess, files_that_do_not_fit_are_named_when_starting) {
  const auto refusal = [&](TlsFiles files) {
    EventStoreServerOptions options;
    options.tls = std::move(files);
    const auto server = EventStoreServer::start(*log_, context_.get_executor(), options);
    return server.ok() ? "(started)" : server.failure().reason;
  };
  const testing::TemporaryFile other(testing::make_certificate("localhost", authority_).key_pem);
  EXPECT_EQ(refusal({certificate_file_.path(), other.path(), {}}),
            other.path() + " does not belong to the certificate in " + certificate_file_.path());
  EXPECT_EQ(refusal({"/nowhere.pem", key_file_.path(), {}}), "/nowhere.pem cannot be read");
  EXPECT_EQ(refusal({key_file_.path(), key_file_.path(), {}}),
            key_file_.path() + " holds no certificate in PEM form");
}

TEST_F(DoorAccess, users_without_encryption_are_refused) {
  EventStoreServerOptions options;
  options.users = users_.get();
  const auto server = EventStoreServer::start(*log_, context_.get_executor(), options);
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.failure().reason.find("TLS"), std::string::npos);
}

}  // namespace
}  // namespace twinstream
