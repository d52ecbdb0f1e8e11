#pragma once

#include "adapters/postgres/workers.h"
#include "config/config.h"
#include "proxy/engine/control_store.h"

namespace twinstream {

/// The control store in the tables of the control schema (initialise), on a connection of its own.
class PgControlStore final : public ControlStore {
 public:
  explicit PgControlStore(const PostgresConfig& config);

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
  Awaitable<Result<Done>> change(std::string sql, std::vector<std::string> parameters);
  std::string in_schema(std::string_view sql) const;

  const std::string schema_;
  postgres::Workers worker_;
};

}  // namespace twinstream
