#pragma once

#include <memory>
#include <string>

#include "proxy/engine/backfill.h"
#include "proxy/engine/checker.h"
#include "proxy/engine/dual_log.h"

namespace twinstream {

/// Walks every category from the phase in force to the wanted one, a step at a time, each through its gate:
///
///   observe -> dual-write     both stores answer; the tail's cursor is set
///   dual-write -> backfill    the tail is caught up
///   backfill -> read-switch   history carried, then a check found both stores equal, no stream set aside
///   read-switch -> retire     checked equal, no stream set aside; then the fence changes the authority
///   retire -> read-switch     the fence back
///   every other step back     at once
///
/// The fence holds new writes of the category (bounded), waits for those under way, for the mirror to have everything,
/// proves the heads of all streams written since the last check equal, writes the new authority with a raised epoch, and
/// releases. When any of it takes too long or fails, writes are released and the authority stays.
class Phases {
 public:
  Phases(boost::asio::any_io_executor executor, Clock& clock, Stores stores, Categories& categories,
         ControlStore& control, Checker& checker, Backfill& backfill, Backfill& back_backfill, Metrics& metrics,
         std::chrono::seconds check_interval);

  void start();
  void stop();
  bool stopped() const { return !running_; }
  void look_again() { wake_.notify(); }  ///< the configuration has changed
  const std::optional<std::string>& last_report() const { return last_report_; }  ///< JSON of the last check
  void set_check_interval(std::chrono::seconds interval) { check_interval_ = interval; }

 private:
  Awaitable<void> run();
  Awaitable<bool> walk(Category& category);
  Awaitable<bool> step_up(Category& category);
  Awaitable<bool> step_down(Category& category);
  Awaitable<bool> to_dual_write(Category& category);
  Awaitable<bool> to_backfill(Category& category);
  Awaitable<bool> backfill_and_check(Category& category);
  Awaitable<bool> to_read_switch(Category& category);
  Awaitable<bool> change_authority(Category& category, bool to_eventstore);
  Awaitable<bool> bring_postgres_up(Category& category);
  Awaitable<bool> fenced(Category& category, bool to_eventstore, std::chrono::nanoseconds deadline);
  Awaitable<bool> heads_are_equal(Category& category);
  Awaitable<void> compare_heads(std::string stream, std::string& unequal);
  Awaitable<bool> check(Category& category);
  Awaitable<bool> store(Category& category, CategoryState next);
  void adopt(Category& category, CategoryState state);
  Awaitable<void> check_regularly(Category& category);
  bool nothing_set_aside(Category& category);
  bool refuse(Category& category, std::string reason);
  CarryWindow::Wants belongs_to(const Category& category);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  Stores stores_;
  Categories& categories_;
  ControlStore& control_;
  Checker& checker_;
  Backfill& backfill_;       ///< postgres -> eventstore
  Backfill& back_backfill_;  ///< eventstore -> postgres
  Metrics& metrics_;
  std::chrono::seconds check_interval_;
  std::map<std::string, std::chrono::nanoseconds> last_check_;
  std::optional<std::string> last_report_;
  bool stopping_ = false;
  bool running_ = false;
  Signal wake_;
};

}  // namespace twinstream
