#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/shape.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// Appends that are committed together. They are fit for the table (validate.h), and no event id occurs twice.
using Requests = std::vector<const AppendRequest*>;

/// Arguments of the append function, in its order.
std::vector<std::string> encode_batch(const Shape& shape, const Requests& requests);
/// The append function's answer, one result for each request. Throws DatabaseError when it does not fit.
std::vector<Result<Appended>> decode_answers(const Requests& requests, const Rows& rows);

/// The same for the quick function, where `places` holds the first revision of each request. No request is without
/// events.
std::vector<std::string> encode_placed(const Shape& shape, const Requests& requests,
                                       const std::vector<std::uint64_t>& places);
std::vector<Result<Appended>> decode_placed(const Requests& requests, const std::vector<std::uint64_t>& places,
                                            const Rows& rows);

}  // namespace twinstream::postgres
