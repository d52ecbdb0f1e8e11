#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/engine/control_store.h"

namespace twinstream {

/// What a MemoryControlStore remembers. It outlives the store object in a simulated restart.
struct ControlMemory {
  std::mutex mutex;
  std::map<std::string, CategoryState> categories;
  std::map<std::string, Position> cursors;
  std::vector<Divergence> divergences;  ///< oldest first
  std::vector<std::string> state_changes;
  std::optional<std::string> check;
};

/// Completes on the caller's executor, never inside the call.
class MemoryControlStore final : public ControlStore {
 public:
  /// Awaited before and after every operation, which is named like the method. A failure becomes the answer: before,
  /// nothing is written; after, it is written all the same, as when a connection breaks during a commit.
  using Hook = std::function<Awaitable<Result<Done>>(std::string_view operation)>;

  explicit MemoryControlStore(std::shared_ptr<ControlMemory> memory = std::make_shared<ControlMemory>(),
                              Hook hook = {});

  Awaitable<Result<std::map<std::string, CategoryState>>> load_categories() override;
  Awaitable<Result<Done>> save_category(std::string category, CategoryState state,
                                        std::uint64_t expected_epoch) override;
  Awaitable<Result<std::optional<Position>>> load_cursor(std::string name) override;
  Awaitable<Result<Done>> save_cursor(std::string name, Position position) override;
  Awaitable<Result<Done>> clear_cursor(std::string name) override;
  Awaitable<Result<std::vector<Divergence>>> load_divergences(std::size_t limit) override;
  Awaitable<Result<Done>> save_divergence(Divergence divergence) override;
  Awaitable<Result<Done>> clear_divergence(std::string stream) override;
  Awaitable<Result<std::vector<std::string>>> load_state_changes() override;
  Awaitable<Result<Done>> note_state_change(std::string stream) override;
  Awaitable<Result<Done>> forget_state_change(std::string stream) override;
  Awaitable<Result<Done>> save_check(std::string report_json) override;
  Awaitable<Result<std::optional<std::string>>> load_check() override;

 private:
  template <class Answer, class Operation>
  Awaitable<Result<Answer>> run(std::string_view name, Operation operation);

  std::shared_ptr<ControlMemory> memory_;
  Hook hook_;
};

}  // namespace twinstream
