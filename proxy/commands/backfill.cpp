#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <csignal>
#include <cstdio>

#include "proxy/commands/commands.h"
#include "proxy/commands/engine_thread.h"
#include "proxy/commands/stores.h"
#include "proxy/engine/backfill.h"

namespace twinstream {
namespace {

constexpr std::chrono::milliseconds terminal_interval{200};
constexpr std::chrono::seconds line_interval{5};

volatile std::sig_atomic_t interrupted = 0;

std::string left(const BackfillProgress& progress) {
  if (!progress.seconds_left) return "?";
  const auto seconds = static_cast<long>(*progress.seconds_left);
  char text[32];
  std::snprintf(text, sizeof text, "%ld:%02ld", seconds / 60, seconds % 60);
  return text;
}

/// A line that overwrites itself on a terminal, plain lines otherwise.
void show(const BackfillProgress& progress, bool terminal) {
  std::printf("%s%5.1f %%  %llu events read, %llu carried, %.0f/s, %s left%s%s", terminal ? "\r" : "",
              progress.share * 100, static_cast<unsigned long long>(progress.events),
              static_cast<unsigned long long>(progress.carried), progress.events_per_second, left(progress).c_str(),
              progress.trouble.empty() ? "" : "; waits: ", progress.trouble.c_str());
  std::printf(terminal ? "\033[K" : "\n");
  std::fflush(stdout);
}

/// The mirror and the backfill of one process; others may carry the same streams at the same time.
class Worker {
 public:
  Worker(const Config& config, OpenStores& stores, EngineThread& thread)
      : config_(config),
        stores_(stores),
        thread_(thread),
        mirror_(thread_.executor(), clock_, system_random(), *stores.postgres, *stores.eventstore, translation(),
                *stores.control, metrics_),
        backfill_(clock_, *stores.postgres, mirror_, *stores.control, metrics_) {}
  ~Worker() { thread_.stop(); }

  Result<Done> run(const BackfillCommand& command) {
    boost::asio::co_spawn(thread_.executor(), report(isatty(STDOUT_FILENO) == 1), boost::asio::detached);
    return thread_.wait_for(work(command));
  }

  const BackfillProgress& progress() const { return backfill_.progress(); }
  std::size_t set_aside() const { return mirror_.set_aside().size(); }

 private:
  Translation translation() {
    Translation result = translation_between(*stores_.postgres, *stores_.eventstore);
    result.original_created = [this](std::string_view stream) {
      return config_.category(category_of(stream)).original_created;
    };
    return result;
  }

  Awaitable<Result<Done>> work(BackfillCommand command) {
    auto opened = co_await mirror_.open();
    if (!opened) co_return opened;
    const std::string cursor = "backfill-command:" + command.category;
    if (command.restart) {
      auto cleared = co_await stores_.control->clear_cursor(cursor);
      if (!cleared) co_return cleared;
    }
    auto wants = [category = command.category](std::string_view stream) {
      return category.empty() || category_of(stream) == category;
    };
    auto done = co_await backfill_.run(cursor, wants, [] { return interrupted == 0; });
    finished_ = true;
    co_return done;
  }

  Awaitable<void> report(bool terminal) {
    while (!finished_) {
      co_await clock_.sleep(terminal ? std::chrono::nanoseconds(terminal_interval)
                                     : std::chrono::nanoseconds(line_interval));
      if (!finished_) show(backfill_.progress(), terminal);
    }
  }

  const Config& config_;
  OpenStores& stores_;
  EngineThread& thread_;
  SystemClock clock_;
  Metrics metrics_;
  Mirror mirror_;
  Backfill backfill_;
  bool finished_ = false;
};

}  // namespace

int run_backfill(const BackfillCommand& command) {
  const auto config = load_or_complain(command.config);
  if (!config) return 2;
  EngineThread thread;  // outlives the stores
  auto stores = open_stores(*config);
  if (!stores) {
    std::fprintf(stderr, "twinstream backfill: %s\n", stores.failure().reason.c_str());
    return 1;
  }
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  Worker worker(*config, *stores, thread);
  auto done = worker.run(command);
  if (!done) {
    std::fprintf(stderr, "\ntwinstream backfill: %s\n", done.failure().reason.c_str());
    return 1;
  }
  std::printf("%sbackfill complete: %llu events read, %llu carried in %.1f s, %zu streams set aside\n",
              isatty(STDOUT_FILENO) == 1 ? "\r" : "", static_cast<unsigned long long>(worker.progress().events),
              static_cast<unsigned long long>(worker.progress().carried), worker.progress().seconds,
              worker.set_aside());
  return worker.set_aside() == 0 ? 0 : 1;
}

}  // namespace twinstream
