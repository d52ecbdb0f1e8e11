#pragma once

#include <string>

#include "adapters/postgres/shape.h"

namespace twinstream::postgres {

/// The plpgsql function that carries out a batch of appends in one call, made for one table shape. Its name holds a
/// digest of its text, so that different shapes and releases live side by side.
///
/// It answers a row for each request in order: outcome (see Outcome), revision and position. It locks the streams of
/// the batch against other calls (advisory locks in one global order), reads heads and stored ids with a snapshot taken
/// after that, decides request by request as if they came one after the other, and writes what is accepted with one
/// INSERT. Writers who do not take our locks can still make the INSERT fail; then nothing of the batch is written.
struct AppendFunction {
  std::string name;    ///< schema-qualified and quoted
  std::string create;  ///< `create or replace function ...`
  std::string call;    ///< `select ... from name($1, ...)`
};

AppendFunction append_function(const Shape& shape);

/// SQL for the seed with which stream names are hashed into advisory locks: tables in one database do not meet.
std::string lock_seed(const Shape& shape);

enum class Outcome { appended = 0, duplicate = 1, wrong_revision = 2, deleted = 3, id_taken = 4 };

/// How a request's expectation is encoded: its kind as in ExpectedRevision, no_stream with the revision -1.
inline constexpr int kind_any = 0;
inline constexpr int kind_no_stream = 1;
inline constexpr int kind_stream_exists = 2;
inline constexpr int kind_exact = 3;

}  // namespace twinstream::postgres
