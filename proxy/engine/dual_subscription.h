#pragma once

#include "proxy/engine/category.h"
#include "proxy/engine/mirror.h"

// Subscriptions of the dual log. They show events as its reads do: times restored, positions as in shown_position.h.

namespace twinstream {

/// What a subscription needs of its dual log, which outlives it.
struct SubscriptionSource {
  EventLog& postgres;
  EventLog& eventstore;
  const Categories& categories;
  const Translation& from_eventstore;
};

/// Of the stream's authority, and goes on at the other store from the same revision when the authority changes.
std::unique_ptr<Subscription> subscribe_to_authority(SubscriptionSource source, std::string stream,
                                                     std::optional<std::uint64_t> after);

/// Of the store that answers for the whole log. Refused as stored_position says; `unavailable` once another store
/// answers, because the positions of one order mean nothing in the other.
std::unique_ptr<Subscription> subscribe_to_whole_log(SubscriptionSource source, Position after);

}  // namespace twinstream
