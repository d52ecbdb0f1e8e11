#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "proxy/admin/admin.h"

namespace twinstream {
namespace {

namespace json = boost::json;

/// In milliseconds' precision, and whole numbers as such: Boost.JSON writes a double as 1.25E1.
json::value number(double value) {
  const double rounded = std::round(value * 1000) / 1000;
  if (rounded == std::trunc(rounded)) return static_cast<std::int64_t>(rounded);
  return rounded;
}

json::object store_json(const EngineStatus::StoreStatus& store) { return {{"up", store.up}, {"reason", store.text}}; }

json::object category_json(const EngineStatus::CategoryStatus& category) {
  return {{"name", category.name},
          {"phase", std::string(to_string(category.state.phase))},
          {"desired", std::string(to_string(category.wanted))},
          {"epoch", category.state.epoch},
          {"authority", category.state.eventstore_is_authority ? "eventstore" : "postgres"},
          {"waiting_for", json::array(category.waiting_for.begin(), category.waiting_for.end())},
          {"held", category.held},
          {"backfilled", category.state.backfilled},
          {"checked_equal", category.state.checked_equal},
          {"written", category.written},
          {"reads", {{"backend", category.reads[0]}, {"postgres", category.reads[1]}, {"eventstore", category.reads[2]}}}};
}

json::object backfill_json(const BackfillProgress& backfill) {
  json::object object{{"running", backfill.running},
                      {"events", backfill.events},
                      {"carried", backfill.carried},
                      {"share", number(backfill.share)},
                      {"events_per_second", number(backfill.events_per_second)},
                      {"eta_seconds", nullptr},
                      {"trouble", backfill.trouble}};
  if (backfill.running && backfill.seconds_left) object["eta_seconds"] = number(*backfill.seconds_left);
  return object;
}

std::string text_of(const json::value& value, const char* key) {
  const auto* found = value.as_object().if_contains(key);
  if (found == nullptr || found->is_null()) return "-";
  if (found->is_string()) return std::string(found->as_string());
  if (!found->is_double()) return json::serialize(*found);
  char digits[64];
  std::snprintf(digits, sizeof digits, "%.2f", found->as_double());
  return digits;
}

std::string render(const json::value& status) {
  std::string text = "twinstream " + text_of(status, "version") + "\n";
  for (const auto& [name, store] : status.at("stores").as_object()) {
    text += "  " + std::string(name) + ": " + (store.at("up").as_bool() ? "up, " : "DOWN, ") + text_of(store, "reason") + "\n";
  }
  const json::value& mirror = status.at("mirror");
  text += "  mirror: " + text_of(mirror, "pending_events") + " events pending, lag " + text_of(mirror, "lag_seconds") + " s";
  if (text_of(mirror, "trouble") != "") text += " (" + text_of(mirror, "trouble") + ")";
  text += "\n\n";
  char line[256];
  std::snprintf(line, sizeof line, "%-20s %-12s %-12s %-11s %6s %10s\n", "category", "phase", "wanted", "authority",
                "epoch", "written");
  text += line;
  for (const json::value& category : status.at("categories").as_array()) {
    std::snprintf(line, sizeof line, "%-20s %-12s %-12s %-11s %6s %10s\n", text_of(category, "name").c_str(),
                  text_of(category, "phase").c_str(), text_of(category, "desired").c_str(),
                  text_of(category, "authority").c_str(), text_of(category, "epoch").c_str(),
                  text_of(category, "written").c_str());
    text += line;
    for (const json::value& reason : category.at("waiting_for").as_array()) {
      text += "    waits: " + std::string(reason.as_string()) + "\n";
    }
  }
  if (status.at("backfill").at("running").as_bool()) {
    text += "\nbackfill: " + text_of(status.at("backfill"), "events") + " events read, " +
            text_of(status.at("backfill"), "eta_seconds") + " s left\n";
  }
  if (status.at("check").is_object()) {
    const json::value& check = status.at("check");
    text += "\nlast check: " + text_of(check, "verdict") + ", " + text_of(check, "equal") + " of " +
            text_of(check, "streams") + " streams equal, " + text_of(check, "finished") + "\n";
  }
  for (const json::value& divergence : status.at("divergences").as_array()) {
    text += "set aside: " + text_of(divergence, "stream") + " at revision " + text_of(divergence, "revision") + ": " +
            text_of(divergence, "reason") + "\n";
  }
  if (!status.at("config").at("error").is_null()) {
    text += "\nthe configuration file is not in force:\n" + text_of(status.at("config"), "error") + "\n";
  }
  return text;
}

}  // namespace

std::string status_json(const EngineStatus& status, const ConfigState& config, double uptime_seconds) {
  json::array categories;
  for (const auto& category : status.categories) categories.push_back(category_json(category));
  json::array divergences;
  for (const Divergence& divergence : status.divergences) {
    divergences.push_back({{"stream", divergence.stream},
                           {"revision", divergence.revision},
                           {"reason", divergence.reason},
                           {"found", to_rfc3339(divergence.found)}});
  }
  json::value check = nullptr;
  if (status.last_check) {
    boost::system::error_code error;
    check = json::parse(*status.last_check, error);
  }
  const auto problem = config.error();
  json::object all{
      {"version", TWINSTREAM_VERSION},
      {"uptime_seconds", number(uptime_seconds)},
      {"config", {{"loaded", to_rfc3339(config.when())}, {"error", problem ? json::value(*problem) : json::value()}}},
      {"stores", {{"postgres", store_json(status.postgres)}, {"eventstore", store_json(status.eventstore)}}},
      {"categories", std::move(categories)},
      {"mirror",
       {{"mirrored_events", status.mirrored},
        {"pending_events", status.pending_events},
        {"lag_seconds", number(status.lag_seconds)},
        {"caught_up", status.caught_up},
        {"trouble", status.mirror_trouble}}},
      {"backfill", backfill_json(status.backfill)},
      {"check", std::move(check)},
      {"divergences", std::move(divergences)}};
  return json::serialize(all);
}

std::optional<std::string> status_text(std::string_view text) {
  boost::system::error_code error;
  const json::value status = json::parse(text, error);
  if (error || !status.is_object() || !status.as_object().contains("categories")) return std::nullopt;
  return render(status);
}

}  // namespace twinstream
