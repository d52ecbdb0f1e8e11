#include <list>

#include "proxy/core/run_on.h"
#include "proxy/grpc/event_filter.h"
#include "proxy/grpc/methods.h"
#include "proxy/grpc/persistent_read_call.h"
#include "proxy/grpc/persistent_requests.h"

namespace twinstream::door {
namespace {

using persistent::Groups;
using persistent::GroupName;
using persistent::Runner;

/// The filter of a group is that of a read, without the window.
Result<persistent::Environment::Matches> compile_filter(const persistent::Filter& filter) {
  wire::streams::ReadReq::Options::FilterOptions options;
  auto& expression = filter.on_stream ? *options.mutable_stream_identifier() : *options.mutable_event_type();
  expression.set_regex(filter.regex);
  for (const auto& prefix : filter.prefixes) expression.add_prefix(prefix);
  options.mutable_count();
  auto parsed = EventFilter::parse(options);
  if (const auto* refused = std::get_if<CallStatus>(&parsed)) {
    return Failure{FailureCode::rejected, refused->message, {}};
  }
  auto shared = std::make_shared<EventFilter>(std::move(std::get<EventFilter>(parsed)));
  return persistent::Environment::Matches(
      [shared](const RecordedEvent& recorded) { return shared->matches(recorded); });
}

CallStatus refusal_of(const GroupName& name, Groups::Refused refused) {
  switch (refused) {
    case Groups::Refused::exists: return group_exists(name);
    case Groups::Refused::not_found: return group_not_found(name);
    case Groups::Refused::too_many: break;
  }
  return group_failed(name, "there are too many groups");
}

/// How a call ends that asked for `answer`.
template <class T>
CallStatus status_of(const GroupName& name, const Groups::Answer<T>& answer) {
  if (!answer.ok()) return group_failure(name, answer.failure());
  const auto* refused = std::get_if<Groups::Refused>(&*answer);
  return refused ? refusal_of(name, *refused) : CallStatus{};
}

class PersistentSubscriptionsService final : public MethodTable {
 public:
  explicit PersistentSubscriptionsService(Door& door)
      : MethodTable(door),
        groups_({door.log, persistent::StateStore(door.group_state, door.group_prefix), clock_, door.executor,
                 [&door](const auto& executor, Awaitable<void> task) { door.tasks.spawn(executor, std::move(task)); },
                 compile_filter, is_hidden_from_all}) {
    door.calls.add([this] { groups_.shut_down(); });
    add_methods();
  }

 private:
  /// A method of this class as a unary call.
  template <class Request, class Response>
  void unary(const char* name, Awaitable<CallStatus> (PersistentSubscriptionsService::*method)(Request, Response&),
             Need need) {
    const std::string path = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/" + std::string(name);
    add_unary<Request, Response>(
        paths_.emplace_back(path).c_str(),
        [this, method](Door& door, Request request, Response& response) -> Awaitable<CallStatus> {
          const auto elsewhere = check_leads(door.node);
          if (!elsewhere.ok()) co_return elsewhere;
          co_return co_await (this->*method)(std::move(request), response);
        },
        need);
  }

  void add_methods() {
    unary("Create", &PersistentSubscriptionsService::create, Need::operations);
    unary("Update", &PersistentSubscriptionsService::update, Need::operations);
    unary("Delete", &PersistentSubscriptionsService::remove, Need::operations);
    unary("GetInfo", &PersistentSubscriptionsService::info, Need::login);
    unary("List", &PersistentSubscriptionsService::list, Need::login);
    unary("ReplayParked", &PersistentSubscriptionsService::replay_parked, Need::operations);
    unary("TruncateParked", &PersistentSubscriptionsService::truncate_parked, Need::operations);
    unary("RestartSubsystem", &PersistentSubscriptionsService::restart, Need::operations);
    add("/event_store.client.persistent_subscriptions.PersistentSubscriptions/Read",
        grpc::internal::RpcMethod::BIDI_STREAMING,
        new grpc::internal::CallbackBidiHandler<groups::ReadReq, groups::ReadResp>(
            [this](auto* context) { return start_persistent_read(door_, groups_, context); }));
  }

  Awaitable<CallStatus> create(groups::CreateReq request, groups::CreateResp&) {
    auto config = parse_create(request);
    if (auto* refused = std::get_if<CallStatus>(&config)) co_return std::move(*refused);
    auto& wanted = std::get<persistent::GroupConfig>(config);
    const GroupName name = wanted.name;
    co_return status_of(name, co_await groups_.create(std::move(wanted)));
  }

  Awaitable<CallStatus> update(groups::UpdateReq request, groups::UpdateResp&) {
    const auto parsed = parse_update(request);
    if (const auto* refused = std::get_if<CallStatus>(&parsed)) co_return *refused;
    const auto& wanted = std::get<GroupUpdate>(parsed);
    co_return status_of(wanted.name, co_await groups_.update(wanted.name, wanted.settings, wanted.start));
  }

  Awaitable<CallStatus> remove(groups::DeleteReq request, groups::DeleteResp&) {
    const auto name = parse_group(request.options());
    if (const auto* refused = std::get_if<CallStatus>(&name)) co_return *refused;
    co_return status_of(std::get<GroupName>(name), co_await groups_.remove(std::get<GroupName>(name)));
  }

  Awaitable<CallStatus> info(groups::GetInfoReq request, groups::GetInfoResp& response) {
    const auto name = parse_group(request.options());
    if (const auto* refused = std::get_if<CallStatus>(&name)) co_return *refused;
    const auto& wanted = std::get<GroupName>(name);
    const auto found = co_await groups_.find(wanted);
    if (const auto status = status_of(wanted, found); !status.ok()) co_return status;
    const auto runner = std::get<std::shared_ptr<Runner>>(*found);
    const auto told = co_await run_on(runner->executor(), runner->info());
    if (!told.ok()) co_return group_failure(wanted, told.failure());
    fill_info(*response.mutable_subscription_info(), *told);
    co_return CallStatus{};
  }

  Awaitable<CallStatus> list(groups::ListReq request, groups::ListResp& response) {
    using Options = groups::ListReq::Options;
    const auto& options = request.options();
    std::optional<std::string> source;
    if (options.list_option_case() == Options::LIST_OPTION_NOT_SET) co_return invalid_argument("what to list is not set");
    if (options.has_list_for_stream()) {
      const auto& of = options.list_for_stream();
      source = of.has_all() ? std::string(persistent::all_source) : of.stream().stream_name();
    }
    const GroupName anything{source.value_or(""), ""};
    const auto runners = co_await groups_.list(source);
    if (!runners.ok()) co_return group_failure(anything, runners.failure());
    if (runners->empty()) co_return group_not_found(anything);
    for (const auto& runner : *runners) {
      const auto told = co_await run_on(runner->executor(), runner->info());
      if (!told.ok()) co_return group_failure(anything, told.failure());
      fill_info(*response.add_subscriptions(), *told);
    }
    co_return CallStatus{};
  }

  using OnParked = Awaitable<Result<Done>> (Runner::*)(std::optional<std::uint64_t>);

  template <class Options>
  Awaitable<CallStatus> with_parked(Options options, OnParked operation) {
    const auto name = parse_group(options);
    if (const auto* refused = std::get_if<CallStatus>(&name)) co_return *refused;
    const auto& wanted = std::get<GroupName>(name);
    std::optional<std::uint64_t> stop_at;
    if (options.stop_at_option_case() == Options::kStopAt) {
      if (options.stop_at() < 0) co_return group_failed(wanted, "the number to stop at is negative");
      stop_at = static_cast<std::uint64_t>(options.stop_at());
    }
    const auto found = co_await groups_.find(wanted);
    if (const auto status = status_of(wanted, found); !status.ok()) co_return status;
    const auto runner = std::get<std::shared_ptr<Runner>>(*found);
    const auto done = co_await run_on(runner->executor(), (runner.get()->*operation)(stop_at));
    co_return done.ok() ? CallStatus{} : group_failure(wanted, done.failure());
  }

  Awaitable<CallStatus> replay_parked(groups::ReplayParkedReq request, groups::ReplayParkedResp&) {
    return with_parked(request.options(), &Runner::replay_parked);
  }

  Awaitable<CallStatus> truncate_parked(groups::TruncateParkedReq request, groups::TruncateParkedResp&) {
    return with_parked(request.options(), &Runner::truncate_parked);
  }

  Awaitable<CallStatus> restart(wire::Empty, wire::Empty&) {
    const auto done = co_await groups_.restart();
    co_return done.ok() ? CallStatus{} : group_failure({}, done.failure());
  }

  SystemClock clock_;
  Groups groups_;
  std::list<std::string> paths_;  ///< gRPC keeps pointers to them
};

}  // namespace

std::unique_ptr<grpc::Service> make_persistent_subscriptions(Door& door) {
  return std::make_unique<PersistentSubscriptionsService>(door);
}

}  // namespace twinstream::door
