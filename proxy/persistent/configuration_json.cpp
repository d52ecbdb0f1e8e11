#include <boost/json.hpp>

#include "proxy/persistent/state_store.h"

namespace twinstream::persistent {
namespace {

namespace json = boost::json;

json::value filter_json(const std::optional<Filter>& filter) {
  if (!filter) return nullptr;
  json::array prefixes;
  for (const auto& prefix : filter->prefixes) prefixes.emplace_back(prefix);
  return json::object{{"on", filter->on_stream ? "stream" : "eventType"},
                      {"regex", filter->regex},
                      {"prefixes", std::move(prefixes)}};
}

json::object group_json(const GroupConfig& group) {
  const Settings& settings = group.settings;
  return {
      {"stream", group.name.source},
      {"group", group.name.group},
      {"startFrom", start_text(group.name, group.start)},
      {"startsAfter", place_text(group.name, group.begin)},
      {"filter", filter_json(group.filter)},
      {"resolveLinkTos", settings.resolve_links},
      {"extraStatistics", settings.extra_statistics},
      {"messageTimeoutMicroseconds", settings.message_timeout.count()},
      {"maxRetryCount", settings.max_retry_count},
      {"checkPointAfterMicroseconds", settings.checkpoint_after.count()},
      {"minCheckPointCount", settings.min_checkpoint_count},
      {"maxCheckPointCount", settings.max_checkpoint_count},
      {"maxSubscriberCount", settings.max_subscriber_count},
      {"liveBufferSize", settings.live_buffer_size},
      {"readBatchSize", settings.read_batch_size},
      {"historyBufferSize", settings.history_buffer_size},
      {"namedConsumerStrategy", to_string(settings.strategy)},
  };
}

std::string text_of(const json::object& object, std::string_view key) { return json::value_to<std::string>(object.at(key)); }

template <class Number>
Number number_of(const json::object& object, std::string_view key) {
  return object.at(key).to_number<Number>();
}

std::optional<Filter> filter_of(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  const auto& object = value.as_object();
  Filter filter{text_of(object, "on") == "stream", text_of(object, "regex"), {}};
  for (const auto& prefix : object.at("prefixes").as_array()) filter.prefixes.emplace_back(prefix.as_string());
  return filter;
}

/// Throws where something is missing or of the wrong kind.
GroupConfig group_of(const json::object& object) {
  GroupConfig group;
  group.name = {text_of(object, "stream"), text_of(object, "group")};
  group.start = parse_start(group.name, text_of(object, "startFrom")).value();
  group.begin = parse_place(group.name, text_of(object, "startsAfter")).value_or(Place{});
  group.filter = filter_of(object.at("filter"));
  Settings& settings = group.settings;
  settings.resolve_links = object.at("resolveLinkTos").as_bool();
  settings.extra_statistics = object.at("extraStatistics").as_bool();
  settings.message_timeout = std::chrono::microseconds(number_of<std::int64_t>(object, "messageTimeoutMicroseconds"));
  settings.max_retry_count = number_of<std::int32_t>(object, "maxRetryCount");
  settings.checkpoint_after = std::chrono::microseconds(number_of<std::int64_t>(object, "checkPointAfterMicroseconds"));
  settings.min_checkpoint_count = number_of<std::int32_t>(object, "minCheckPointCount");
  settings.max_checkpoint_count = number_of<std::int32_t>(object, "maxCheckPointCount");
  settings.max_subscriber_count = number_of<std::int32_t>(object, "maxSubscriberCount");
  settings.live_buffer_size = number_of<std::int32_t>(object, "liveBufferSize");
  settings.read_batch_size = number_of<std::int32_t>(object, "readBatchSize");
  settings.history_buffer_size = number_of<std::int32_t>(object, "historyBufferSize");
  settings.strategy = parse_strategy(text_of(object, "namedConsumerStrategy")).value();
  return group;
}

}  // namespace

std::string to_json(const std::vector<GroupConfig>& groups, Timestamp now) {
  json::array entries;
  for (const auto& group : groups) entries.push_back(group_json(group));
  return json::serialize(json::object{{"version", "2"}, {"updated", to_rfc3339(now)}, {"entries", std::move(entries)}});
}

std::optional<std::vector<GroupConfig>> parse_configuration(std::string_view text) {
  try {
    const json::value value = json::parse({text.data(), text.size()});
    std::vector<GroupConfig> groups;
    for (const auto& entry : value.as_object().at("entries").as_array()) groups.push_back(group_of(entry.as_object()));
    return groups;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace twinstream::persistent
