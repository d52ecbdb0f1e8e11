#include "proxy/grpc/read_plan.h"

namespace twinstream::door {
namespace {

using Options = wire::streams::ReadReq::Options;
using Failed = std::optional<CallStatus>;

constexpr std::uint32_t default_window = 32;

bool out_of_range(std::uint64_t number) { return number > largest_revision && number != wire_minus_one; }

Failed parse_stream_start(const Options::StreamOptions& options, ReadPlan& plan) {
  plan.stream = stream_name(options.stream_identifier());
  if (plan.stream->empty()) return unknown("the stream has no name");
  switch (options.revision_option_case()) {
    case Options::StreamOptions::kStart: plan.start = ReadPlan::Start::start; break;
    case Options::StreamOptions::kEnd: plan.start = ReadPlan::Start::end; break;
    case Options::StreamOptions::kRevision:
      if (out_of_range(options.revision())) return unknown("the start revision is out of range");
      plan.start = options.revision() == wire_minus_one ? ReadPlan::Start::end : ReadPlan::Start::at;
      plan.revision = options.revision();
      break;
    case Options::StreamOptions::REVISION_OPTION_NOT_SET: return unknown("the start of the read is not set");
  }
  const bool past_the_end = plan.count && plan.direction == Direction::forwards && plan.start == ReadPlan::Start::end;
  if (past_the_end) return unknown("a stream cannot be read forwards from its end");
  if (plan.count == 0u) return unknown("the number of events to read is 0");
  return std::nullopt;
}

Failed parse_all_start(const Options::AllOptions& options, ReadPlan& plan) {
  switch (options.all_option_case()) {
    case Options::AllOptions::kStart: plan.start = ReadPlan::Start::start; return std::nullopt;
    case Options::AllOptions::kEnd: plan.start = ReadPlan::Start::end; return std::nullopt;
    case Options::AllOptions::ALL_OPTION_NOT_SET: return unknown("the start of the read is not set");
    case Options::AllOptions::kPosition: break;
  }
  plan.position = {options.position().commit_position(), options.position().prepare_position()};
  if (plan.position.commit < plan.position.prepare)
    return unknown("the commit position lies before the prepare position");
  if (out_of_range(plan.position.commit) || out_of_range(plan.position.prepare)) {
    return unknown("the start position is out of range");
  }
  plan.start = ReadPlan::Start::at;
  if (plan.position == Position::end()) plan.start = ReadPlan::Start::end;
  if (plan.position == Position::start()) plan.start = ReadPlan::Start::start;
  return std::nullopt;
}

Failed parse_filter(const Options::FilterOptions& options, ReadPlan& plan) {
  auto parsed = EventFilter::parse(options);
  if (auto* status = std::get_if<CallStatus>(&parsed)) return std::move(*status);
  plan.filter.emplace(std::move(std::get<EventFilter>(parsed)));
  const std::uint32_t window = options.has_max() ? options.max() : default_window;
  if (window == 0) return invalid_argument("the filter's window is 0");
  plan.checkpoint_interval = std::uint64_t{window} * options.checkpointintervalmultiplier();
  if (!plan.count && plan.checkpoint_interval == 0) return unknown("the checkpoint interval is 0");
  return std::nullopt;
}

Failed parse_what(const Options& options, ReadPlan& plan) {
  if (!options.has_uuid_option()) return invalid_argument("the form of UUIDs is not set");
  if (options.stream_option_case() == Options::STREAM_OPTION_NOT_SET) {
    return invalid_argument("neither a stream nor the whole log is named");
  }
  if (options.count_option_case() == Options::COUNT_OPTION_NOT_SET) {
    return invalid_argument("neither a number of events nor a subscription is asked for");
  }
  if (options.filter_option_case() == Options::FILTER_OPTION_NOT_SET) {
    return invalid_argument("neither a filter nor no filter is set");
  }
  if (options.has_filter() && options.has_stream()) return invalid_argument("a stream cannot be filtered");
  const bool backwards = options.read_direction() == Options::Backwards;
  if (!backwards && options.read_direction() != Options::Forwards) return invalid_argument("the direction is unknown");
  if (options.has_subscription() && backwards) return invalid_argument("a subscription cannot run backwards");
  plan.direction = backwards ? Direction::backwards : Direction::forwards;
  if (options.has_count()) plan.count = options.count();
  plan.resolve_links = options.resolve_links();
  plan.string_ids = options.uuid_option().has_string();
  plan.tells_positions = options.control_option().compatibility() >= 1;
  return std::nullopt;
}

}  // namespace

Parsed<ReadPlan> ReadPlan::parse(const wire::streams::ReadReq& request) {
  const Options& options = request.options();
  ReadPlan plan;
  Failed failed = parse_what(options, plan);
  if (!failed && options.has_filter()) failed = parse_filter(options.filter(), plan);
  if (!failed)
    failed = options.has_stream() ? parse_stream_start(options.stream(), plan) : parse_all_start(options.all(), plan);
  if (failed) return std::move(*failed);
  return plan;
}

}  // namespace twinstream::door
