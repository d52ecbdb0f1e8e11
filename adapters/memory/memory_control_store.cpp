#include "adapters/memory/memory_control_store.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace twinstream {
namespace {

auto find_divergence(std::vector<Divergence>& divergences, const std::string& stream) {
  return std::ranges::find(divergences, stream, &Divergence::stream);
}

}  // namespace

MemoryControlStore::MemoryControlStore(std::shared_ptr<ControlMemory> memory, Hook hook)
    : memory_(std::move(memory)), hook_(std::move(hook)) {}

template <class Answer, class Operation>
Awaitable<Result<Answer>> MemoryControlStore::run(std::string_view name, Operation operation) {
  co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
  if (hook_) {
    const auto before = co_await hook_(name);
    if (!before.ok()) co_return before.failure();
  }
  std::unique_lock lock(memory_->mutex);
  Result<Answer> answer = operation(*memory_);
  lock.unlock();
  if (hook_) {
    const auto after = co_await hook_(name);
    if (!after.ok()) co_return after.failure();
  }
  co_return answer;
}

Awaitable<Result<std::map<std::string, CategoryState>>> MemoryControlStore::load_categories() {
  return run<std::map<std::string, CategoryState>>("load_categories",
                                                   [](ControlMemory& memory) { return memory.categories; });
}

Awaitable<Result<Done>> MemoryControlStore::save_category(std::string category, CategoryState state,
                                                          std::uint64_t expected_epoch) {
  return run<Done>("save_category", [category, state, expected_epoch](ControlMemory& memory) -> Result<Done> {
    const std::uint64_t epoch = memory.categories[category].epoch;
    if (epoch != expected_epoch) {
      return Failure{FailureCode::wrong_expected_revision,
                     "category " + category + " is at epoch " + std::to_string(epoch), epoch};
    }
    memory.categories[category] = state;
    return Done{};
  });
}

Awaitable<Result<std::optional<Position>>> MemoryControlStore::load_cursor(std::string name) {
  return run<std::optional<Position>>("load_cursor", [name](ControlMemory& memory) -> std::optional<Position> {
    const auto found = memory.cursors.find(name);
    if (found == memory.cursors.end()) return std::nullopt;
    return found->second;
  });
}

Awaitable<Result<Done>> MemoryControlStore::save_cursor(std::string name, Position position) {
  return run<Done>("save_cursor", [name, position](ControlMemory& memory) {
    memory.cursors[name] = position;
    return Done{};
  });
}

Awaitable<Result<Done>> MemoryControlStore::clear_cursor(std::string name) {
  return run<Done>("clear_cursor", [name](ControlMemory& memory) {
    memory.cursors.erase(name);
    return Done{};
  });
}

Awaitable<Result<std::vector<Divergence>>> MemoryControlStore::load_divergences(std::size_t limit) {
  return run<std::vector<Divergence>>("load_divergences", [limit](ControlMemory& memory) {
    const std::size_t count = std::min(limit, memory.divergences.size());
    return std::vector<Divergence>(memory.divergences.begin(), memory.divergences.begin() + count);
  });
}

Awaitable<Result<Done>> MemoryControlStore::save_divergence(Divergence divergence) {
  return run<Done>("save_divergence", [divergence](ControlMemory& memory) {
    const bool known = find_divergence(memory.divergences, divergence.stream) != memory.divergences.end();
    if (!known) memory.divergences.push_back(divergence);
    return Done{};
  });
}

Awaitable<Result<Done>> MemoryControlStore::clear_divergence(std::string stream) {
  return run<Done>("clear_divergence", [stream](ControlMemory& memory) {
    const auto found = find_divergence(memory.divergences, stream);
    if (found != memory.divergences.end()) memory.divergences.erase(found);
    return Done{};
  });
}

Awaitable<Result<std::vector<std::string>>> MemoryControlStore::load_state_changes() {
  return run<std::vector<std::string>>("load_state_changes",
                                       [](ControlMemory& memory) { return memory.state_changes; });
}

Awaitable<Result<Done>> MemoryControlStore::note_state_change(std::string stream) {
  return run<Done>("note_state_change", [stream](ControlMemory& memory) {
    const bool known = std::ranges::find(memory.state_changes, stream) != memory.state_changes.end();
    if (!known) memory.state_changes.push_back(stream);
    return Done{};
  });
}

Awaitable<Result<Done>> MemoryControlStore::forget_state_change(std::string stream) {
  return run<Done>("forget_state_change", [stream](ControlMemory& memory) {
    std::erase(memory.state_changes, stream);
    return Done{};
  });
}

Awaitable<Result<Done>> MemoryControlStore::save_check(std::string report_json) {
  return run<Done>("save_check", [report_json](ControlMemory& memory) {
    memory.check = report_json;
    return Done{};
  });
}

Awaitable<Result<std::optional<std::string>>> MemoryControlStore::load_check() {
  return run<std::optional<std::string>>("load_check", [](ControlMemory& memory) { return memory.check; });
}

}  // namespace twinstream
