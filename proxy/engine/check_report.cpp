#include <boost/json.hpp>
#include <cstdio>

#include "proxy/engine/checker.h"

namespace twinstream {
namespace {

std::string line(std::string_view name, std::uint64_t value) {
  char text[80];
  std::snprintf(text, sizeof text, "  %-24.*s %12llu\n", static_cast<int>(name.size()), name.data(),
                static_cast<unsigned long long>(value));
  return text;
}

std::string verdict(const CheckReport& report) {
  switch (report.exit_code()) {
    case 0: return "equal: both stores hold the same streams";
    case 1: return "different";
    default: return "could not be checked: " + (report.trouble.empty() ? "some streams were not readable" : report.trouble);
  }
}

}  // namespace

std::string CheckReport::to_text() const {
  std::string text = "streams compared\n";
  text += line("equal", equal) + line("different", different) + line("only in postgres", missing) +
          line("only in eventstore", extra) + line("not readable", unknown) + line("sum", streams);
  text += "events read\n" + line("postgres", postgres_events) + line("eventstore", eventstore_events);
  for (const auto& [reason, events] : skipped) text += "  not compared: " + std::to_string(events) + " " + reason + "\n";
  const std::uint64_t all = different + missing + extra + unknown;
  if (all > 0) text += "differences (" + std::to_string(differences.size()) + " of " + std::to_string(all) + ")\n";
  for (const CheckDifference& found : differences) {
    text += "  " + found.stream + " at revision " + std::to_string(found.revision) + ": " + found.what + "\n";
  }
  char tail[64];
  std::snprintf(tail, sizeof tail, " (%.1f s, %llu streams looked at twice)\n", seconds,
                static_cast<unsigned long long>(rechecked));
  return text + "verdict: " + verdict(*this) + tail;
}

std::string CheckReport::to_json() const {
  boost::json::array found;
  for (const CheckDifference& one : differences) {
    found.push_back({{"stream", one.stream}, {"revision", one.revision}, {"what", one.what}});
  }
  boost::json::object reasons;
  for (const auto& [reason, events] : skipped) reasons[reason] = events;
  const char* const names[] = {"equal", "different", "unknown"};
  boost::json::object report{{"verdict", names[exit_code()]},
                             {"streams", streams},
                             {"equal", equal},
                             {"different", different},
                             {"missing", missing},
                             {"extra", extra},
                             {"unknown", unknown},
                             {"rechecked", rechecked},
                             {"postgres_events", postgres_events},
                             {"eventstore_events", eventstore_events},
                             {"skipped", std::move(reasons)},
                             {"differences", std::move(found)},
                             {"seconds", seconds},
                             {"finished", finished},
                             {"trouble", trouble}};
  return boost::json::serialize(report);
}

}  // namespace twinstream
