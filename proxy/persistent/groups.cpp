#include "proxy/persistent/groups.h"

#include "proxy/core/log.h"
#include "proxy/core/run_on.h"

namespace twinstream::persistent {
namespace {

constexpr std::size_t most_groups = 1'000;
constexpr int rounds_on_conflict = 3;

Failure closed() { return {FailureCode::unavailable, "the server is shutting down", {}}; }

}  // namespace

/// Whoever has it may change the configuration; given back at the end of its scope.
class Groups::Turn {
 public:
  explicit Turn(Groups& groups) : groups_(groups) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Awaitable<void> take() {
    auto start = [&](Completion<Done> done) {
      std::unique_lock lock(groups_.mutex_);
      if (std::exchange(groups_.busy_, true)) return groups_.waiting_.push_back(std::move(done));
      lock.unlock();
      done(Done{});
    };
    co_await await_completion<Done>(start);
    taken_ = true;
  }

  ~Turn() {
    if (!taken_) return;
    std::unique_lock lock(groups_.mutex_);
    if (groups_.waiting_.empty()) {
      groups_.busy_ = false;
      return;
    }
    auto next = std::move(groups_.waiting_.front());
    groups_.waiting_.pop_front();
    lock.unlock();
    next(Done{});
  }

 private:
  Groups& groups_;
  bool taken_ = false;
};

Groups::Groups(Environment environment) : environment_(std::move(environment)) {}

// ---- configuration

Awaitable<Result<Done>> Groups::load() {
  {
    std::scoped_lock lock(mutex_);
    if (stopping_) co_return closed();
    if (loaded_) co_return Done{};
  }
  auto configuration = co_await environment_.state.load();
  if (!configuration.ok()) co_return configuration.failure();
  std::unique_lock lock(mutex_);
  if (std::exchange(loaded_, true)) co_return Done{};
  revision_ = configuration->revision;
  auto before = std::exchange(entries_, {});
  for (auto& config : configuration->groups) {
    const auto known = before.find(config.name);
    const bool same = known != before.end() && known->second.config == config;
    entries_.emplace(config.name, same ? std::exchange(known->second, {}) : Entry{config, nullptr});
  }
  lock.unlock();
  // What somebody else has deleted or changed.
  for (auto& [name, entry] : before) end(std::move(entry.runner), {Drop::Kind::dropped, "the group was changed"});
  co_return Done{};
}

void Groups::end(std::shared_ptr<Runner> runner, Drop drop) {
  if (!runner) return;
  const auto executor = runner->executor();
  environment_.spawn(executor, [](std::shared_ptr<Runner> ending, Drop why) -> Awaitable<void> {
    co_await ending->stop(std::move(why), true);
  }(std::move(runner), std::move(drop)));
}

StateStore::Configuration Groups::configuration() const {
  std::scoped_lock lock(mutex_);
  StateStore::Configuration configuration{{}, revision_};
  for (const auto& [name, entry] : entries_) configuration.groups.push_back(entry.config);
  return configuration;
}

/// After a conflict (another server on the same streams has changed something) all is read anew.
Awaitable<Result<Done>> Groups::save(StateStore::Configuration changed) {
  const auto saved = co_await environment_.state.save(std::move(changed), environment_.clock.now());
  std::scoped_lock lock(mutex_);
  if (saved.ok()) {
    revision_ = saved->revision;
    co_return Done{};
  }
  // A lost answer too: what is stored now is not known.
  loaded_ = false;
  co_return saved.failure();
}

Awaitable<Result<Place>> Groups::begin_of(const GroupName& name, const Start& start) {
  EventLog& source = environment_.source;
  if (name.is_all()) {
    if (start.kind == Start::Kind::beginning) co_return Place{};
    if (start.kind == Start::Kind::end) {
      const auto tip = co_await source.tip();
      if (!tip.ok()) co_return tip.failure();
      co_return Place{0, *tip};
    }
    // A log takes only positions that it gave out, and its own are exclusive.
    const auto before = co_await source.read_all({Direction::backwards, start.position, 1});
    if (!before.ok()) co_return before.failure();
    co_return Place{0, before->events.empty() ? Position::start() : before->events.front().position};
  }
  if (start.kind != Start::Kind::end) co_return Place{start.revision, {}};
  const auto head = co_await source.head(name.source);
  if (!head.ok()) co_return head.failure();
  co_return Place{head->next_revision(), {}};
}

// ---- one change after another

Awaitable<Groups::Answer<Done>> Groups::create(GroupConfig config) {
  Turn turn(*this);
  co_await turn.take();
  for (int left = rounds_on_conflict;; --left) {
    auto answer = co_await create_in_turn(config);
    if (!answer.failed_with(FailureCode::wrong_expected_revision) || left == 1) co_return answer;
  }
}

Awaitable<Groups::Answer<Done>> Groups::update(GroupName name, Settings settings, std::optional<Start> start) {
  Turn turn(*this);
  co_await turn.take();
  for (int left = rounds_on_conflict;; --left) {
    auto answer = co_await update_in_turn(name, settings, start);
    if (!answer.failed_with(FailureCode::wrong_expected_revision) || left == 1) co_return answer;
  }
}

Awaitable<Groups::Answer<Done>> Groups::remove(GroupName name) {
  Turn turn(*this);
  co_await turn.take();
  for (int left = rounds_on_conflict;; --left) {
    auto answer = co_await remove_in_turn(name);
    if (!answer.failed_with(FailureCode::wrong_expected_revision) || left == 1) co_return answer;
  }
}

Awaitable<Groups::Answer<Done>> Groups::create_in_turn(GroupConfig config) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  {
    std::scoped_lock lock(mutex_);
    if (entries_.contains(config.name)) co_return Refused::exists;
    if (entries_.size() >= most_groups) co_return Refused::too_many;
  }
  if (config.filter) {
    if (const auto compiled = environment_.compile(*config.filter); !compiled.ok()) co_return compiled.failure();
  }
  const auto begin = co_await begin_of(config.name, config.start);
  if (!begin.ok()) co_return begin.failure();
  config.begin = *begin;
  if (const auto prepared = co_await environment_.state.prepare(config.name); !prepared.ok()) {
    co_return prepared.failure();
  }
  auto changed = configuration();
  changed.groups.push_back(config);
  if (const auto saved = co_await save(std::move(changed)); !saved.ok()) co_return saved.failure();
  std::scoped_lock lock(mutex_);
  entries_.try_emplace(config.name, Entry{config, nullptr});
  co_return Done{};
}

/// A checkpoint wins over a new start.
Awaitable<Groups::Answer<Done>> Groups::update_in_turn(GroupName name, Settings settings, std::optional<Start> start) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  std::unique_lock lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) co_return Refused::not_found;
  GroupConfig config = entry->second.config;
  const auto runner = entry->second.runner;
  lock.unlock();
  if (runner) co_await run_on(runner->executor(), runner->stop({Drop::Kind::dropped, "the group was changed"}, true));
  if (start && *start != config.start) {
    const auto checkpoint = co_await environment_.state.load_checkpoint(name);
    if (!checkpoint.ok()) co_return checkpoint.failure();
    const auto begin = co_await begin_of(name, *start);
    if (!begin.ok()) co_return begin.failure();
    config.start = *start;
    if (!*checkpoint) config.begin = *begin;
  }
  config.settings = settings;
  auto changed = configuration();
  for (auto& group : changed.groups) {
    if (group.name == name) group = config;
  }
  const auto saved = co_await save(std::move(changed));
  lock.lock();
  const auto current = entries_.find(name);
  if (current != entries_.end()) {
    current->second.runner = nullptr;
    if (saved.ok()) current->second.config = config;
  }
  if (!saved.ok()) co_return saved.failure();
  co_return Done{};
}

Awaitable<Groups::Answer<Done>> Groups::remove_in_turn(GroupName name) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  auto changed = configuration();
  if (std::erase_if(changed.groups, [&](const GroupConfig& group) { return group.name == name; }) == 0) {
    co_return Refused::not_found;
  }
  if (const auto saved = co_await save(std::move(changed)); !saved.ok()) co_return saved.failure();
  std::unique_lock lock(mutex_);
  const auto removed = entries_.extract(name);
  lock.unlock();
  if (const auto runner = removed ? removed.mapped().runner : nullptr) {
    co_await run_on(runner->executor(), runner->stop({Drop::Kind::dropped, "the group was deleted"}, false));
  }
  if (const auto forgotten = co_await environment_.state.forget(name); !forgotten.ok()) {
    log::warning("the streams of a deleted persistent subscription stay",
                 {{"source", name.source}, {"group", name.group}, {"reason", forgotten.failure().reason}});
  }
  co_return Done{};
}

Awaitable<Result<Done>> Groups::restart() {
  Turn turn(*this);
  co_await turn.take();
  std::vector<std::shared_ptr<Runner>> runners;
  {
    std::scoped_lock lock(mutex_);
    for (auto& [name, entry] : entries_) {
      if (entry.runner) runners.push_back(entry.runner);
    }
  }
  for (const auto& runner : runners) {
    co_await run_on(runner->executor(), runner->stop({Drop::Kind::dropped, "the subsystem was restarted"}, true));
  }
  {
    std::scoped_lock lock(mutex_);
    entries_.clear();
    loaded_ = false;
  }
  co_return co_await load();
}

// ---- those that run

std::shared_ptr<Runner> Groups::runner_of(Entry& entry) {
  if (!entry.runner) entry.runner = std::make_shared<Runner>(environment_, entry.config);
  return entry.runner;
}

Awaitable<Groups::Answer<std::shared_ptr<Runner>>> Groups::find(GroupName name) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  std::scoped_lock lock(mutex_);
  if (stopping_) co_return closed();
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) co_return Refused::not_found;
  co_return runner_of(entry->second);
}

Awaitable<Result<std::vector<std::shared_ptr<Runner>>>> Groups::list(std::optional<std::string> source) {
  if (const auto loaded = co_await load(); !loaded.ok()) co_return loaded.failure();
  std::scoped_lock lock(mutex_);
  if (stopping_) co_return closed();
  std::vector<std::shared_ptr<Runner>> runners;
  for (auto& [name, entry] : entries_) {
    if (!source || name.source == *source) runners.push_back(runner_of(entry));
  }
  co_return runners;
}

void Groups::shut_down() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  const auto entries = std::exchange(entries_, {});
  lock.unlock();
  for (const auto& [name, entry] : entries) {
    end(entry.runner, {Drop::Kind::shutting_down, "the server is shutting down"});
  }
}

}  // namespace twinstream::persistent
