#pragma once

#include <string>

#include "adapters/postgres/shape.h"

namespace twinstream::postgres {

/// The SQL that reads one table shape. Stream keys are parameters of type text, one for each stream column; `K` below
/// stands for them, numbers are the parameters after them. Event columns are those of decode_event (reading.h).
struct Statements {
  explicit Statements(const Shape& shape);

  std::string head;      ///< (name, K): head, first_visible, deleted, tombstoned
  std::string forwards;  ///< (name, K, from, hidden too, limit): the columns of `head`, then event columns
  std::string backwards;
  std::string predecessors;  ///< (K, below, limit): events of a stream below a revision, highest first
  std::string stream_range;  ///< (K, from, to, limit): both inclusive, lowest first

  std::string places;  ///< (K as arrays, revisions[]): number in the arrays from 1, position; existing events only

  std::string all_forwards;   ///< (after, to, limit)
  std::string all_backwards;  ///< (before, to, limit)
  std::string in_ranges;      ///< (starts[], ends[], limit): events between the pairs, both exclusive, by position

  std::string highest;      ///< (low): highest position of any row, at least low; whether the server is in recovery
  std::string holders;      ///< (): transactions that may still commit rows: virtualtransaction, pid
  std::string any_of_them;  ///< (virtualtransactions[]): whether one of them is still there

  std::string heads_first;  ///< (limit): key columns as text, name, head, its position; in key order
  std::string heads_after;  ///< (K, limit)
};

}  // namespace twinstream::postgres
