#pragma once

#include "proxy/core/result.h"
#include "proxy/engine/category.h"

// Positions as the dual log shows them. The two stores count differently, so a position kept by a client must never be
// taken for one of the other store: those of PostgreSQL carry a mark (bit 62, which no EventStore position reaches) and
// those of EventStore are its own, so that they stay good when an application later speaks to EventStore itself.

namespace twinstream {

/// The position of a store as clients see it; start(), which stands for unknown, when that store does not answer for
/// the whole log: nobody could resume from it.
Position shown_position(WholeLog whole, bool in_eventstore, Position position);

/// The position that a client gave, as the store that answers for the whole log knows it. Rejected with the reason when
/// it is one of the other store, and when neither store answers for the whole log.
Result<Position> stored_position(WholeLog whole, Position shown);

}  // namespace twinstream
