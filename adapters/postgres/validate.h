#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adapters/postgres/shape.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// The column values that a stream name stands for. rejected when the name does not fit the template or a value does
/// not fit its column (a number that is none, a UUID not in lower case): it would be read back under another name.
Result<std::vector<std::string>> stream_key(const Shape& shape, const std::string& stream);

/// Why the table can never hold this request; checked before the request gets near the server, where it would make a
/// whole batch fail.
std::optional<Failure> unfit(const Shape& shape, const AppendRequest& request);

}  // namespace twinstream::postgres
