#include "proxy/grpc/persistent_requests.h"

#include "proxy/grpc/messages.h"

namespace twinstream::door {
namespace {

using persistent::GroupConfig;
using persistent::GroupName;
using persistent::Settings;
using persistent::Start;

using Refused = std::optional<CallStatus>;

CallStatus of_group(StatusCode code, const char* exception, const GroupName& name, const std::string& what,
                    std::string_view reason = {}) {
  return group_exception(code, exception, "Subscription group " + name.group + " on stream " + name.source + " " + what,
                         name.source, name.group, reason);
}

template <class Message>
void take_settings(const Message& message, Settings& settings) {
  using std::chrono::microseconds;
  settings.resolve_links = message.resolve_links();
  settings.extra_statistics = message.extra_statistics();
  settings.message_timeout = message.message_timeout_case() == Message::kMessageTimeoutTicks
                                 ? microseconds(message.message_timeout_ticks() / 10)
                                 : microseconds(std::int64_t{message.message_timeout_ms()} * 1'000);
  settings.checkpoint_after = message.checkpoint_after_case() == Message::kCheckpointAfterTicks
                                  ? microseconds(message.checkpoint_after_ticks() / 10)
                                  : microseconds(std::int64_t{message.checkpoint_after_ms()} * 1'000);
  settings.max_retry_count = message.max_retry_count();
  settings.min_checkpoint_count = message.min_checkpoint_count();
  settings.max_checkpoint_count = message.max_checkpoint_count();
  settings.max_subscriber_count = message.max_subscriber_count();
  settings.live_buffer_size = message.live_buffer_size();
  settings.read_batch_size = message.read_batch_size();
  settings.history_buffer_size = message.history_buffer_size();
}

/// The enum has the same numbers in Create and Update.
std::optional<persistent::Strategy> strategy_of(int number) {
  switch (number) {
    case groups::CreateReq::DispatchToSingle: return persistent::Strategy::dispatch_to_single;
    case groups::CreateReq::RoundRobin: return persistent::Strategy::round_robin;
    case groups::CreateReq::Pinned: return persistent::Strategy::pinned;
    default: return std::nullopt;
  }
}

/// How `CreateReq` and `UpdateReq` name the strategy; only Create has it as text.
std::optional<persistent::Strategy> strategy_of(const groups::CreateReq::Settings& settings) {
  if (!settings.consumer_strategy().empty()) return persistent::parse_strategy(settings.consumer_strategy());
  return strategy_of(static_cast<int>(settings.named_consumer_strategy()));
}

std::optional<persistent::Strategy> strategy_of(const groups::UpdateReq::Settings& settings) {
  return strategy_of(static_cast<int>(settings.named_consumer_strategy()));
}

Start start_at(std::uint64_t revision) {
  if (revision == wire_minus_one) return {Start::Kind::end, 0, {}};
  return revision == 0 ? Start{Start::Kind::beginning, 0, {}} : Start{Start::Kind::at, revision, {}};
}

template <class StreamOptions>
Parsed<Start> stream_start(const StreamOptions& options) {
  switch (options.revision_option_case()) {
    case StreamOptions::kRevision: return start_at(options.revision());
    case StreamOptions::kStart: return Start{Start::Kind::beginning, 0, {}};
    case StreamOptions::kEnd: return Start{Start::Kind::end, 0, {}};
    case StreamOptions::REVISION_OPTION_NOT_SET: break;
  }
  return invalid_argument("the start in the stream is not set");
}

template <class AllOptions>
Parsed<Start> all_start(const AllOptions& options) {
  switch (options.all_option_case()) {
    case AllOptions::kStart: return Start{Start::Kind::beginning, 0, {}};
    case AllOptions::kEnd: return Start{Start::Kind::end, 0, {}};
    case AllOptions::kPosition: break;
    case AllOptions::ALL_OPTION_NOT_SET: return invalid_argument("the start in the whole log is not set");
  }
  const Position position{options.position().commit_position(), options.position().prepare_position()};
  if (position == Position::end()) return Start{Start::Kind::end, 0, {}};
  if (position == Position::start()) return Start{Start::Kind::beginning, 0, {}};
  return Start{Start::Kind::at, 0, position};
}

/// Source and start, in the old form (a stream beside the settings) and in the new one.
template <class Options>
Refused take_source(const Options& options, GroupName& name, Start& start) {
  Parsed<Start> parsed = start_at(options.settings().revision());
  if (options.has_all()) {
    name.source = persistent::all_source;
    parsed = all_start(options.all());
  } else {
    name.source = options.has_stream() ? options.stream().stream_identifier().stream_name()
                                       : options.stream_identifier().stream_name();
    if (options.has_stream()) parsed = stream_start(options.stream());
  }
  if (auto* refused = std::get_if<CallStatus>(&parsed)) return std::move(*refused);
  start = std::get<Start>(parsed);
  if (name.group.empty()) return group_failed(name, "the group has no name");
  if (options.has_all()) {
    if (start.position.commit < start.position.prepare) {
      return group_failed(name, "the commit position of the start lies before its prepare position");
    }
    return std::nullopt;
  }
  if (name.source.empty()) return group_failed(name, "the stream has no name");
  if (name.is_all()) return group_failed(name, "the whole log is not a stream: use the form for it");
  if (start.revision > largest_revision) return group_failed(name, "the start revision is out of range");
  return std::nullopt;
}

template <class Options>
Refused take_common(const Options& options, GroupName& name, Settings& settings, Start& start) {
  name.group = options.group_name();
  if (auto refused = take_source(options, name, start)) return refused;
  take_settings(options.settings(), settings);
  const auto strategy = strategy_of(options.settings());
  if (!strategy) return group_failed(name, "the consumer strategy is not known");
  settings.strategy = *strategy;
  if (const auto problem = settings.problem()) return group_failed(name, *problem);
  return std::nullopt;
}

Parsed<persistent::Filter> take_filter(const groups::CreateReq::AllOptions::FilterOptions& options) {
  using Options = groups::CreateReq::AllOptions::FilterOptions;
  if (options.filter_case() == Options::FILTER_NOT_SET) return invalid_argument("the filter has no kind");
  persistent::Filter filter;
  filter.on_stream = options.filter_case() == Options::kStreamIdentifier;
  const auto& expression = filter.on_stream ? options.stream_identifier() : options.event_type();
  filter.regex = expression.regex();
  filter.prefixes.assign(expression.prefix().begin(), expression.prefix().end());
  return filter;
}

template <class To, class From>
To clipped(From value) {
  return static_cast<To>(std::min<std::uint64_t>(static_cast<std::uint64_t>(value), std::numeric_limits<To>::max()));
}

}  // namespace

CallStatus group_failed(const GroupName& name, std::string reason) {
  return of_group(StatusCode::internal, "persistent-subscription-failed", name, "failed: " + reason, reason);
}

CallStatus group_not_found(const GroupName& name) {
  return of_group(StatusCode::not_found, "persistent-subscription-does-not-exist", name, "does not exist.");
}

CallStatus group_exists(const GroupName& name) {
  return of_group(StatusCode::already_exists, "persistent-subscription-exists", name, "exists already.");
}

CallStatus group_full(const GroupName& name) {
  return of_group(StatusCode::failed_precondition, "maximum-subscribers-reached", name,
                  "has as many consumers as it may have.");
}

CallStatus group_dropped(const GroupName& name, const persistent::Drop& drop) {
  switch (drop.kind) {
    case persistent::Drop::Kind::shutting_down: return shutting_down();
    case persistent::Drop::Kind::failed: return group_failed(name, drop.reason);
    case persistent::Drop::Kind::dropped: break;
  }
  return of_group(StatusCode::cancelled, "persistent-subscription-dropped", name, "was dropped: " + drop.reason);
}

CallStatus group_failure(const GroupName& name, const Failure& failure) {
  switch (failure.code) {
    case FailureCode::unavailable:
    case FailureCode::unknown_outcome: return from_failure(failure, name.source);
    case FailureCode::cancelled: return shutting_down();
    default: return group_failed(name, failure.reason);
  }
}

Parsed<GroupConfig> parse_create(const groups::CreateReq& request) {
  if (!request.has_options()) return invalid_argument("the options are missing");
  const auto& options = request.options();
  GroupConfig config;
  if (auto refused = take_common(options, config.name, config.settings, config.start)) return std::move(*refused);
  if (!options.has_all() || !options.all().has_filter()) return config;
  auto filter = take_filter(options.all().filter());
  if (auto* refused = std::get_if<CallStatus>(&filter)) return std::move(*refused);
  config.filter = std::move(std::get<persistent::Filter>(filter));
  return config;
}

Parsed<GroupUpdate> parse_update(const groups::UpdateReq& request) {
  if (!request.has_options()) return invalid_argument("the options are missing");
  GroupUpdate update;
  if (auto refused = take_common(request.options(), update.name, update.settings, update.start)) {
    return std::move(*refused);
  }
  return update;
}

void fill_info(groups::SubscriptionInfo& message, const persistent::GroupInfo& info) {
  const auto milliseconds = [](std::chrono::microseconds time) { return clipped<std::int32_t>(time.count() / 1'000); };
  const GroupName& name = info.config.name;
  const Settings& settings = info.config.settings;
  message.set_event_source(name.source);
  message.set_group_name(name.group);
  message.set_status(info.status);
  for (const auto& from : info.connections) {
    auto& connection = *message.add_connections();
    connection.set_from(from.who.from);
    connection.set_username(from.who.username);
    connection.set_connection_name(from.who.connection_name);
    connection.set_average_items_per_second(from.rate.per_second);
    connection.set_total_items(from.rate.total);
    connection.set_count_since_last_measurement(from.rate.since_last);
    connection.set_available_slots(clipped<std::int32_t>(from.available_slots));
    connection.set_in_flight_messages(clipped<std::int32_t>(from.in_flight));
    for (const auto& [key, value] : from.measurements) {
      auto& measurement = *connection.add_observed_measurements();
      measurement.set_key(key);
      measurement.set_value(value);
    }
  }
  message.set_average_per_second(info.rate.per_second);
  message.set_total_items(info.rate.total);
  message.set_count_since_last_measurement(info.rate.since_last);
  message.set_last_checkpointed_event_position(persistent::place_text(name, info.state.checkpoint));
  message.set_last_known_event_position(persistent::place_text(name, info.last_known));
  message.set_resolve_link_tos(settings.resolve_links);
  message.set_start_from(persistent::start_text(name, info.config.start));
  message.set_message_timeout_milliseconds(milliseconds(settings.message_timeout));
  message.set_extra_statistics(settings.extra_statistics);
  message.set_max_retry_count(settings.max_retry_count);
  message.set_live_buffer_size(settings.live_buffer_size);
  message.set_buffer_size(settings.history_buffer_size);
  message.set_read_batch_size(settings.read_batch_size);
  message.set_check_point_after_milliseconds(milliseconds(settings.checkpoint_after));
  message.set_min_check_point_count(settings.min_checkpoint_count);
  message.set_max_check_point_count(settings.max_checkpoint_count);
  message.set_max_subscriber_count(settings.max_subscriber_count);
  message.set_named_consumer_strategy(std::string(persistent::to_string(settings.strategy)));
  // One buffer stands for both of EventStore's, depending on where the group is.
  message.set_read_buffer_count(info.live ? 0 : clipped<std::int32_t>(info.state.waiting));
  message.set_live_buffer_count(info.live ? clipped<std::int64_t>(info.state.waiting) : 0);
  message.set_retry_buffer_count(clipped<std::int32_t>(info.state.retrying));
  message.set_total_in_flight_messages(clipped<std::int32_t>(info.state.in_flight));
  message.set_outstanding_messages_count(clipped<std::int32_t>(info.state.outstanding));
  message.set_parked_message_count(clipped<std::int64_t>(info.parked));
}

/// Event and link carry the position of what stood in the source.
groups::ReadResp event_response(const persistent::Delivery& delivery, bool string_ids) {
  groups::ReadResp response;
  auto& message = *response.mutable_event();
  const auto& payload = *delivery.payload;
  if (payload.original.position == Position::start()) {
    message.mutable_no_position();
  } else {
    message.set_commit_position(payload.original.position.commit);
  }
  message.set_retry_count(delivery.retry_count);
  if (!payload.resolved) {
    fill_recorded(*message.mutable_event(), payload.original, string_ids);
    return response;
  }
  fill_recorded(*message.mutable_link(), payload.original, string_ids);
  if (payload.target) {
    RecordedEvent target = *payload.target;
    target.position = payload.original.position;
    fill_recorded(*message.mutable_event(), std::move(target), string_ids);
  }
  return response;
}

}  // namespace twinstream::door
