#include "proxy/commands/stores.h"

#include <cstdio>

#include "adapters/eventstore/eventstore_log.h"
#include "adapters/postgres/control_store.h"
#include "adapters/postgres/postgres_log.h"
#include "config/load.h"
#include "proxy/engine/absent_log.h"

namespace twinstream {

Result<OpenStores> open_stores(const Config& config) {
  OpenStores stores;
  auto postgres = PostgresLog::open(config.postgres);
  if (!postgres) return postgres.failure();
  stores.postgres = std::move(*postgres);
  stores.control = std::make_unique<PgControlStore>(config.postgres);
  if (config.eventstore.url.empty()) {
    stores.eventstore = absent_log("eventstore", "eventstore.url is not set");
    return stores;
  }
  auto eventstore = EventStoreLog::open(config.eventstore);
  if (!eventstore) return eventstore.failure();
  stores.eventstore = std::move(*eventstore);
  return stores;
}

std::optional<Config> load_or_complain(const std::string& path, const FurtherCheck& further) {
  auto loaded = load_config_file(path, further);
  if (auto* config = std::get_if<Config>(&loaded)) return std::move(*config);
  for (const ConfigError& error : std::get<std::vector<ConfigError>>(loaded)) {
    std::fprintf(stderr, "%s\n", to_string(error).c_str());
  }
  return std::nullopt;
}

}  // namespace twinstream
