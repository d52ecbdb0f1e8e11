#include "proxy/engine/checker.h"

#include <algorithm>

#include "proxy/engine/concurrently.h"

namespace twinstream {
namespace {

constexpr std::size_t fold_page_events = 2'000;
constexpr std::size_t streams_at_once = 32;
constexpr std::chrono::milliseconds recheck_pause{50};
constexpr unsigned most_passes = 256;

unsigned part_of(std::string_view stream, unsigned parts) {
  return static_cast<unsigned>(std::hash<std::string_view>{}(stream) % parts);
}

/// `$$contact-1` and a tombstone say that contact-1 has been deleted, restored or limited at some time.
std::optional<std::string> deletion_mark(const RecordedEvent& event) {
  if (event.stream.starts_with("$$")) return event.stream.substr(2);
  if (event.event.type == "$streamDeleted") return event.stream;
  return std::nullopt;
}

std::string describe(const Head& head) {
  switch (head.state) {
    case Head::State::none: return "not there";
    case Head::State::live:
      return head.first_visible == 0 ? "live" : "live from revision " + std::to_string(head.first_visible);
    case Head::State::soft_deleted: return "soft-deleted";
    case Head::State::tombstoned: return "tombstoned";
  }
  return "?";
}

bool same_visibility(const Head& one, const Head& other) {
  if (one.state != other.state) return false;
  return one.state != Head::State::live || one.first_visible == other.first_visible;
}

}  // namespace

Checker::Checker(boost::asio::any_io_executor executor, Clock& clock, EventLog& postgres, EventLog& eventstore,
                 Comparison comparison)
    : executor_(std::move(executor)),
      clock_(clock),
      postgres_(postgres),
      eventstore_(eventstore),
      comparison_(std::move(comparison)) {}

Awaitable<CheckReport> Checker::run(CheckOptions options) {
  CheckReport report;
  const auto began = clock_.monotonic();
  unsigned passes = 1;
  for (unsigned pass = 0; pass < passes && report.trouble.empty();) {
    if (co_await check_part(options, pass, passes, report)) {
      ++pass;
    } else {
      // Too many streams for the memory allowed: start again in smaller parts.
      passes *= 4;
      pass = 0;
      report = {};
      if (passes > most_passes) report.trouble = "more streams than can be compared with the memory allowed";
    }
  }
  report.seconds = std::chrono::duration<double>(clock_.monotonic() - began).count();
  report.finished = to_rfc3339(clock_.now());
  co_return report;
}

/// False when the streams of this part do not fit.
Awaitable<bool> Checker::check_part(const CheckOptions& options, unsigned pass, unsigned passes, CheckReport& report) {
  Folds folds;
  stateful_.clear();
  hidden_.clear();
  const Part part = [=](std::string_view stream) { return part_of(stream, passes) == pass; };
  report.skipped.clear();  // every pass sees all events
  auto folded = co_await fold_both(folds, part, options, report);
  if (!folded) {
    report.trouble = folded.failure().reason;
    co_return true;
  }
  if (too_many_) co_return false;
  co_await look_for_deletions(folds);
  std::vector<std::string> suspects;
  for (const auto& [stream, pair] : folds) {
    ++report.streams;
    if (pair.postgres == pair.eventstore && pair.postgres.contiguous && !stateful_.contains(stream)) {
      ++report.equal;
    } else {
      suspects.push_back(stream);
    }
  }
  std::sort(suspects.begin(), suspects.end());
  report.rechecked += suspects.size();
  co_await recheck(std::move(suspects), folds, options, report);
  if (!hidden_.empty()) co_await recheck_hidden(options, report);
  co_return true;
}

/// PostgreSQL first: what is written meanwhile makes EventStore look longer, not shorter.
Awaitable<Result<Done>> Checker::fold_both(Folds& folds, const Part& part, const CheckOptions& options,
                                           CheckReport& report) {
  too_many_ = false;
  auto folded = co_await fold(postgres_, Side::postgres, folds, part, options, report);
  if (folded && !too_many_) folded = co_await fold(eventstore_, Side::eventstore, folds, part, options, report);
  co_return folded;
}

Awaitable<Result<Done>> Checker::fold(EventLog& log, Side side, Folds& folds, const Part& part,
                                      const CheckOptions& options, CheckReport& report) {
  const std::string& name = log.traits().name;
  auto tip = co_await log.tip();
  if (!tip) co_return Failure{tip.failure().code, name + ": " + tip.failure().reason, {}};
  std::uint64_t& events = side == Side::postgres ? report.postgres_events : report.eventstore_events;
  for (Position at; at < *tip;) {
    auto page = co_await log.read_all({Direction::forwards, at, fold_page_events});
    if (!page) co_return Failure{page.failure().code, name + ": " + page.failure().reason, {}};
    for (const RecordedEvent& event : page->events) {
      if (auto marked = deletion_mark(event)) stateful_.insert(std::move(*marked));
      if (is_system_stream(event.stream) || event.event.type.starts_with('$')) {
        ++report.skipped["system events in " + name];
      } else if (!options.wants(event.stream)) {
        ++report.skipped["events of other categories in " + name];
      } else if (part(event.stream)) {
        ++events;
        Pair& pair = folds[event.stream];
        add(side == Side::postgres ? pair.postgres : pair.eventstore, event, comparison_.comparable(event, side));
      }
    }
    too_many_ = folds.size() > options.streams_in_memory;
    if (too_many_ || (page->events.empty() && page->end)) break;
    at = page->next;
  }
  co_return Done{};
}

/// A log that does not show deletions in its global order is asked for every stream.
Awaitable<void> Checker::look_for_deletions(const Folds& folds) {
  for (EventLog* log : {&postgres_, &eventstore_}) {
    if (log->traits().marks_deletions) continue;
    std::vector<std::string> streams;
    streams.reserve(folds.size());
    for (const auto& [stream, pair] : folds) {
      if (pair.postgres == pair.eventstore && !stateful_.contains(stream)) streams.push_back(stream);
    }
    std::function<Awaitable<void>(std::string)> work = [this, log](std::string stream) {
      return look_at_state(*log, std::move(stream));
    };
    co_await for_each_concurrently<std::string>(executor_, std::move(streams), streams_at_once, std::move(work));
  }
}

Awaitable<void> Checker::look_at_state(EventLog& log, std::string stream) {
  auto head = co_await log.head(stream);
  const bool plain = head && head->state == Head::State::live && head->first_visible == 0;
  if (!plain) stateful_.insert(std::move(stream));
}

Awaitable<void> Checker::recheck(std::vector<std::string> suspects, const Folds& folds, const CheckOptions& options,
                                 CheckReport& report) {
  const auto deadline = clock_.monotonic() + options.patience;
  std::function<Awaitable<void>(std::string)> work = [&, deadline](std::string stream) {
    return recheck_one(std::move(stream), deadline, folds, options, report);
  };
  co_await for_each_concurrently<std::string>(executor_, std::move(suspects), streams_at_once, std::move(work));
  std::sort(report.differences.begin(), report.differences.end(),
            [](const CheckDifference& a, const CheckDifference& b) { return a.stream < b.stream; });
}

Awaitable<void> Checker::recheck_one(std::string stream, std::chrono::nanoseconds deadline, const Folds& folds,
                                     const CheckOptions& options, CheckReport& report) {
  Look last = co_await look(stream);
  while (last.verdict != Verdict::equal && clock_.monotonic() < deadline) {
    co_await clock_.sleep(recheck_pause);
    last = co_await look(stream);
  }
  const Pair& pair = folds.at(stream);
  if (last.verdict == Verdict::equal && last.hides_events && pair.postgres != pair.eventstore) {
    hidden_.insert(stream);
  } else {
    count(last, options, report);
  }
}

/// Events that a soft delete hides are only seen in the global order: these streams are folded once more.
Awaitable<void> Checker::recheck_hidden(const CheckOptions& options, CheckReport& report) {
  Folds folds;
  CheckReport aside;
  const Part part = [this](std::string_view stream) { return hidden_.contains(std::string(stream)); };
  auto folded = co_await fold_both(folds, part, options, aside);
  for (const std::string& stream : hidden_) {
    const Pair& pair = folds[stream];
    if (!folded) {
      count({Verdict::unknown, {stream, 0, "could not be read: " + folded.failure().reason}}, options, report);
    } else if (pair.postgres == pair.eventstore) {
      count({Verdict::equal, {}}, options, report);
    } else {
      count({Verdict::different, {stream, 0, "events that a soft delete hides are not the same"}}, options, report);
    }
  }
}

void Checker::count(const Look& look, const CheckOptions& options, CheckReport& report) {
  switch (look.verdict) {
    case Verdict::equal: ++report.equal; return;
    case Verdict::different: ++report.different; break;
    case Verdict::missing: ++report.missing; break;
    case Verdict::extra: ++report.extra; break;
    case Verdict::unknown: ++report.unknown; break;
  }
  if (report.differences.size() < options.max_differences) report.differences.push_back(look.difference);
}

/// One stream as it is now, on both sides.
Awaitable<Checker::Look> Checker::look(std::string stream) {
  auto postgres = co_await postgres_.head(stream);
  auto eventstore = co_await eventstore_.head(stream);
  if (!postgres || !eventstore) {
    const Failure& failure = postgres ? eventstore.failure() : postgres.failure();
    co_return Look{Verdict::unknown, {stream, 0, "could not be read: " + failure.reason}};
  }
  if (postgres->state == Head::State::tombstoned && eventstore->state == Head::State::tombstoned) {
    co_return Look{Verdict::equal, {}};
  }
  const std::uint64_t here = postgres->next_revision();
  const std::uint64_t there = eventstore->next_revision();
  if (here > 0 && there == 0) co_return Look{Verdict::missing, {stream, 0, "is in postgres only"}};
  if (here == 0 && there > 0) co_return Look{Verdict::extra, {stream, 0, "is in eventstore only"}};
  if (!same_visibility(*postgres, *eventstore)) {
    co_return Look{Verdict::different, {stream, 0, "is " + describe(*postgres) + " in postgres and " +
                                                       describe(*eventstore) + " in eventstore"}};
  }
  if (here != there) {
    co_return Look{Verdict::different, {stream, std::min(here, there), "has " + std::to_string(here) +
                                            " events in postgres and " + std::to_string(there) + " in eventstore"}};
  }
  const std::uint64_t first = postgres->state == Head::State::soft_deleted ? here : postgres->first_visible;
  Look compared = co_await compare_events(stream, first, here);
  compared.hides_events = first > 0;
  co_return compared;
}

/// Events before `first` are hidden on both sides and cannot be read by stream: they were compared by the fold.
Awaitable<Checker::Look> Checker::compare_events(std::string stream, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t at = first; at < count;) {
    const ReadStream request{stream, Direction::forwards, at, 500, false};
    auto postgres = co_await postgres_.read_stream(request);
    auto eventstore = co_await eventstore_.read_stream(request);
    if (!postgres || !eventstore) {
      const Failure& failure = postgres ? eventstore.failure() : postgres.failure();
      co_return Look{Verdict::unknown, {stream, at, "could not be read: " + failure.reason}};
    }
    const std::size_t pairs = std::min(postgres->events.size(), eventstore->events.size());
    if (pairs == 0) co_return Look{Verdict::unknown, {stream, at, "events below the head are not readable"}};
    for (std::size_t i = 0; i < pairs; ++i, ++at) {
      if (postgres->events[i].revision != at || eventstore->events[i].revision != at) {
        co_return Look{Verdict::different, {stream, at, "this revision is missing on one side"}};
      }
      const auto ours = comparison_.comparable(postgres->events[i], Side::postgres);
      const auto theirs = comparison_.comparable(eventstore->events[i], Side::eventstore);
      if (ours != theirs) co_return Look{Verdict::different, {stream, at, difference(ours, theirs)}};
    }
  }
  co_return Look{Verdict::equal, {}};
}

}  // namespace twinstream
