#include "adapters/postgres/lane.h"

#include <algorithm>
#include <unordered_set>

#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

constexpr std::size_t batch_bytes = 4 * 1024 * 1024;
constexpr std::size_t queue_bytes = 64 * 1024 * 1024;
constexpr std::size_t remembered_streams = 100'000;
constexpr std::chrono::milliseconds recovery_time{3'000};
constexpr std::chrono::nanoseconds longest_gathering = std::chrono::milliseconds(5);

// Nested loops over the indexes are right for every batch size; on a table without statistics the planner would not
// always think so. Generic plans save planning the function's statements at every call.
constexpr const char* lane_setup =
    "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_hashjoin = off;"
    "set enable_mergejoin = off;";

std::size_t bytes_of(const AppendRequest& request) {
  std::size_t bytes = request.stream.size() + 64;
  for (const auto& event : request.events) bytes += event.data.size() + event.metadata.size() + event.type.size() + 64;
  return bytes;
}

Failure unknown() {
  return {FailureCode::unknown_outcome, "the connection to PostgreSQL broke before it answered; repeat the append", {}};
}

}  // namespace

Lane::Lane(const PostgresConfig& config, std::shared_ptr<const Shape> shape)
    : config_(config),
      shape_(std::move(shape)),
      function_(append_function(*shape_)),
      quick_(quick_function(*shape_)),
      session_(config, lane_setup),
      heads_(remembered_streams),
      thread_([this] { serve(); }) {}

Lane::~Lane() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Lane::append(AppendRequest request, Completion<Result<Appended>> done) {
  const std::size_t bytes = bytes_of(request);
  std::unique_lock lock(mutex_);
  if (queue_.size() >= config_.queue_limit || queued_bytes_ + bytes > queue_bytes) {
    lock.unlock();
    return done(Failure{FailureCode::unavailable, "too many appends wait for PostgreSQL (queue_limit)", {}});
  }
  queued_bytes_ += bytes;
  queue_.push_back({std::move(request), std::move(done)});
  const bool enough = queue_.size() == wanted_;
  lock.unlock();
  if (enough) changed_.notify_one();
}

void Lane::serve() {
  std::size_t expected = 1;
  SteadyClock::duration last{};
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    gather(lock, expected, std::min(last / 8, longest_gathering));
    if (queue_.empty()) return;  // stopping, and everybody was answered
    auto batch = take_batch();
    const std::size_t committed = batch.size();
    lock.unlock();
    const auto start = SteadyClock::now();
    commit(std::move(batch));
    const auto end = SteadyClock::now();
    lock.lock();
    expected = std::min(committed + queue_.size(), config_.batch_limit);
    last = end - start;
  }
}

/// Waits for (nearly) as many as are expected, unless waiting for them has been in vain.
void Lane::gather(std::unique_lock<std::mutex>& lock, std::size_t expected, SteadyClock::duration limit) {
  const std::size_t wanted = expected - expected / 8;
  if (queue_.size() >= wanted || !gathering_.due()) return;
  wanted_ = wanted;
  gathering_.tell(changed_.wait_for(lock, limit, [this] { return stopping_ || queue_.size() >= wanted_; }));
  wanted_ = 1;
}

/// The caller holds the lock. A repeated event id ends the batch: the second append must see the first one stored.
std::vector<Lane::Waiting> Lane::take_batch() {
  std::vector<Waiting> batch;
  std::unordered_set<EventId> ids;
  std::size_t bytes = 0;
  while (!queue_.empty()) {
    const auto& next = queue_.front().request;
    const std::size_t size = bytes_of(next);
    const bool full = ids.size() + next.events.size() > config_.batch_limit || bytes + size > batch_bytes ||
                      batch.size() >= config_.batch_limit;
    const auto taken = [&ids](const Event& event) { return ids.contains(event.id); };
    if (!batch.empty() && (full || std::any_of(next.events.begin(), next.events.end(), taken))) break;
    for (const auto& event : next.events) ids.insert(event.id);
    bytes += size;
    queued_bytes_ -= size;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void Lane::commit(std::vector<Waiting> batch) {
  Requests requests;
  requests.reserve(batch.size());
  for (const auto& waiting : batch) requests.push_back(&waiting.request);
  auto answers = execute(requests, {});
  std::vector<Completion<Result<Appended>>::Answer> all;
  all.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) all.push_back({std::move(batch[i].done), std::move(answers[i])});
  Completion<Result<Appended>>::call_all(std::move(all));
}

Lane::Answers Lane::execute(const Requests& requests, Trial trial) {
  while (true) {
    const auto connection = session_.connected();
    if (!connection.ok() && !trial.uncertain) return Answers(requests.size(), connection.failure());
    if (connection.ok() && (!trial.old || ended(**connection, *trial.old))) {
      trial.old.reset();
      const auto backend = (*connection)->backend();
      try {
        return call(**connection, requests);
      } catch (const DatabaseError& error) {
        if (!error.lost()) return after_refusal(requests, error, trial);
        session_.drop();
        return after_loss(requests, trial, backend);
      }
    }
    if (SteadyClock::now() >= trial.deadline) return Answers(requests.size(), unknown());
    pause();
  }
}

Lane::Answers Lane::call(Connection& connection, const Requests& requests) {
  if (connection.backend() != backend_) heads_.clear();
  backend_ = connection.backend();
  auto quick = call_quick(connection, requests);
  auto answers = quick ? std::move(*quick)
                       : decode_answers(requests, connection.query(function_.call, encode_batch(*shape_, requests)));
  heads_.learn(requests, answers);
  return answers;
}

/// Nothing when it has to be the append function. A batch that the quick function loses is paid for twice; while that
/// happens again and again (other writers in the same streams, many repetitions) it is tried more rarely.
std::optional<Lane::Answers> Lane::call_quick(Connection& connection, const Requests& requests) {
  if (!quick_) return std::nullopt;
  const auto places = heads_.places(requests);
  if (!places || !quick_tries_.due()) return std::nullopt;
  try {
    const auto rows = connection.query(quick_->call, encode_placed(*shape_, requests, *places));
    if (!rows.empty()) {
      quick_tries_.tell(true);
      return decode_placed(requests, *places, rows);
    }
  } catch (const DatabaseError& error) {
    if (!error.lost_a_race()) throw;
  }
  quick_tries_.tell(false);
  return std::nullopt;
}

/// The transaction was rolled back. One of the requests is to blame: each gets a transaction of its own.
Lane::Answers Lane::after_refusal(const Requests& requests, const DatabaseError& error, const Trial& trial) {
  if (requests.size() == 1) return {redo(*requests.front(), error, trial)};
  Answers answers;
  for (const auto* request : requests) {
    answers.push_back(std::move(execute({request}, trial).front()));
  }
  return answers;
}

/// Repeats what can be recognised as a repetition, after the old backend has ended: it must not commit behind us.
Lane::Answers Lane::after_loss(const Requests& requests, Trial trial, Connection::Backend backend) {
  if (!trial.uncertain) trial.deadline = SteadyClock::now() + recovery_time;
  trial.uncertain = true;
  trial.old = std::move(backend);
  Requests again;
  for (const auto* request : requests) {
    if (repeatable(*request)) again.push_back(request);
  }
  if (SteadyClock::now() >= trial.deadline) again.clear();
  Answers repeated;
  if (!again.empty()) repeated = execute(again, trial);
  Answers answers;
  for (const auto* request : requests) {
    const auto place = std::find(again.begin(), again.end(), request);
    if (place == again.end())
      answers.push_back(unknown());
    else
      answers.push_back(std::move(repeated[static_cast<std::size_t>(place - again.begin())]));
  }
  return answers;
}

/// A single request that was refused. When another writer took its place or its id in the very moment, the next try
/// sees what that writer stored and decides anew.
Result<Appended> Lane::redo(const AppendRequest& request, DatabaseError error, Trial trial) {
  for (int lost = 1; error.lost_a_race() && lost < races_lost_before_giving_up; ++lost) {
    const auto connection = session_.connected();
    if (!connection.ok()) break;
    const auto backend = (*connection)->backend();
    try {
      return std::move(call(**connection, {&request}).front());
    } catch (const DatabaseError& next) {
      if (next.lost()) {
        session_.drop();
        return std::move(after_loss({&request}, trial, backend).front());
      }
      error = next;
    }
  }
  return refusal(error, trial.uncertain);
}

Result<Appended> Lane::refusal(const DatabaseError& error, bool uncertain) const {
  auto failure = to_failure(error);
  const std::string_view text = error.what();
  const auto violates = [&](const std::string& index) {
    return text.find('"' + index + '"') != std::string_view::npos;
  };
  if (error.state() == "23505") {
    const auto& revisions = shape_->revision_indexes;
    const auto& ids = shape_->id_indexes;
    if (std::any_of(revisions.begin(), revisions.end(), violates)) {
      failure = {
          FailureCode::unavailable, "another writer keeps taking the next revision of the stream; try again", {}};
    } else if (std::any_of(ids.begin(), ids.end(), violates)) {
      failure = {
          FailureCode::id_conflict, "an event id of this append belongs to a row that is no event: use a new id", {}};
    }
  }
  if (error.state() == "42883" || error.state() == "3F000") {
    failure.reason = "the append function is missing from schema " + config_.control_schema + "; run twinstream init";
  }
  if (uncertain && failure.code == FailureCode::unavailable) return unknown();
  return failure;
}

bool Lane::repeatable(const AppendRequest& request) const {
  using Kind = ExpectedRevision::Kind;
  const bool by_place = request.expected.kind == Kind::exact || request.expected.kind == Kind::no_stream;
  return request.events.empty() || by_place || shape_->id.has_value();
}

/// Asks the server to end the lost connection's backend and waits until it is gone.
bool Lane::ended(Connection& connection, const Connection::Backend& old) {
  try {
    connection.query(
        "select pg_terminate_backend(pid, 1000) from pg_stat_activity "
        "where pid = $1::bigint and backend_start = $2::text::timestamptz",
        {binary_integer(old.pid), old.started});
    return connection
        .query("select 1 from pg_stat_activity where pid = $1::bigint and backend_start = $2::text::timestamptz",
               {binary_integer(old.pid), old.started})
        .empty();
  } catch (const DatabaseError& error) {
    if (error.lost()) session_.drop();
    return false;
  }
}

void Lane::pause() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(20), [this] { return stopping_; });
}

}  // namespace twinstream::postgres
