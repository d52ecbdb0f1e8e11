#include "proxy/grpc/event_filter.h"

#include <algorithm>
#include <boost/regex.hpp>

namespace twinstream::door {
namespace {

constexpr std::size_t longest_expression = 4096;

}  // namespace

/// Perl syntax is nearest to the .NET expressions that clients write, look-around included. Matching is bounded: it
/// gives up with an exception when it becomes exponential.
struct EventFilter::Expression {
  boost::regex regex;
};

EventFilter::EventFilter() = default;
EventFilter::~EventFilter() = default;
EventFilter::EventFilter(EventFilter&&) noexcept = default;

Parsed<EventFilter> EventFilter::parse(const wire::streams::ReadReq::Options::FilterOptions& options) {
  using Options = wire::streams::ReadReq::Options::FilterOptions;
  if (options.filter_case() == Options::FILTER_NOT_SET) return invalid_argument("the filter has no kind");
  if (options.window_case() == Options::WINDOW_NOT_SET) return invalid_argument("the filter has no window");
  EventFilter filter;
  filter.on_stream_ = options.filter_case() == Options::kStreamIdentifier;
  const auto& expression = filter.on_stream_ ? options.stream_identifier() : options.event_type();
  if (expression.regex().empty()) {
    filter.prefixes_.assign(expression.prefix().begin(), expression.prefix().end());
    return filter;
  }
  if (expression.regex().size() > longest_expression) return invalid_argument("the filter's expression is too long");
  try {
    filter.expression_ = std::make_unique<Expression>(Expression{boost::regex(expression.regex())});
  } catch (const boost::regex_error& error) {
    return invalid_argument(std::string("the filter is no regular expression: ") + error.what());
  }
  return filter;
}

Result<bool> EventFilter::matches(const RecordedEvent& recorded) const {
  const std::string& text = on_stream_ ? recorded.stream : recorded.event.type;
  if (!expression_) {
    return std::any_of(prefixes_.begin(), prefixes_.end(),
                       [&](const auto& prefix) { return text.starts_with(prefix); });
  }
  try {
    return boost::regex_search(text, expression_->regex);
  } catch (const std::exception&) {
    return Failure{FailureCode::rejected, "the filter's expression takes too long to match: simplify it", {}};
  }
}

bool is_hidden_from_all(std::string_view stream) {
  if (!stream.starts_with('$')) return false;
  if (stream == "$epoch-information") return true;
  return stream.starts_with("$persistentsubscription-$all::") &&
         (stream.ends_with("-checkpoint") || stream.ends_with("-parked"));
}

}  // namespace twinstream::door
