#pragma once

#include "adapters/postgres/shape.h"

namespace twinstream::postgres {

inline PostgresConfig config_of(std::string schema = "twinstream") {
  PostgresConfig config;
  config.control_schema = std::move(schema);
  return config;
}

/// A mapped shape as the catalogue would give it.
inline Shape mapped_jsonb() {
  Shape shape;
  shape.managed = false;
  shape.control_schema = "\"twinstream\"";
  shape.table = "\"public\".\"events\"";
  shape.label = "public.events";
  shape.name = NameTemplate::make("{kind}-{key}", {"kind", "key"}).value();
  shape.stream = {{"kind", "character varying", false, 10}, {"key", "uuid", false, {}}};
  shape.revision = {"version", "integer", false, {}};
  shape.base = 1;
  shape.id = Column{"event_id", "uuid", false, {}};
  shape.id_indexed = true;
  shape.type = {"type", "character varying", false, 20};
  shape.data = {"payload", "jsonb", false, {}};
  shape.data_storage = Storage::jsonb;
  shape.metadata = Column{"meta", "jsonb", true, {}};
  shape.metadata_storage = Storage::jsonb;
  shape.created = Column{"at", "timestamp with time zone", false, {}};
  shape.position = {"seq", "bigint", false, {}};
  return shape;
}

}  // namespace twinstream::postgres
