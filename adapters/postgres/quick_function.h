#pragma once

#include <optional>

#include "adapters/postgres/append_function.h"

namespace twinstream::postgres {

/// The plpgsql function that writes a batch at revisions which the caller is sure of (known_heads.h): the append
/// function without its searches for heads and stored ids. It answers a row for each event, its position, in any order;
/// and no row, with nothing written, when one of the streams is deleted or its known head is gone (rows were removed).
///
/// The unique indexes are what makes it right: a revision that is taken already and an id that is stored already refuse
/// the whole batch, which is then for the append function. Nothing for tables without them, and for those of which a
/// `where` picks the events.
std::optional<AppendFunction> quick_function(const Shape& shape);

}  // namespace twinstream::postgres
