#include "tests/simulation/scenario.h"

namespace twinstream::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned most_attempts = 12;

bool definite(const Failure& failure) {
  switch (failure.code) {
    case FailureCode::wrong_expected_revision:
    case FailureCode::stream_deleted:
    case FailureCode::id_conflict:
    case FailureCode::rejected: return true;
    default: return false;
  }
}

Awaitable<Result<Appended>> append_by_backend(Engine* engine, EventLog* table, AppendRequest request) {
  auto permit = co_await engine->admit_backend_write(std::string(category_of(request.stream)));
  if (!permit.ok()) co_return permit.failure();
  const std::string stream = request.stream;
  auto answer = co_await table->append(std::move(request));
  if (answer.ok()) answer->mirror = co_await engine->carry(stream);
  co_return answer;
}

}  // namespace

const std::string& Scenario::any_stream() { return plan_.streams[world_.dice.below(plan_.streams.size())]; }

std::vector<Event> Scenario::draw_events() {
  std::vector<Event> events;
  const std::uint64_t count = world_.dice.percent(70) ? 1 : 1 + world_.dice.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    Event event;
    event.id = world_.dice.event_id();
    event.type = world_.dice.percent(50) ? "Opened" : "Changed";
    event.data = R"({"number":)" + std::to_string(++events_drawn_) + "}";
    if (world_.dice.percent(50)) event.metadata = R"({"by": "client"})";
    events.push_back(std::move(event));
  }
  return events;
}

AppendRequest Scenario::draw_append(const std::string& stream) {
  AppendRequest request{stream, ExpectedRevision::any(), draw_events()};
  const auto known = history_.known_head(stream);
  switch (world_.dice.below(10)) {
    case 0: request.expected = ExpectedRevision::no_stream(); break;
    case 1: request.expected = ExpectedRevision::stream_exists(); break;
    case 2: request.expected = ExpectedRevision::exact(world_.dice.below(known.value_or(0) + 2)); break;
    case 3:
    case 4:
    case 5: request.expected = ExpectedRevision::before(known ? *known + 1 : 0); break;
    default: break;
  }
  return request;
}

Awaitable<void> Scenario::client() {
  for (unsigned i = 0; i < plan_.operations; ++i) {
    co_await world_.clock.sleep(world_.dice.up_to(milliseconds(400)));
    const std::string stream = any_stream();
    const std::uint64_t what = world_.dice.below(100);
    if (what < 30) {
      co_await read_something(stream);
    } else if (what < 37 && plan_.deletions) {
      co_await delete_something(stream);
    } else if (what < 50 && plan_.backend_writes) {
      co_await write_by_backend(stream);
    } else {
      co_await write_something(stream);
    }
  }
}

Awaitable<void> Scenario::write_something(std::string stream) {
  AppendRequest request = draw_append(stream);
  const auto answer = co_await write_until_answered(request);
  const bool again = answer.ok() && request.expected.kind != ExpectedRevision::Kind::stream_exists;
  if (again && world_.dice.percent(15)) co_await repeat(std::move(request));
}

/// A write that is still on its way may find a stream that fits it later. And where streams are deleted, a repetition
/// may be refused although the first attempt was written: the stream is gone by then.
bool Scenario::is_final_refusal(const AppendRequest& request) const {
  return !plan_.late_writes && !history_.may_be_deleted(request.stream);
}

/// Whether the log recognises the request when it is sent again. `no_stream` that has continued a deleted stream is not
/// recognised, by the rules of EventStore itself.
bool Scenario::is_repeatable(const AppendRequest& request) const {
  return request.expected.kind != ExpectedRevision::Kind::no_stream || !history_.may_be_deleted(request.stream);
}

/// As a careful client does it: the same ids again until there is an answer, or until it loses patience.
Awaitable<Result<Appended>> Scenario::write_until_answered(AppendRequest request) {
  Result<Appended> answer = Failure{FailureCode::unavailable, "not tried", {}};
  for (unsigned attempt = 0; attempt < most_attempts && (attempt == 0 || is_repeatable(request)); ++attempt) {
    Request<Appended> append = [request](Engine& engine) { return engine.log().append(request); };
    answer = co_await send<Appended>(process_.get(), std::move(append));
    if (answer.ok()) {
      world_.note(answer->duplicate ? "append repeated" : "append accepted", request.stream,
                  answer->revision.value_or(0));
      ++acknowledged_;
      history_.accepted(request, *answer);
      co_return answer;
    }
    world_.note(to_string(answer.failure().code), request.stream, answer.failure().actual.value_or(0));
    if (definite(answer.failure())) {
      if (is_final_refusal(request)) history_.refused(request, answer.failure());
      co_return answer;
    }
    co_await world_.clock.sleep(world_.dice.up_to(milliseconds(100) * (attempt + 1)));
  }
  co_return answer;
}

/// Somebody sends the same request once more, long after. The history compares the answers.
Awaitable<void> Scenario::repeat(AppendRequest request) {
  co_await world_.clock.sleep(world_.dice.up_to(seconds(3)));
  if (!is_repeatable(request)) co_return;
  Request<Appended> append = [request](Engine& engine) { return engine.log().append(request); };
  const auto answer = co_await send<Appended>(process_.get(), std::move(append));
  if (answer.ok()) {
    if (!answer->duplicate) history_.violation("a repeated append to " + request.stream + " was written again");
    history_.accepted(request, *answer);
  } else if (definite(answer.failure()) && !history_.may_be_deleted(request.stream)) {
    history_.violation("a repeated append to " + request.stream + " was refused: " + answer.failure().reason);
  }
}

Awaitable<void> Scenario::write_by_backend(std::string stream) {
  AppendRequest request{stream, ExpectedRevision::any(), draw_events()};
  Request<Appended> append = [this, request](Engine& engine) {
    return append_by_backend(&engine, &world_.postgres, request);
  };
  const auto answer = co_await send<Appended>(process_.get(), std::move(append));
  if (answer.ok()) {
    world_.note("backend wrote", stream, answer->revision.value_or(0));
    history_.accepted(request, *answer);
  }
}

Awaitable<void> Scenario::read_something(std::string stream) {
  const auto known = history_.known_head(stream);
  ReadStream request{stream, Direction::forwards, 0, 500, false};
  if (world_.dice.percent(50)) request = {stream, Direction::backwards, std::nullopt, 1, false};
  Request<StreamPage> read = [request](Engine& engine) { return engine.log().read_stream(request); };
  const auto answer = co_await send<StreamPage>(process_.get(), std::move(read));
  world_.note("read", stream, answer.ok() ? answer->head.next_revision() : 0);
  history_.read(stream, known, answer);
}

Awaitable<void> Scenario::delete_something(std::string stream) {
  // A tombstone on a stream that never had an event leaves nothing to carry: nobody else ever hears of it.
  if (!history_.known_head(stream)) co_return;
  history_.touched_deletion(stream);
  const std::uint64_t what = world_.dice.below(10);
  Request<Deleted> change = [stream](Engine& engine) {
    return engine.log().soft_delete(stream, ExpectedRevision::any());
  };
  if (what == 0) {
    change = [stream](Engine& engine) { return engine.log().tombstone(stream, ExpectedRevision::any()); };
  }
  if (what > 0 && what < 4) {
    Request<Done> restore = [stream](Engine& engine) { return engine.log().restore(stream); };
    const auto answer = co_await send<Done>(process_.get(), std::move(restore));
    world_.note("restore", stream, answer.ok());
    co_return;
  }
  const auto answer = co_await send<Deleted>(process_.get(), std::move(change));
  world_.note(what == 0 ? "tombstone" : "soft delete", stream, answer.ok());
}

/// A script that writes to the old table behind everybody's back. It must be stopped before the table is retired.
Awaitable<void> Scenario::bypass() {
  for (unsigned i = 0; i < plan_.bypass_writes; ++i) {
    co_await world_.clock.sleep(world_.dice.up_to(seconds(2)));
    if (!backend_may_write_) co_return;
    AppendRequest request{any_stream(), ExpectedRevision::any(), draw_events()};
    const auto answer = co_await world_.postgres.append(request);
    if (!answer.ok()) continue;
    world_.note("bypass wrote", request.stream, answer->revision.value_or(0));
    // Nobody who reads through Twinstream was told: what is known only grows when somebody is shown it.
  }
}

bool Scenario::in_force(Phase phase) {
  if (!process_ || !process_->serving()) return false;
  for (const auto& category : process_->engine().status().categories) {
    if (category.state.phase != phase) return false;
  }
  return true;
}

/// Edits the file, sometimes waiting until it is in force and sometimes not.
Awaitable<void> Scenario::operate() {
  for (const Phase phase : plan_.walk) {
    co_await world_.clock.sleep(world_.dice.up_to(seconds(3)));
    if (phase == Phase::retire) {
      backend_may_write_ = false;
      co_await world_.clock.sleep(seconds(1));
    }
    wanted_ = phase;
    world_.note("wanted phase", to_string(phase));
    const bool waits = world_.dice.percent(80);
    for (unsigned looks = 0; waits && looks < 100 && !in_force(phase); ++looks) {
      co_await world_.clock.sleep(milliseconds(500));
    }
  }
}

Awaitable<void> Scenario::outages() {
  const std::uint64_t count = 1 + world_.dice.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    co_await world_.clock.sleep(world_.dice.up_to(seconds(6)));
    const std::string store = world_.dice.percent(70) ? "eventstore" : "postgres";
    weather_.set_down(store, true);
    co_await world_.clock.sleep(world_.dice.up_to(seconds(4)));
    weather_.set_down(store, false);
  }
}

}  // namespace twinstream::simulation
