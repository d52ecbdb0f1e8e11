#include <iostream>

#include "config/explain.h"
#include "config/load.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/door.h"

namespace twinstream {

int run_config_check(const std::string& file, bool explain) {
  const LoadResult result = load_config_file(file, door_file_problems);
  if (const auto* errors = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const ConfigError& error : *errors) std::cerr << to_string(error) << '\n';
    return 2;
  }
  std::cout << file << ": ok\n";
  if (explain) std::cout << '\n' << explain_config(std::get<Config>(result));
  return 0;
}

}  // namespace twinstream
