#include "proxy/persistent/state_store.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "proxy/core/links.h"

namespace twinstream::persistent {
namespace {

constexpr int tries = 3;
constexpr int kept_checkpoints = 5;

Event state_event(std::string type, std::string data) {
  return {EventId::random(), std::move(type), std::move(data), {}, ContentType::json, {}};
}

Failure unreadable(const std::string& stream) {
  return {FailureCode::rejected, "the last event of " + stream + " was not written by this server", {}};
}

bool is_absent(const Failure& failure) {
  return failure.code == FailureCode::stream_not_found || failure.code == FailureCode::stream_deleted;
}

Result<Done> done_or_failure(const auto& answer) {
  if (!answer.ok()) return answer.failure();
  return Done{};
}

Awaitable<Result<std::optional<RecordedEvent>>> last_event(EventLog& log, const std::string& stream) {
  using Last = std::optional<RecordedEvent>;
  auto page = co_await log.read_stream({stream, Direction::backwards, std::nullopt, 1, false});
  if (!page.ok() && is_absent(page.failure())) co_return Last();
  if (!page.ok()) co_return page.failure();
  co_return page->events.empty() ? Last() : Last(std::move(page->events.front()));
}

}  // namespace

/// A lost answer is asked for again: repeating an append with its id is harmless.
Awaitable<Result<Appended>> StateStore::append(std::string stream, ExpectedRevision expected, Event event) {
  AppendRequest request{std::move(stream), expected, {}};
  request.events.push_back(std::move(event));
  for (int left = tries;; --left) {
    auto answer = co_await log_.append(request);
    if (!answer.failed_with(FailureCode::unknown_outcome) || left == 1) co_return answer;
  }
}

Awaitable<Result<Done>> StateStore::write_metadata(std::string stream, std::string json) {
  const auto written =
      co_await append("$$" + stream, ExpectedRevision::any(), state_event("$metadata", std::move(json)));
  co_return done_or_failure(written);
}

// ---- configuration

Awaitable<Result<StateStore::Configuration>> StateStore::load() {
  const std::string stream = config_stream(prefix_);
  auto last = co_await last_event(log_, stream);
  if (!last.ok()) co_return last.failure();
  Configuration configuration;
  if (!*last) co_return configuration;
  auto groups = parse_configuration((*last)->event.data);
  if (!groups) co_return unreadable(stream);
  configuration.groups = std::move(*groups);
  configuration.revision = (*last)->revision;
  co_return configuration;
}

Awaitable<Result<StateStore::Configuration>> StateStore::save(Configuration changed, Timestamp now) {
  const auto expected =
      changed.revision ? ExpectedRevision::exact(*changed.revision) : ExpectedRevision::no_stream();
  auto written = co_await append(config_stream(prefix_), expected,
                                 state_event("$PersistentConfig", to_json(changed.groups, now)));
  if (!written.ok()) co_return written.failure();
  changed.revision = written->revision;
  co_return changed;
}

// ---- checkpoint

Awaitable<Result<Done>> StateStore::prepare(const GroupName& name) {
  const std::string stream = checkpoint_stream(prefix_, name);
  const auto head = co_await log_.head(stream);
  if (!head.ok()) co_return head.failure();
  boost::json::object metadata{{"$maxCount", kept_checkpoints}};
  if (head->revision) metadata["$tb"] = *head->revision + 1;
  if (auto written = co_await write_metadata(stream, boost::json::serialize(metadata)); !written.ok()) co_return written;
  const auto parked = co_await parked_range(name);
  if (!parked.ok()) co_return parked.failure();
  if (parked->first == parked->next) co_return Done{};
  co_return co_await truncate_parked(name, parked->next);
}

Awaitable<Result<std::optional<Place>>> StateStore::load_checkpoint(const GroupName& name) {
  using Checkpoint = std::optional<Place>;
  const std::string stream = checkpoint_stream(prefix_, name);
  const auto last = co_await last_event(log_, stream);
  if (!last.ok()) co_return last.failure();
  if (!*last) co_return Checkpoint();
  boost::json::error_code error;
  const auto value = boost::json::parse((*last)->event.data, error);
  if (error || !value.is_string()) co_return unreadable(stream);
  const auto place = parse_place(name, std::string_view(value.get_string()));
  if (!place) co_return unreadable(stream);
  co_return Checkpoint(place);
}

Awaitable<Result<Done>> StateStore::store_checkpoint(const GroupName& name, const Place& place) {
  std::string data = boost::json::serialize(boost::json::value(place_text(name, place)));
  const auto written = co_await append(checkpoint_stream(prefix_, name), ExpectedRevision::any(),
                                       state_event("$SubscriptionCheckpoint", std::move(data)));
  co_return done_or_failure(written);
}

// ---- parked messages

Awaitable<Result<Done>> StateStore::park(const GroupName& name, const EventId& id, const ParkRequest& request,
                                         Timestamp now) {
  const RecordedEvent& original = request.payload->original;
  const boost::json::object metadata{{"added", to_rfc3339(now)},
                                     {"reason", request.reason},
                                     {"subscriptionEventNumber", original.revision}};
  Event link{id, std::string(link_type), {}, boost::json::serialize(metadata), ContentType::binary, {}};
  // What was parked before is a link already: the new one must point to the same event.
  link.data = request.replayed ? original.event.data : link_data(original.stream, original.revision);
  const auto written =
      co_await append(parked_stream(prefix_, name), ExpectedRevision::any(), std::move(link));
  co_return done_or_failure(written);
}

Awaitable<Result<StateStore::ParkedRange>> StateStore::parked_range(const GroupName& name) {
  const auto head = co_await log_.head(parked_stream(prefix_, name));
  if (!head.ok()) co_return head.failure();
  const std::uint64_t next = head->next_revision();
  if (head->state != Head::State::live) co_return ParkedRange{next, next};
  co_return ParkedRange{std::min(head->first_visible, next), next};
}

Awaitable<Result<std::vector<RecordedEvent>>> StateStore::read_parked(const GroupName& name, std::uint64_t from,
                                                                      std::size_t count) {
  auto page = co_await log_.read_stream({parked_stream(prefix_, name), Direction::forwards, from, count, false});
  if (!page.ok() && is_absent(page.failure())) co_return std::vector<RecordedEvent>();
  if (!page.ok()) co_return page.failure();
  co_return std::move(page->events);
}

Awaitable<Result<Done>> StateStore::truncate_parked(const GroupName& name, std::uint64_t before) {
  return write_metadata(parked_stream(prefix_, name), boost::json::serialize(boost::json::object{{"$tb", before}}));
}

Awaitable<Result<Done>> StateStore::forget(const GroupName& name) {
  const std::array streams{checkpoint_stream(prefix_, name), parked_stream(prefix_, name)};
  for (const auto& stream : streams) {
    const auto deleted = co_await log_.soft_delete(stream, ExpectedRevision::any());
    // Never written, or gone already.
    const bool absent = deleted.failed_with(FailureCode::wrong_expected_revision) ||
                        deleted.failed_with(FailureCode::stream_not_found) ||
                        deleted.failed_with(FailureCode::stream_deleted);
    if (!deleted.ok() && !absent) co_return deleted.failure();
  }
  co_return Done{};
}

}  // namespace twinstream::persistent
