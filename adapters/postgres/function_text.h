#pragma once

#include <string>
#include <utility>
#include <vector>

#include "adapters/postgres/append_function.h"
#include "adapters/postgres/shape.h"

// The parts that the plpgsql functions of a table shape share. Names in them start with tw_, so that they do not meet
// column names of somebody's table in its `where` or in its default expressions.

namespace twinstream::postgres {

using Words = std::vector<std::pair<std::string, std::string>>;

/// Replaces every @word@ of `text`.
std::string fill(std::string text, const Words& words);

std::string key_parameter(std::size_t i);
bool is_bytea(Storage storage);

/// Parameters: the streams with the values of their key columns; the events.
std::string stream_parameters(const Shape& shape);
std::string event_parameters(const Shape& shape);
/// Local copies of the keys, kept unpacked, which makes finding an element cheap.
std::string key_variables(const Shape& shape);
/// These copies, and the columns tw_k0, tw_k1, ... that `unnest` makes of them, listed.
std::string key_arrays(const Shape& shape);
std::string key_aliases(const Shape& shape);
/// Takes the advisory locks of `tw_streams` in one global order.
std::string lock_streams(const Shape& shape);

/// The columns of an INSERT and into `values` what they get from a row `v` of the event parameters. `stream` is SQL for
/// the number of its stream, `revision` for its revision from 0.
std::string insert_columns(const Shape& shape, const std::string& stream, const std::string& revision,
                           std::string& values);

/// A function whose name is `kind` with a digest of its text.
AppendFunction made_function(const Shape& shape, const std::string& kind, const std::string& parameters,
                             const std::string& returns, const std::string& body, const std::string& columns);

}  // namespace twinstream::postgres
