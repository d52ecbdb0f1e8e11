#include <cstdio>

#include "proxy/commands/commands.h"
#include "proxy/commands/engine_thread.h"
#include "proxy/commands/stores.h"
#include "proxy/engine/checker.h"

namespace twinstream {
namespace {

bool keeps_time(const Config& config, std::string_view stream) {
  return config.category(category_of(stream)).original_created;
}

}  // namespace

int run_check(const CheckCommand& command) {
  constexpr int could_not_check = 2;
  const auto config = load_or_complain(command.config);
  if (!config) return could_not_check;
  EngineThread thread;  // outlives the stores
  auto stores = open_stores(*config);
  if (!stores) {
    std::fprintf(stderr, "twinstream check: %s\n", stores.failure().reason.c_str());
    return could_not_check;
  }
  SystemClock clock;
  Comparison comparison = comparison_of(*stores->postgres, *stores->eventstore);
  comparison.original_created = [&](std::string_view stream) { return keeps_time(*config, stream); };
  Checker checker(thread.executor(), clock, *stores->postgres, *stores->eventstore, std::move(comparison));
  CheckOptions options;
  options.max_differences = command.max_differences;
  options.patience = command.patience;
  if (!command.category.empty()) {
    options.wants = [&](std::string_view stream) { return category_of(stream) == command.category; };
  }
  const CheckReport report = thread.wait_for(checker.run(std::move(options)));
  std::printf("%s%s", command.json ? report.to_json().c_str() : report.to_text().c_str(), command.json ? "\n" : "");
  (void)thread.wait_for(stores->control->save_check(report.to_json()));
  thread.stop();  // before what runs there goes
  return report.exit_code();
}

}  // namespace twinstream
