#include "config/settings.h"

#include <array>

#include "config/explain.h"
#include "config/route_values.h"

namespace twinstream {
namespace {

/// A double-quoted YAML scalar that load_config_text reads back as `text`.
std::string quoted(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string result = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      result.append(1, '\\').append(1, c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result.append("\\x").append(1, digits[c >> 4]).append(1, digits[c & 15]);
    } else {
      if (text.substr(i).starts_with("${")) result += '$';
      result += c;
    }
  }
  return result + '"';
}

std::string duration(std::chrono::milliseconds value) {
  struct Unit {
    std::int64_t milliseconds;
    const char* name;
  };
  constexpr std::array units{Unit{3'600'000, "h"}, Unit{60'000, "m"}, Unit{1000, "s"}};
  for (const Unit& unit : units) {
    if (value.count() > 0 && value.count() % unit.milliseconds == 0) {
      return std::to_string(value.count() / unit.milliseconds) + unit.name;
    }
  }
  return std::to_string(value.count()) + "ms";
}

std::string size(std::size_t bytes) {
  if (bytes > 0 && bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + "MiB";
  if (bytes > 0 && bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + "KiB";
  return std::to_string(bytes);
}

std::string host_text(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return v6 ? "[" + endpoint.host + "]" : endpoint.host;
}

std::string endpoint_text(const Endpoint& endpoint) {
  return quoted(host_text(endpoint) + ":" + std::to_string(endpoint.port));
}

const char* boolean(bool value) { return value ? "true" : "false"; }

std::string percent(unsigned value) { return std::to_string(value) + "%"; }

std::string list(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) text.append(text.size() > 1 ? ", " : "").append(quoted(value));
  return text + "]";
}

/// Writes settings below one path.
class Writer {
 public:
  explicit Writer(std::vector<Setting>& settings, std::vector<std::string> path = {})
      : settings_(settings), path_(std::move(path)) {}

  Writer below(std::string key) const {
    auto path = path_;
    path.push_back(std::move(key));
    return Writer(settings_, std::move(path));
  }
  void put(std::string key, std::string value) {
    auto path = path_;
    path.push_back(std::move(key));
    settings_.push_back({std::move(path), std::move(value)});
  }
  void put_source(std::string key, const ValueSource& source, bool from_response = false) {
    if (source.kind != ValueSource::Kind::none) put(std::move(key), quoted(to_string(source, from_response)));
  }

 private:
  std::vector<Setting>& settings_;
  std::vector<std::string> path_;
};

void put_listen(Writer writer, const ListenConfig& listen) {
  writer.put("address", endpoint_text(listen.address));
  writer.put("threads", std::to_string(listen.threads));
  writer.put("max_connections", std::to_string(listen.max_connections));
  writer.put("max_header_bytes", size(listen.max_header_bytes));
  writer.put("max_body_bytes", size(listen.max_body_bytes));
  writer.put("header_timeout", duration(listen.header_timeout));
  writer.put("idle_timeout", duration(listen.idle_timeout));
  writer.put("drain_timeout", duration(listen.drain_timeout));
}

void put_grpc(Writer writer, const GrpcConfig& grpc) {
  writer.put("listen", endpoint_text(grpc.listen));
  if (grpc.advertise) writer.put("advertise", endpoint_text(*grpc.advertise));
  const DoorSecurity& security = grpc.security;
  if (!security.tls_cert.empty()) writer.put("tls_cert", quoted(security.tls_cert));
  if (!security.tls_key.empty()) writer.put("tls_key", quoted(security.tls_key));
  if (!security.tls_ca.empty()) writer.put("tls_ca", quoted(security.tls_ca));
  if (!security.users.empty()) writer.put("users", quoted(security.users));
  writer.put("insecure", boolean(security.insecure));
}

void put_backend(Writer writer, const BackendConfig& backend) {
  const std::string authority = host_text(backend.address) + ":" + std::to_string(backend.address.port);
  writer.put("url", quoted("http://" + authority + backend.base_path));
  writer.put("connect_timeout", duration(backend.connect_timeout));
  writer.put("response_timeout", duration(backend.response_timeout));
  writer.put("max_connections", std::to_string(backend.max_connections));
  writer.put("idle_timeout", duration(backend.idle_timeout));
}

void put_mapped(Writer writer, const MappedTable& mapped) {
  writer.put("table", quoted(mapped.table));
  writer.put("where", quoted(mapped.where));
  writer.put("stream_columns", list(mapped.stream_columns));
  writer.put("stream_template", quoted(mapped.stream_template));
  writer.put("revision_column", quoted(mapped.revision_column));
  writer.put("revision_base", std::to_string(mapped.revision_base));
  writer.put("id_column", quoted(mapped.id_column));
  writer.put("type_column", quoted(mapped.type_column));
  writer.put("data_column", quoted(mapped.data_column));
  writer.put("metadata_column", quoted(mapped.metadata_column));
  writer.put("created_column", quoted(mapped.created_column));
  writer.put("position_column", quoted(mapped.position_column));
  Writer defaults = writer.below("insert_defaults");
  for (const auto& [column, expression] : mapped.insert_defaults) defaults.put(column, quoted(expression));
}

void put_postgres(Writer writer, const PostgresConfig& postgres) {
  writer.put("url", quoted(redacted_url(postgres.url)));
  writer.put("control_schema", quoted(postgres.control_schema));
  writer.put("lanes", std::to_string(postgres.lanes));
  writer.put("readers", std::to_string(postgres.readers));
  writer.put("queue_limit", std::to_string(postgres.queue_limit));
  writer.put("batch_limit", std::to_string(postgres.batch_limit));
  writer.put("connect_timeout", duration(postgres.connect_timeout));
  writer.put("statement_timeout", duration(postgres.statement_timeout));
  writer.put("poll_interval", duration(postgres.poll_interval));
  writer.put("audit_interval", duration(postgres.audit_interval));
  if (postgres.mapped) put_mapped(writer.below("mapped"), *postgres.mapped);
}

void put_eventstore(Writer writer, const EventStoreConfig& eventstore) {
  if (!eventstore.url.empty()) writer.put("url", quoted(redacted_url(eventstore.url)));
  writer.put("queue_limit", std::to_string(eventstore.queue_limit));
  writer.put("append_timeout", duration(eventstore.append_timeout));
  if (!eventstore.credentials_file.empty()) writer.put("credentials_file", eventstore.credentials_file);
}

void put_category(Writer writer, const CategoryConfig& category) {
  writer.put("phase", std::string(to_string(category.phase)));
  writer.put("ack", std::string(to_string(category.ack)));
  writer.put("ack_timeout", duration(category.ack_timeout));
  Writer reads = writer.below("reads");
  reads.put("from", std::string(to_string(category.reads.from)));
  reads.put("eventstore_percent", percent(category.reads.eventstore_percent));
  reads.put("compare_percent", percent(category.reads.compare_percent));
  reads.put("fallback", boolean(category.reads.fallback));
  reads.put("wait_for_mirror", duration(category.reads.wait_for_mirror));
  writer.put("original_created", boolean(category.original_created));
  writer.put("fence_timeout", duration(category.fence_timeout));
  writer.put("rollback", boolean(category.rollback));
}

void put_append(Writer writer, const RouteConfig& route) {
  writer.put("capture", "append");
  writer.put_source("stream", route.stream);
  writer.put_source("events", route.events);
  writer.put_source("type", route.type);
  writer.put_source("id", route.id);
  writer.put_source("expected_revision", route.expected_revision);
  writer.put("revision_base", std::to_string(route.revision_base));
  writer.put("success_status", std::to_string(route.success_status));
  writer.put_source("data", route.data);
  writer.put_source("metadata", route.metadata);
  if (!route.authorize.empty()) writer.put("authorize", quoted(route.authorize));
}

void put_route(Writer writer, const RouteConfig& route) {
  writer.put("match", quoted(route.method + " " + route.pattern));
  if (route.kind == RouteConfig::Kind::read) {
    writer.put_source("read", route.stream);
    writer.put("revision_base", std::to_string(route.revision_base));
    writer.put("response_json", quoted(route.response_json));
    writer.put("event_json", quoted(route.event_json));
  } else if (route.capture == CaptureMode::append) {
    put_append(writer, route);
  } else {
    writer.put("capture", "backend");
    writer.put_source("stream", route.stream, route.stream_from_response);
  }
}

}  // namespace

std::string Setting::field() const {
  std::string text;
  for (const std::string& part : path) text.append(text.empty() || part.starts_with('[') ? "" : ".").append(part);
  return text;
}

std::vector<Setting> settings_of(const Config& config) {
  std::vector<Setting> settings;
  Writer root(settings);
  put_listen(root.below("listen"), config.listen);
  if (config.admin) {
    root.below("admin").put("address", endpoint_text(*config.admin));
  } else {
    root.put("admin", "off");
  }
  if (config.grpc) put_grpc(root.below("grpc"), *config.grpc);
  if (config.backend) put_backend(root.below("backend"), *config.backend);
  put_postgres(root.below("postgres"), config.postgres);
  put_eventstore(root.below("eventstore"), config.eventstore);
  root.below("check").put("interval", duration(config.check_interval));
  if (config.streams_path.empty()) {
    root.put("streams_api", "off");
  } else {
    root.below("streams_api").put("path", quoted(config.streams_path));
  }
  for (const CategoryConfig& category : config.categories) {
    put_category(root.below("categories").below(category.name), category);
  }
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    put_route(root.below("routes").below("[" + std::to_string(i) + "]"), config.routes[i]);
  }
  return settings;
}

}  // namespace twinstream
