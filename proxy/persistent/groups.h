#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "proxy/persistent/runner.h"

namespace twinstream::persistent {

/// All groups of one door. The configuration is read when it is first needed; what is wrong then is asked for again by
/// the next call. Every method may be called from any thread, each coroutine runs on the caller's executor.
class Groups {
 public:
  explicit Groups(Environment environment);

  enum class Refused { exists, not_found, too_many };
  template <class T>
  using Answer = Result<std::variant<T, Refused>>;

  /// `config.begin` is filled in here. `rejected` when the start cannot be used.
  Awaitable<Answer<Done>> create(GroupConfig config);
  /// Keeps the filter; keeps the start where `start` is absent; consumers are dropped and may come back.
  Awaitable<Answer<Done>> update(GroupName name, Settings settings, std::optional<Start> start);
  Awaitable<Answer<Done>> remove(GroupName name);
  Awaitable<Answer<std::shared_ptr<Runner>>> find(GroupName name);
  /// Ordered by source and name; of one source only, if given.
  Awaitable<Result<std::vector<std::shared_ptr<Runner>>>> list(std::optional<std::string> source);
  /// Ends everything that runs and reads the configuration anew.
  Awaitable<Result<Done>> restart();

  /// Ends everything that runs, for good. `Environment::spawn` is used for it.
  void shut_down();

 private:
  struct Entry {
    GroupConfig config;
    std::shared_ptr<Runner> runner;  ///< once it was asked for
  };
  /// One change of the configuration at a time.
  class Turn;

  Awaitable<Result<Done>> load();
  Awaitable<Result<Done>> save(StateStore::Configuration changed);
  Awaitable<Result<Place>> begin_of(const GroupName& name, const Start& start);
  std::shared_ptr<Runner> runner_of(Entry& entry);
  void end(std::shared_ptr<Runner> runner, Drop drop);
  StateStore::Configuration configuration() const;

  Awaitable<Answer<Done>> create_in_turn(GroupConfig config);
  Awaitable<Answer<Done>> update_in_turn(GroupName name, Settings settings, std::optional<Start> start);
  Awaitable<Answer<Done>> remove_in_turn(GroupName name);

  Environment environment_;
  mutable std::mutex mutex_;  ///< for what follows
  std::map<GroupName, Entry> entries_;
  std::optional<std::uint64_t> revision_;
  bool loaded_ = false;
  bool stopping_ = false;
  bool busy_ = false;
  std::deque<Completion<Done>> waiting_;
};

}  // namespace twinstream::persistent
