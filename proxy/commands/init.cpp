#include <cstdio>

#include "adapters/postgres/schema.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/stores.h"

namespace twinstream {

int run_init(const std::string& path) {
  const auto config = load_or_complain(path);
  if (!config) return 2;
  auto done = initialise(config->postgres);
  if (!done) {
    std::fprintf(stderr, "twinstream init: %s\n", done.failure().reason.c_str());
    return 1;
  }
  std::printf("schema %s is ready (%s layout)\n", config->postgres.control_schema.c_str(),
              config->postgres.mapped ? "mapped" : "managed");
  return 0;
}

}  // namespace twinstream
