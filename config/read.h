#pragma once

#include "config/config.h"
#include "config/section.h"

namespace twinstream {

// From the tree of a file to the configuration, one function for each top-level key. What is wrong goes to the
// section's findings; the value then keeps its default.

void read_listen(Section& root, ListenConfig& listen);
void read_admin(Section& root, std::optional<Endpoint>& admin);
void read_grpc(Section& root, std::optional<GrpcConfig>& grpc);
void read_backend(Section& root, std::optional<BackendConfig>& backend);
void read_postgres(Section& root, PostgresConfig& postgres);
void read_eventstore(Section& root, EventStoreConfig& eventstore);
void read_check(Section& root, std::chrono::seconds& interval);
void read_streams_api(Section& root, std::string& path);
void read_categories(Section& root, std::vector<CategoryConfig>& categories);
void read_routes(Section& root, std::vector<RouteConfig>& routes);

/// What can only be told from the whole: phases against reads and routes, repeated routes, what needs a backend.
void check_config(const Config& config, Findings& findings);

}  // namespace twinstream
